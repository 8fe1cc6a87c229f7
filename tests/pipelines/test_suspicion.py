"""Suspicion: a wrong label is told from a hard question by its program, by a better model, or by agreement."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import truth
from pipelines.attempts import Attempt
from pipelines.suspicion import agreement, suspect_label
from pipelines.tasks import FAMILIES
from pipelines.tasks.rows import sample_row
from pipelines.toolloop import Episode
from pipelines.truth.formulas import computed
from pipelines.verifiers import verify_row
from schemas.ids import canonical_json
from tests.pipelines.jobs import picture, sample

COLOUR = sample(picture(1))


def tried(*answers, of=COLOUR) -> list[Attempt]:
    """One attempt for each answer; None says nothing."""
    made = []
    for answer in answers:
        text = "I cannot say." if answer is None else f"<answer>{answer}</answer>"
        verdict = verify_row(text, of)
        row = {"answer": None if verdict.parsed is None else canonical_json(verdict.parsed)}
        made.append(Attempt(Episode((), (text,), answer, "answer"), verdict, row))
    return made


def other(made):
    """Another answer of the same type."""
    match made.answer_type:
        case "yes_no":
            return "no" if made.answer == "yes" else "yes"
        case "choice":
            return next(option for option in made.options if option != made.answer)
        case "integer" | "number":
            return 2 * made.answer + 7
        case "list":
            return [*made.answer, made.answer[0]]
        case "point":
            return [9 * value + 90 for value in made.answer]
    return "nothing of the kind"


CELLS = [(task, dial) for task, family in sorted(FAMILIES.items()) for dial in range(len(family.DIALS))]


@pytest.mark.parametrize(("task", "dial"), CELLS)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**30))
def test_the_program_clears_a_right_label_and_gives_away_a_spoilt_one(task, dial, seed):
    """Whatever was attempted: of every family, and also where the wrong label was answered."""
    made = FAMILIES[task].make(seed, dial)
    ids = [f"{index:032x}" for index, _ in enumerate(made.images)]
    right = sample_row(task, dial, made, ids)
    wrong = sample_row(task, dial, replace(made, answer=other(made)), ids)
    agreeing = tried(*["nonsense"] * 8, of=right)
    assert suspect_label(right, True, agreeing, (), ()) is None
    for unsolved in (True, False):
        found = suspect_label(wrong, unsolved, (), (), ())
        assert found and (found.evidence, json.loads(found.suggested)) == ("program", json.loads(right["answer"]))


def test_what_no_family_made_has_no_known_truth():
    assert truth.of(COLOUR) is None
    assert truth.of({**COLOUR, "task": "counting"}) is None


@pytest.mark.parametrize(
    ("said", "agreed"),
    [
        (["blue"] * 8, "blue"),
        (["Blue.", "the blue", *["blue"] * 6], "blue"),  # in other dress
        (["blue"] * 7 + ["green"], "blue"),
        (["blue"] * 6 + ["green"] * 2, None),  # six of eight: from 0.41
        (["blue"] * 6 + [None] * 2, None),
        (["blue"] * 4 + ["red"] * 4, None),
        ([None] * 8, None),
        (["red"] * 8, None),
    ],
)
def test_agreement_is_one_wrong_answer_said_by_more_than_half_for_certain(said, agreed):
    found = agreement(tried(*said), ())
    assert (found and json.loads(found).lower().strip(".").split()[-1]) == agreed


def test_what_is_said_without_the_picture_too_is_habit():
    said = tried(*["blue"] * 8)
    assert agreement(said, tried(*["blue"] * 8)) is None
    assert agreement(said, tried(*["blue"] * 5, *["green"] * 3)) is not None  # 0.63, and 8 of 8 is from 0.68
    assert agreement(said, tried(*["green"] * 8)) is not None


def test_a_solved_question_is_not_suspect():
    assert suspect_label(COLOUR, False, tried(*["blue"] * 8), (), ()) is None


@pytest.mark.parametrize(
    ("stronger", "evidence"),
    [
        (["red", "blue", "blue", "blue"], None),  # right once: the label can be reached
        (["blue"] * 4, "stronger"),
        (["blue", "green", "blue", "black"], None),  # wrong in many ways: hard for it as well
    ],
)
def test_a_stronger_model_decides_where_it_was_asked(stronger, evidence):
    found = suspect_label(COLOUR, True, tried(*["green"] * 8), (), tried(*stronger))
    assert (found and found.evidence) == evidence
    assert evidence is None or json.loads(found.suggested) == "blue"


@pytest.mark.parametrize(
    ("formula", "at", "value"), [("-1/2 (x - 1)² + 2", 3, 0), ("|x + 1| - 4", -3, -2), ("2 sin(π/2 · (x - 1))", 2, 2)]
)
def test_formulas_are_computed_as_they_are_written(formula, at, value):
    assert computed(formula, at) == pytest.approx(value)


@pytest.mark.parametrize("formula", ["__import__('os')", "x.real", "open(x)", "[x]"])
def test_a_formula_is_nothing_but_a_formula(formula):
    with pytest.raises((ValueError, KeyError)):
        computed(formula, 1)
