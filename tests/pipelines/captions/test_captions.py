"""Captions are true, their clauses lie where they say, and every swap is false."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.captions import KINDS, Caption, words
from pipelines.captions.truth import holds, swaps, told
from pipelines.tasks import FAMILIES, scenes, search
from pipelines.tasks.draw import COLOURS
from schemas.ids import canonical_json

CAPTIONED = ("counting", "search", "charts")


@st.composite
def captions(draw: st.DrawFn) -> tuple[Caption, dict[str, Any]]:
    name = draw(st.sampled_from(CAPTIONED))
    made = FAMILIES[name].make(draw(st.integers(0, 2**40)), draw(st.integers(0, 2)))
    assert made.caption is not None
    return made.caption, json.loads(canonical_json(made.program))


@settings(max_examples=200)
@given(captions())
def test_spans_are_exact_ordered_and_apart(case: tuple[Caption, dict[str, Any]]) -> None:
    caption, _ = case
    end = 0
    for clause in caption.clauses:
        assert caption.text[clause.start : clause.end] == clause.text
        assert clause.start >= end and clause.kind in KINDS
        end = clause.end
    assert 20 <= len(caption.text.split()) <= 80
    assert len(caption.clauses) >= 3


@settings(max_examples=200)
@given(captions())
def test_every_clause_is_true_and_every_swap_is_false(case: tuple[Caption, dict[str, Any]]) -> None:
    caption, program = case
    for clause in caption.clauses:
        assert holds(clause.fact, program)
        alternatives = swaps(clause.fact, program)
        assert alternatives, clause
        assert len({text for text, _ in alternatives}) == len(alternatives)
        for text, fact in alternatives:
            assert text != clause.text and fact["claim"] == clause.fact["claim"]
            assert not holds(fact, program)


def test_the_words_are_those_of_the_families() -> None:
    assert tuple(COLOURS) == words.COLOURS
    assert tuple(search.PALETTE) == words.CARD_COLOURS
    assert words.SHAPES == scenes.SHAPES
    assert words.MARKS == search.MARKS


def test_three_facts_about_one_scene() -> None:
    objects = [
        {"colour": "red", "shape": "circle", "column": 3, "row": 1},
        {"colour": "red", "shape": "star", "column": 1, "row": 2},
    ]
    program = {"objects": objects}
    assert told({"claim": "colour_count", "colour": "red"}, program) == 2
    assert told({"claim": "shape_at", "place": "last"}, program) == "star"
    assert told({"claim": "side"}, program) == "right"


def test_an_unknown_claim_is_an_error() -> None:
    with pytest.raises(ValueError, match="no claim"):
        told({"claim": "smell"}, {"objects": []})
