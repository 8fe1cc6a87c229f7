"""Laws that hold for every family: same seed, same sample; the answer follows from the program; traces can be run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.tasks import FAMILIES, Made, state_id
from pipelines.tools import Shown
from pipelines.tools.replay import again
from pipelines.truth import solve
from pipelines.verifiers.verify import verify_answer
from schemas.answers import ANSWER_TYPES, canonical_answer
from schemas.ids import canonical, canonical_json, content_id
from schemas.outcome import Drop, Keep
from tests.pipelines.tasks.traces import answering, judge, told

CELLS = [(name, dial) for name, family in FAMILIES.items() for dial in range(len(family.DIALS))]
OLDEST = ("counting", "search", "charts", "geometry")
cells = pytest.mark.parametrize(("name", "dial"), CELLS)


@st.composite
def samples(draw: st.DrawFn) -> tuple[str, int, int, Made]:
    name, dial = draw(st.sampled_from(CELLS))
    seed = draw(st.integers(0, 2**40))
    return name, dial, seed, FAMILIES[name].make(seed, dial)


@settings(max_examples=60)
@given(samples())
def test_a_seed_always_makes_the_same_sample(sample: tuple[str, int, int, Made]) -> None:
    name, dial, seed, made = sample
    again = FAMILIES[name].make(seed, dial)
    assert [image.tobytes() for image in made.images] == [image.tobytes() for image in again.images]
    assert (made.question, made.steps, made.caption) == (again.question, again.steps, again.caption)
    assert state_id(made) == state_id(again)


@settings(max_examples=250)
@given(samples())
def test_the_answer_follows_from_the_program(sample: tuple[str, int, int, Made]) -> None:
    name, _, _, made = sample
    program = json.loads(canonical_json(made.program))
    found = solve(name, program)
    assert found == made.answer
    assert json.loads(canonical_json(found)) == json.loads(canonical_json(made.answer))
    assert program["ask"]["relation"] == made.relation
    assert made.answer_type in ANSWER_TYPES
    assert canonical_answer(made.answer, made.answer_type) == made.answer
    assert made.answer_type != "choice" or made.answer in made.options


@settings(max_examples=100)
@given(samples())
def test_the_picture_follows_from_the_program(sample: tuple[str, int, int, Made]) -> None:
    name, _, _, made = sample
    program = json.loads(canonical_json(made.program))
    drawn = FAMILIES[name].render(program)
    drawn = drawn if isinstance(drawn, tuple) else (drawn,)
    assert [image.tobytes() for image in drawn] == [image.tobytes() for image in made.images]
    assert {image.mode for image in drawn} == {"RGB"}
    assert canonical(made.program) == program


@settings(max_examples=250)
@given(samples())
def test_the_oracle_trace_can_be_run_and_ends_in_the_answer(sample: tuple[str, int, int, Made]) -> None:
    name, _, _, made = sample
    shown = Shown.of(made.images)
    for step in made.steps:
        if step.kind == "action":
            seen = again(shown, {"tool": step.tool, "text": step.text, "arguments": step.arguments})
            assert not seen.refused, seen.text
            shown = shown.plus(seen)
    kinds = [step.kind for step in made.steps]
    assert kinds[-2:] == ["thought", "answer"] and kinds.count("answer") == 1
    assert ("action" in kinds) == (name not in {"counting", "charts"})
    assert all((step.tool is not None) == (step.kind == "action") for step in made.steps)
    assert verify_answer(made.steps[-1].text, made.answer, made.answer_type, made.verifier, made.options).correct


@settings(max_examples=150)
@given(samples(), st.integers(0, 2**40))
def test_the_answer_to_another_question_does_not_pass(sample: tuple[str, int, int, Made], seed: int) -> None:
    name, dial, _, made = sample
    others = [FAMILIES[name].make(seed + step, dial) for step in range(4)]
    guesses = [other.answer for other in others if other.relation == made.relation] + [*made.options, "", "none", -1]
    for guess in guesses:
        judged = verify_answer(guess, made.answer, made.answer_type, made.verifier, made.options)
        assert not judged.correct or close(guess, made.answer), (guess, made.answer)


def close(guess: Any, gold: Any) -> bool:
    """The same answer, or one within what families tolerate: 5 % of a number, ten pixels of a point."""
    if isinstance(gold, int | float) and isinstance(guess, int | float):
        return abs(guess - gold) <= 0.05 * abs(gold) + 1e-9
    if isinstance(gold, list) and all(isinstance(item, int | float) for item in [*gold, *guess]):
        return len(gold) == len(guess) and all(abs(a - b) <= 40 for a, b in zip(gold, guess, strict=True))
    return bool(guess == gold)


@settings(max_examples=120)
@given(samples())
def test_the_oracle_trace_passes_verify_and_a_wrong_answer_does_not(sample: tuple[str, int, int, Made]) -> None:
    name, dial, _, made = sample
    whole = told(name, dial, made)
    assert isinstance(judge(whole), Keep)
    dropped = judge(answering(whole, "17.03 of them"))
    assert isinstance(dropped, Drop) and dropped.reason == "wrong_answer"


@settings(max_examples=250)
@given(samples())
def test_regions_and_checklist_are_usable(sample: tuple[str, int, int, Made]) -> None:
    _, _, _, made = sample
    width, height = made.images[0].size
    assert made.region and 2 <= len(made.checklist) <= 6
    for region in made.region:
        x0, y0, x1, y1 = region.box
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
    for fact in made.checklist:
        assert canonical_answer(fact.answer, fact.answer_type) == canonical(fact.answer)


@cells
def test_no_answer_is_a_safe_guess(name: str, dial: int, monkeypatch: pytest.MonkeyPatch) -> None:
    family = FAMILIES[name]
    monkeypatch.setattr(family, "render", lambda program: Image.new("RGB", (8, 8)))  # what is asked needs no picture
    seen: dict[str, Counter[Any]] = {}
    for seed in range(700 if name in OLDEST else 300):
        made = family.make(seed, dial)
        seen.setdefault(made.relation, Counter())[canonical_json(made.answer)] += 1
    assert set(seen) <= set(family.RELATIONS)
    for counter in seen.values():
        total, kinds = sum(counter.values()), len(counter)
        assert kinds >= 2
        # Two answers share evenly; more answers leave none above 40 %. Three standard errors of slack.
        bound = (0.5 if kinds == 2 else 0.4) + 1.5 / total**0.5
        assert max(counter.values()) / total <= bound, counter


@cells
def test_states_do_not_repeat_much(name: str, dial: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FAMILIES[name], "render", lambda program: Image.new("RGB", (8, 8)))
    states = {state_id(FAMILIES[name].make(seed, dial)) for seed in range(200)}
    assert len(states) >= 190


def test_the_question_does_not_change_the_state() -> None:
    made = FAMILIES["counting"].make(1, 1)
    other = {**made.program, "ask": {"relation": "count", "colour": "red", "shape": None}}
    assert state_id(made) == state_id(Made(**{**vars(made), "program": other}))


def test_dials_are_real_settings_easiest_first() -> None:
    for family in FAMILIES.values():
        assert len(family.DIALS) >= 3
        with pytest.raises(IndexError):
            family.make(0, len(family.DIALS))


FROZEN: dict[str, list[str]] = json.loads((Path(__file__).parent / "frozen.json").read_text())
"""Per family its VERSION, then for each dial a digest of twenty samples (program, question, trace, caption): shipped
weights were trained on them."""


@cells
def test_a_change_of_what_is_made_raises_the_version(name: str, dial: int, monkeypatch: pytest.MonkeyPatch) -> None:
    family = FAMILIES[name]
    monkeypatch.setattr(family, "render", lambda program: Image.new("RGB", (8, 8)))
    made = [family.make(seed, dial) for seed in range(20)]
    texts = [
        [
            item.program,
            item.question,
            [[step.text, step.arguments] for step in item.steps],
            item.caption and item.caption.text,
        ]
        for item in made
    ]
    version, *digests = FROZEN[name]
    frozen = content_id("frozen", texts)[:12]
    assert (family.VERSION, frozen) == (version, digests[dial]), "raise VERSION, then record this digest"
