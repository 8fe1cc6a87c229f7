"""Captions are true, their clauses lie where they say, and every swap is false."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.captions import KINDS, Caption, words
from pipelines.captions.claims import Teller
from pipelines.captions.swaps import offers
from pipelines.captions.truth import holds, swaps, told
from pipelines.tasks import FAMILIES, scenes, search
from pipelines.tasks.draw import COLOURS
from schemas.ids import canonical_json

CAPTIONED = tuple(name for name in FAMILIES if name != "geometry")
SHORT = ("counting", "search", "charts")
"""Families whose captions the shipped weights were taught; the others write at least forty words."""


@st.composite
def captions(draw: st.DrawFn, of: tuple[str, ...] = CAPTIONED) -> tuple[Caption, dict[str, Any]]:
    name = draw(st.sampled_from(of))
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
    assert 20 <= len(caption.text.split()) <= 250
    assert len(caption.clauses) >= 3


@settings(max_examples=200)
@given(captions(tuple(name for name in CAPTIONED if name not in SHORT)))
def test_worlds_are_told_at_length(case: tuple[Caption, dict[str, Any]]) -> None:
    caption, _ = case
    assert len(caption.text.split()) >= 40
    assert len(caption.clauses) >= 5
    assert not re.search(r"[{}|]|  |\bNone\b", caption.text), caption.text


@pytest.mark.parametrize("name", [name for name in CAPTIONED if name not in SHORT])
def test_worlds_are_told_in_many_ways(name: str) -> None:
    """What is left of thirty captions without what they claim differs; no two sentences stand in one order always."""
    frames = set()
    for seed in range(30):
        caption = FAMILIES[name].make(seed, 1).caption
        assert caption is not None
        left, end = "", 0
        for clause in caption.clauses:
            left, end = f"{left}{caption.text[end : clause.start]}_", clause.end
        frames.add(left + caption.text[end:])
    assert len(frames) >= 25


@settings(max_examples=100)
@given(captions(tuple(name for name in CAPTIONED if name not in SHORT)))
def test_the_caption_of_a_world_can_be_made_false(case: tuple[Caption, dict[str, Any]]) -> None:
    caption, program = case
    rows = [{**vars(clause), "fact": canonical_json(clause.fact)} for clause in caption.clauses]
    assert offers(caption.text, rows, program)


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


def test_five_claims_about_one_program() -> None:
    program = {"rows": [{"name": "oak", "high": 3}, {"name": "elm", "high": 5}], "title": "trees"}
    teller = Teller(program, "one")
    teller.tell("Of {0}:", teller.word(("title",), ("trees", "birds")))
    teller.tell("{0} in all", teller.length(("rows",), 1))
    teller.tell("{0} of three", teller.count(("rows",), {"high": 3}, 0))
    teller.tell("{0} high", teller.number(("rows", 1, "high"), 1, 9))
    teller.tell("oak is {0}", teller.order(("rows", 0, "high"), ("rows", 1, "high"), "lower", "higher"))
    caption = teller.caption()
    assert sorted(clause.text for clause in caption.clauses) == ["five", "lower", "one", "trees", "two"]
    for clause in caption.clauses:
        assert holds(clause.fact, program)
        assert all(not holds(false, program) for _, false in swaps(clause.fact, program))
    with pytest.raises(KeyError):
        told({"claim": "at", "path": ["smell"]}, program)
