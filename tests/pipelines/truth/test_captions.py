"""Captions read back: what is injected is false, and what it replaced was true, by a path of its own."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.captions.swaps import KINDS, offers, times
from pipelines.tasks import FAMILIES
from pipelines.truth.captions import READERS, Unread, judged, only_false
from pipelines.truth.captions.sentences import agrees
from schemas.ids import canonical_json


def made(family: str, dial: int, seed: int):
    """The caption with its clauses as rows hold them, and the program as it comes back from a table."""
    sample = FAMILIES[family].make(seed, dial)
    clauses = [{**vars(clause), "fact": canonical_json(clause.fact)} for clause in sample.caption.clauses]
    return sample.caption.text, clauses, json.loads(canonical_json(sample.program))


def test_every_family_that_has_captions_is_read():
    assert set(READERS) == {name for name in FAMILIES if FAMILIES[name].make(0, 0).caption}


@given(st.sampled_from(sorted(READERS)), st.integers(0, 2), st.integers(0, 2**40))
def test_every_claim_is_read_where_its_clause_lies_and_is_true(family, dial, seed):
    text, clauses, program = made(family, dial, seed)
    found = judged(family, text, program)
    assert [(claim.start, claim.end) for claim in found] == [(clause["start"], clause["end"]) for clause in clauses]
    assert all(claim.true for claim in found)


@pytest.mark.parametrize("family", sorted(READERS))
def test_every_swap_makes_one_claim_false_and_no_other(family):
    draw, swaps = random.Random(family), []
    for seed in range(24):
        text, clauses, program = made(family, seed % 3, seed)
        for swap in draw.sample(offered := offers(text, clauses, program), min(8, len(offered))):
            false = only_false(family, swap.applied(text), program)
            assert false and (false.start, false.said) == (swap.start, swap.replacement), swap
            assert times(swap.replacement, swap.applied(text)) == 1
            swaps.append(swap)
    assert len(swaps) >= 100 and {swap.kind for swap in swaps} <= set(KINDS)


@pytest.mark.parametrize(
    ("family", "old", "new"),
    [
        ("counting", "in all", "in total"),
        ("stilllife", "First from the left", "Fifth from the left"),
        ("views", "tower", "house"),
    ],
)
def test_what_nobody_would_say_is_not_read(family, old, new):
    text, _, program = made(family, 1, 7)
    with pytest.raises(Unread, match="at character"):
        judged(family, text.replace(old, new, 1) if old in text else new, program)


def test_a_false_claim_is_found_without_the_program_of_the_captions():
    """Written by hand: three bodies, one of which the caption leaves out."""
    bodies = [("red", "circle"), ("blue", "square"), ("green", "star")]
    program = {"bodies": [{"colour": colour, "shape": shape} for colour, shape in bodies], "shown": [0]}
    for said, true in (
        ("red circle", [True, True]),
        ("red square", [False, True]),  # each is there, but not together
        ("green star", [True, True]),
        ("pink circle", [False, True]),
        ("red cross", [True, False]),
    ):
        colour, shape = said.split()
        claims = judged("frames", f"By colour one body is {colour}; by shape it is a {shape}.", program)
        assert [claim.true for claim in claims] == true, said


def test_numbers_and_ranks_agree_however_they_are_spelled():
    assert agrees("four", 4) and agrees("4", 4) and agrees("third", 3) and agrees("-2", -2)
    assert not agrees("five", 4) and not agrees("many", 4) and not agrees("red", {"blue", "green"})
