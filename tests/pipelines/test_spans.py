"""Scored answers beside what the published scorer of ViCrit says of them.

The published rule (seed_systems.md §7.4): what changed between the original and the changed noun phrase, without the
words that both begin and end with alike; an answer is correct when the first changed word occurs anywhere in it. It is
written here after that description. Where nothing is left of the change, it fails with an error.
"""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.captions.injection import NO_ERROR
from pipelines.verifiers import verify
from pipelines.verifiers.rules import Rules
from pipelines.verifiers.spans import How, grade

TABLE = (
    "A wooden table stands left of a red chair. Three cups stand on the table, and a green lamp hangs above the chair."
)
STREET = "A man with an orange umbrella walks past a closed shop. A dog follows the man. The sign says “Bakers & Sons”."
VALLEY = "Four round towers rise behind the lake. The lake is frozen, and a stone bridge crosses it to the left."

CASES = {
    "material": (TABLE.replace("wooden table", "glass table"), "wooden table", "glass table"),
    "count": (TABLE.replace("Three", "Two"), "Three cups", "Two cups"),
    "spatial": (TABLE.replace("left of", "right of"), "left of", "right of"),
    "attribute": (STREET.replace("an orange", "a yellow"), "an orange umbrella", "a yellow umbrella"),
    "text": (STREET.replace("Bakers", "Bankers"), "Bakers & Sons", "Bankers & Sons"),
    "shape": (VALLEY.replace("round", "square"), "Four round towers", "Four square towers"),
    "condition": (VALLEY.replace("frozen", "clear"), "frozen", "clear"),
}
RULES = {name: Rules(context=text, extra_words=2, partial=True) for name, (text, _, _) in CASES.items()}

ANSWERS = [
    # case, answer, how it is graded, correct, what the published scorer says
    ("material", "glass table", "exact", True, True),
    ("material", "A glass table", "exact", True, True),
    ("material", "the glass table", "exact", True, True),
    ("material", "Glass table.", "exact", True, False),
    ("material", "“glass table”", "exact", True, True),
    ("material", "glass table stands", "quoted", True, True),
    ("material", "glass table stands left", "quoted", True, True),
    ("material", "glass table stands left of", "over_long", False, True),
    ("material", "glass", "partial", False, True),
    ("material", "table", "elsewhere", False, False),
    ("material", "wooden table", "unquoted", False, False),
    ("material", "fibreglass", "unquoted", False, True),
    ("material", "no glass is to be seen here", "over_long", False, True),
    ("material", TABLE.replace("wooden table", "glass table"), "over_long", False, True),
    ("material", "a", "elsewhere", False, False),
    ("material", "red chair", "elsewhere", False, False),
    ("count", "Two cups", "exact", True, True),
    ("count", "two cups", "exact", True, False),
    ("count", "Two cups stand", "quoted", True, True),
    ("count", "Two", "partial", False, True),
    ("count", "cups", "partial", False, False),
    ("count", "cups stand on", "partial", False, False),
    ("count", "2 cups", "unquoted", False, False),
    ("count", "Three cups", "unquoted", False, False),
    ("count", "two chairs", "unquoted", False, False),
    ("count", "Two cups stand on the table", "over_long", False, True),
    ("count", NO_ERROR, "unquoted", False, False),
    ("count", "I cannot tell", "unquoted", False, False),
    ("spatial", "right of", "exact", True, True),
    ("spatial", "right of a red", "quoted", True, True),
    ("spatial", "stands right of a", "quoted", True, True),
    ("spatial", "right", "partial", False, True),
    ("spatial", "bright", "unquoted", False, True),
    ("spatial", "left of", "unquoted", False, False),
    ("spatial", "of a", "partial", False, False),
    ("spatial", "on the right", "unquoted", False, True),
    ("spatial", "red chair", "elsewhere", False, False),
    ("attribute", "a yellow umbrella", "exact", True, True),
    ("attribute", "yellow umbrella", "exact", True, True),
    ("attribute", "yellow", "partial", False, False),
    ("attribute", "umbrella", "partial", False, True),
    ("attribute", "a", "elsewhere", False, True),
    ("attribute", "a dog", "elsewhere", False, True),
    ("attribute", "a closed shop", "elsewhere", False, True),
    ("attribute", "a man", "elsewhere", False, True),
    ("attribute", "a yellow umbrella walks past", "quoted", True, True),
    ("attribute", "with a yellow", "partial", False, True),
    ("attribute", "There is no hallucination.", "unquoted", False, True),
    ("attribute", "orange umbrella", "unquoted", False, True),
    ("text", "Bankers & Sons", "exact", True, True),
    ("text", "“Bankers & Sons”", "exact", True, True),
    ("text", "sign says “Bankers & Sons”", "quoted", True, True),
    ("text", "Bankers", "partial", False, True),
    ("text", "Bakers & Sons", "unquoted", False, False),
    ("text", "The sign says “Bankers & Sons”.", "quoted", True, True),
    ("text", "& Sons", "partial", False, False),
    ("shape", "four square towers", "exact", True, True),
    ("shape", "square", "partial", False, True),
    ("shape", "square towers", "partial", False, True),
    ("shape", "Four", "partial", False, False),
    ("shape", "Four square towers rise behind", "quoted", True, True),
    ("shape", "Four square towers rise behind the", "over_long", False, True),
    ("shape", "town square", "unquoted", False, True),
    ("shape", "The lake", "elsewhere", False, False),
    ("condition", "clear", "exact", True, True),
    ("condition", "CLEAR", "exact", True, False),
    ("condition", "is clear", "quoted", True, True),
    ("condition", "lake is clear", "quoted", True, True),
    ("condition", "The lake is clear", "quoted", True, True),
    ("condition", "It is not clear which phrase is wrong.", "over_long", False, True),
    ("condition", "", "unquoted", False, False),
    ("condition", "frozen", "unquoted", False, False),
    ("condition", "left", "elsewhere", False, False),
]


