"""Triplets: graded by their parts, never as high as the whole, and no better for saying more than one thinks."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.verifiers import Verdict, verify
from schemas.ids import canonical_json

ATTRIBUTES = {"colour": ("red", "green", "dark blue"), "shape": ("star", "circle"), "size": ("small", "large", "huge")}
VALUES = [(attribute, value) for attribute, values in ATTRIBUTES.items() for value in values]
PAID = {0: Fraction(0), 1: Fraction(1, 10), 2: Fraction(3, 10), 3: Fraction(1)}

changes = st.lists(
    st.tuples(st.integers(1, 9), st.sampled_from(VALUES)), min_size=1, max_size=4, unique_by=lambda change: change[0]
).map(lambda found: [f"{number} {attribute} {value}" for number, (attribute, value) in found])
guesses = st.lists(
    st.builds(lambda number, two: f"{number} {two[0]} {two[1]}", st.integers(1, 9), st.sampled_from(VALUES)), max_size=8
)


def judged(said: list[str], gold: list[str]) -> Verdict:
    text = f"<answer>{canonical_json(said)}</answer>"
    return verify(text, gold, "list", {"entries": "triplet"})


@given(changes, st.randoms())
def test_all_triplets_in_any_order_are_right(gold: list[str], rng) -> None:
    said = rng.sample(gold, len(gold))
    assert (judged(said, gold).correct, judged(said, gold).score) == (True, 1.0)


@pytest.mark.parametrize(
    "said",
    [
        '["4 colour red", "6 size large"]',
        "6 size large; 4 colour red",
        "- 4 colour red\n- 6: Size → large.",
        '[[6, "size", "large"], ["4", "colour", "red"]]',
        '["(4, colour, red)", "(6, size, large)"]',
        "4 colour red and 6 size large",
    ],
)
def test_what_models_write_is_read(said: str) -> None:
    assert verify(f"<answer>{said}</answer>", ["4 colour red", "6 size large"], "list", {"entries": "triplet"}).correct


@given(changes, guesses)
def test_wrong_is_never_as_good_as_right(gold: list[str], said: list[str]) -> None:
    verdict = judged(said, gold)
    assert verdict.correct is (sorted(said) == sorted(gold))
    assert verdict.correct or 0 <= verdict.score <= 0.99


@given(changes, st.data())
def test_each_part_that_is_right_pays_and_nothing_else_does(gold: list[str], data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.integers(0, 3), min_size=len(gold), max_size=len(gold)))
    strange = ("77", "weight", "heavy")
    said = [
        " ".join([*change.split(" ", 2)[:right], *strange[right:]]) for change, right in zip(gold, parts, strict=True)
    ]
    due = sum(PAID[right] for right in parts) / len(gold)
    assert judged(said, gold).score == pytest.approx(float(due))
    for at, right in enumerate(parts):
        if right < 3:
            better = [
                *said[:at],
                " ".join([*gold[at].split(" ", 2)[: right + 1], *strange[right + 1 :]]),
                *said[at + 1 :],
            ]
            assert judged(better, gold).score > judged(said, gold).score


@given(changes, guesses.filter(lambda found: len(found) > 4))
def test_of_too_many_entries_one_can_always_be_left_out_for_the_better(gold: list[str], said: list[str]) -> None:
    shorter = [judged([*said[:at], *said[at + 1 :]], gold).score for at in range(len(said))]
    assert max(shorter) >= judged(said, gold).score


@pytest.mark.parametrize("sure", [0, 1, 2, 3])
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_naming_the_likeliest_pays_more_than_naming_several(sure: int, attribute: str) -> None:
    """One change is uncertain, its values equally likely: what is paid on average, by how many of them are named."""
    known = [f"{number} colour red" for number in range(1, sure + 1)]
    values = [f"9 {attribute} {value}" for value in ATTRIBUTES[attribute]]
    average = [
        sum(judged([*known, *values[:named]], [*known, truth]).score for truth in values) / len(values)
        for named in range(len(values) + 1)
    ]
    assert average[1] == max(average) > max(average[:1] + average[2:])


@given(changes)
def test_naming_everything_pays_next_to_nothing(gold: list[str]) -> None:
    everything = [
        f"{number} {attribute} {value}" for number, (attribute, value) in itertools.product(range(1, 10), VALUES)
    ]
    assert judged(everything, gold).score <= len(gold) / len(everything) + 1e-9


@given(changes, guesses)
def test_silence_never_pays_more_than_a_try(gold: list[str], said: list[str]) -> None:
    assert judged([], gold).score == 0 <= judged(said, gold).score


def test_a_gold_list_that_holds_no_triplets_passes_nothing() -> None:
    assert not judged(["red"], ["red"]).correct
