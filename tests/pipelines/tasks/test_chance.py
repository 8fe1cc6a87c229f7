"""For every family and dial: the oracle's answer passes, every other answer of the same kind does not, guessing pays as
much as chance says and no more."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from typing import Any

import pytest
from PIL import Image

from pipelines.tasks import FAMILIES, Made
from pipelines.verifiers import written
from pipelines.verifiers.verify import verify_answer
from schemas.outcome import Drop, Keep
from tests.pipelines.tasks.traces import answering, judge, told

CELLS = [(name, dial) for name, family in FAMILIES.items() for dial in range(len(family.DIALS))]
cells = pytest.mark.parametrize(("name", "dial"), CELLS)
SEEDS = 100


def domain(made: Made, seen: list[Any]) -> list[Any]:
    """What someone might say who knows the kind of question but has seen no picture; `seen` are other answers to it."""
    match made.answer_type:
        case "choice":
            return list(made.options)
        case "yes_no":
            return ["yes", "no"]
        case "integer":
            return list(range(min(seen) - 1, max(seen) + 2))
        case "number":
            low, high = min(seen), max(seen)
            return [made.answer, *(round(low + (high - low) * part / 40, 2) for part in range(41))]
        case "point":
            ranges = [(min(axis), max(axis)) for axis in zip(*seen, strict=True)]
            xs, ys = ([low + (high - low) * part / 12 for part in range(13)] for low, high in ranges)
            return [made.answer, *([x, y] for x in xs for y in ys)]
        case "list":
            gold = list(made.answer)
            return [*seen, gold[::-1], gold[:-1] or ["none"], [*gold, gold[0]], [*gold, "one more"]]
    return sorted(set(seen))


def right(guess: Any, made: Made) -> bool:
    """Whether a guess is the answer, or as near to it as the family's own rules allow."""
    rules: dict[str, Any] = dict(made.verifier)
    match made.answer_type:
        case "number":
            return bool(abs(guess - made.answer) <= rules.get("tolerance", 0) * abs(made.answer) + 1e-9)
        case "point":
            return math.dist(guess, made.answer) <= rules["pixels"]  # type: ignore[arg-type]  # points, here
        case "list":
            same = guess == list(made.answer)
            return same or (not rules.get("ordered") and sorted(map(str, guess)) == sorted(map(str, made.answer)))
    return bool(guess == made.answer)


def passes(guess: Any, made: Made) -> bool:
    return verify_answer(guess, made.answer, made.answer_type, made.verifier, made.options).correct is True


@cells
def test_every_wrong_answer_of_its_kind_fails_and_guessing_pays_what_chance_says(
    name: str, dial: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = FAMILIES[name]
    monkeypatch.setattr(family, "render", lambda program: Image.new("RGB", (8, 8)))  # answers need no picture
    asked: dict[tuple[str, str], list[Made]] = defaultdict(list)
    for seed in range(SEEDS):
        made = family.make(seed + 5000, dial)
        asked[made.relation, made.answer_type].append(made)
    rng, chance, variance, hits = random.Random(f"{name}:{dial}"), 0.0, 0.0, 0
    for alike in asked.values():
        answers = [made.answer for made in alike]
        for made in alike:
            guesses = domain(made, answers)
            good = [guess for guess in guesses if right(guess, made)]
            assert good, "the answer itself is no guess"
            assert [guess for guess in guesses if passes(guess, made)] == good
            share = len(good) / len(guesses)
            chance, variance = chance + share, variance + share * (1 - share)
            hits += passes(rng.choice(guesses), made)
    assert chance / SEEDS <= 0.5
    assert abs(hits - chance) <= 4 * math.sqrt(variance) + 1


@cells
def test_the_oracle_trace_passes_and_one_that_guesses_does_not(name: str, dial: int) -> None:
    drawn = [FAMILIES[name].make(seed, dial) for seed in range(7000, 7003)]
    for made in drawn:
        whole = told(name, dial, made)
        assert isinstance(judge(whole), Keep)
        alike = [
            each.answer for each in drawn if (each.relation, each.answer_type) == (made.relation, made.answer_type)
        ]
        wrong = [guess for guess in domain(made, alike) if not right(guess, made)]
        for guess in [*random.Random(str(wrong)).sample(wrong, min(4, len(wrong))), "17.03 of them", ""]:
            outcome = judge(answering(whole, written(guess)))
            assert isinstance(outcome, Drop) and outcome.reason == "wrong_answer", guess
