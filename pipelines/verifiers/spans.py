"""A phrase quoted from a text, graded: exact, with a few quoted words around it, in part, or not at all.

Nothing is paid for quoting a lot: beyond `extra_words` an answer is over-long, whatever it holds. Part of the phrase is
paid only at the phrase's own place: an answer that also stands elsewhere in the text points nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipelines.verifiers.rules import Rules
from pipelines.verifiers.words import normal

How = Literal["exact", "quoted", "partial", "over_long", "elsewhere", "unquoted", "wrong"]
_ARTICLES = frozenset({"a", "an", "the"})


@dataclass(frozen=True)
class Graded:
    """`how` an answer meets the phrase, and its score in 0–1; only `exact` and `quoted` are correct, at 1."""

    how: How
    score: float

    @property
    def correct(self) -> bool:
        return self.how in ("exact", "quoted")


def grade(answer: str, phrase: str, rules: Rules) -> Graded:
    """The answer against one phrase of `rules.context`; without a context only the phrase itself is right."""
    if normal(answer) == normal(phrase):
        return Graded("exact", 1.0)
    if rules.context is None:
        return Graded("wrong", 0.0)
    said, wanted, text = _words(answer), _words(phrase), _words(rules.context)
    if len(said) - len(wanted) > rules.extra_words:
        return Graded("over_long", 0.0)
    places, truth = _places(said, text), _places(wanted, text)
    if not places:
        return Graded("unquoted", 0.0)
    if len(places) > 1 or len(truth) != 1:
        return Graded("elsewhere", 0.0)
    (place,), (right,) = places, truth
    if set(right) <= set(place):
        return Graded("quoted", 1.0)
    share = _overlap(place, right, text)
    if not share:
        return Graded("elsewhere", 0.0)
    return Graded("partial", min(share, 0.99) if rules.partial else 0.0)


def _words(text: str) -> list[str]:
    return [bare for word in normal(text).split() if (bare := word.strip(".,;:!?\"'“”‘’()") or word)]


def _places(part: Sequence[str], text: Sequence[str]) -> list[range]:
    """Where in a text the run of words stands."""
    starts = range(len(text) - len(part) + 1) if part else range(0)
    return [range(start, start + len(part)) for start in starts if list(text[start : start + len(part)]) == list(part)]


def _overlap(place: range, right: range, text: Sequence[str]) -> float:
    """F1 of the words that count: an article is no part of an answer."""
    said, wanted = ({at for at in run if text[at] not in _ARTICLES} for run in (place, right))
    shared = len(said & wanted)
    return 2 * shared / (len(said) + len(wanted)) if shared else 0.0