def published(original: str, changed: str, prediction: str) -> bool:
    """The rule of the published scorer. Raises `IndexError` where the two phrases are the same."""
    old, new = original.split(), changed.split()
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return new[0] in prediction


@pytest.mark.parametrize(("case", "answer", "how", "correct", "beside"), ANSWERS)
def test_an_answer_is_scored(case, answer, how, correct, beside):
    _, original, changed = CASES[case]
    graded = grade(answer, changed, RULES[case])
    assert (graded.how, graded.correct) == (how, correct)
    assert graded.score == 1.0 if correct else graded.score <= 0.99
    assert bool(graded.score) == (how in ("exact", "quoted", "partial"))
    assert published(original, changed, answer) is beside


def test_how_often_the_two_disagree():
    """Of 73 answers the published rule lets 24 wrong ones pass and turns 3 right ones down."""
    assert len(ANSWERS) == 73
    assert {how for _, _, how, _, _ in ANSWERS} == {*get_args(How)} - {"wrong"}
    lenient = [answer for _, answer, _, correct, beside in ANSWERS if beside and not correct]
    strict = [answer for _, answer, _, correct, beside in ANSWERS if correct and not beside]
    assert (len(lenient), len(strict)) == (24, 3)
    with pytest.raises(IndexError):
        published("red chair", "red chair", "anything")


@pytest.mark.parametrize("case", CASES)
def test_boxing_the_whole_caption_pays_nothing(case):
    text, _, changed = CASES[case]
    for rules in (RULES[case], Rules(context=text, partial=True), Rules(context=text, extra_words=8)):
        assert grade(text, changed, rules).score == 0


@pytest.mark.parametrize("case", CASES)
def test_without_the_option_no_part_is_paid(case):
    text, _, changed = CASES[case]
    for name, answer, how, _, _ in ANSWERS:
        if name == case and how == "partial":
            assert grade(answer, changed, Rules(context=text, extra_words=2)).score == 0


@given(st.sampled_from(sorted(CASES)), st.integers(0, 30), st.integers(1, 12), st.integers(0, 8))
def test_more_of_the_phrase_never_pays_less(case, start, length, extra):
    """Of all quotes of one length none is paid more than the phrase itself, and none that misses it is paid."""
    text, _, changed = CASES[case]
    quote = " ".join(text.split()[start : start + length])
    rules = Rules(context=text, extra_words=extra, partial=True)
    graded = grade(quote, changed, rules)
    assert graded.score <= grade(changed, changed, rules).score
    if graded.correct:
        assert len(quote.split()) <= len(changed.split()) + extra + 1  # an article in front is no word
    verdict = verify(f"\\boxed{{{quote}}}", changed, "span", rules)
    assert (verdict.correct, verdict.score) == (graded.correct, graded.score) or not quote


def test_an_unchanged_caption_is_right_when_nothing_is_named():
    for answer, right in ((NO_ERROR, True), ("No error.", True), ("none", False), ("red chair", False), (TABLE, False)):
        assert grade(answer, NO_ERROR, Rules(context=TABLE, extra_words=2, partial=True)).correct is right
