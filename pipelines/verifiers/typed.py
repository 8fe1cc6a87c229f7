"""Tiers 2 and 3: an answer read as its declared type, and compared as that type."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.verifiers.numbers import equal_numbers, read_number
from pipelines.verifiers.places import distance, overlap, read_list, read_numbers
from pipelines.verifiers.rules import Rules
from pipelines.verifiers.spans import grade
from pipelines.verifiers.triplets import credit, read_triplet
from pipelines.verifiers.words import LONGEST, normal, unwrapped
from schemas.answers import NO, YES
from schemas.ids import Json, canonical, canonical_json

_NEGATION = frozenset({"not", "never", "neither", "nor", "cannot", "without"})
_LEAD = r"(?:(?:the\s+)?(?:correct\s+)?(?:option|choice|answer)(?:\s+is\b)?\s*:?\s*)?"
_LETTER = re.compile(_LEAD + r"\(?([a-z])\)?[.):]?", re.IGNORECASE)
_LETTER_AND_TEXT = re.compile(
    r"(?:(?:option|choice|answer)\s*:?\s*)?(?:\(([A-Za-z])\)|([A-Za-z])\s*[.):])\s*(.+)", re.S
)


@dataclass(frozen=True)
class Compared:
    """`parsed` is the answer as its type reads it (None: it cannot be read so); `score` grades it in 0–1."""

    parsed: Json
    correct: bool
    score: float


WRONG = Compared(None, False, 0.0)


def written(answer: Json) -> str:
    """An answer as text: what stands between the answer tags of an oracle trace."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    if isinstance(answer, Sequence):
        return "[" + ", ".join(canonical_json(item) for item in answer) + "]"
    return canonical_json(answer)


def compare(answer: str, gold: Json, answer_type: str, rules: Rules, options: Sequence[str]) -> Compared:
    """The answer read as `answer_type` and compared with the canonical gold answer."""
    if not answer.strip() or len(answer) > LONGEST:
        return WRONG
    if answer_type in ("integer", "number"):
        return _number(answer, gold, answer_type, rules)
    if answer_type == "yes_no":
        return _flag(yes_or_no(answer), yes_or_no(written(gold)))
    if answer_type == "choice" and options:
        return _flag(chosen(answer, options), chosen(written(gold), options))
    if answer_type == "point":
        return _point(answer, gold, rules)
    if answer_type == "box":
        return _box(answer, gold, rules)
    if answer_type == "list":
        return _list(answer, gold, rules)
    if answer_type == "span":
        return _span(answer, gold, rules)
    found = normal(answer)
    right = any(found == normal(text) for text in (written(gold), *rules.aliases))
    return Compared(answer, right, float(right))


def yes_or_no(text: str) -> str | None:
    """`yes` or `no` where the text begins with it and holds nothing that could turn it around."""
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", normal(text).replace("\u2019", "'"))
    if not words or words[0] not in YES | NO or len(words) > 40:
        return None
    said = {"yes" if word in YES else "no" for word in words if word in (YES | NO) - {"y", "n"}} or {
        "yes" if words[0] in YES else "no"
    }
    negated = any(word in _NEGATION or word.endswith("n't") for word in words[1:])
    return None if len(said) > 1 or (negated and words[0] in YES) else said.pop()


def chosen(text: str, options: Sequence[str]) -> str | None:
    """The option meant: its exact text, else its letter, else both together. None where neither, or they disagree.

    Text goes first because option texts may themselves be letters, as the points of a drawing are.
    """
    texts = [normal(option) for option in options]
    if texts.count(normal(text)) == 1:
        return options[texts.index(normal(text))]
    if match := _LETTER.fullmatch(unwrapped(text)) or _LETTER.fullmatch(text.strip()):
        return _lettered(match.group(1), options)
    match = _LETTER_AND_TEXT.fullmatch(text.strip().strip("*$ "))
    option = _lettered(match.group(1) or match.group(2), options) if match else None
    return option if match and option is not None and normal(match.group(3)) == normal(option) else None


def _lettered(letter: str, options: Sequence[str]) -> str | None:
    index = ord(letter.upper()) - ord("A")
    return options[index] if 0 <= index < len(options) else None


def _flag(found: str | None, gold: str | None) -> Compared:
    if found is None:
        return WRONG
    return Compared(found, found == gold, float(found == gold))


def _number(answer: str, gold: Json, answer_type: str, rules: Rules) -> Compared:
    number = read_number(answer, rules)
    if number is None or not isinstance(gold, int | float):
        return WRONG
    try:
        right = equal_numbers(number, gold, rules)
    except OverflowError:
        return WRONG
    if answer_type == "integer" and not right and number.values[0] != round(number.values[0]):
        return Compared(number.values[0], False, 0.0)
    return Compared(canonical(number.values[0]), right, float(right))


def _point(answer: str, gold: Json, rules: Rules) -> Compared:
    found, right = read_numbers(answer, 2), read_numbers(written(gold), 2)
    if found is None or right is None:
        return WRONG
    near = distance(found, right) <= rules.pixels
    return Compared(canonical(found), near, float(near))


def _box(answer: str, gold: Json, rules: Rules) -> Compared:
    found, right = read_numbers(answer, 4), read_numbers(written(gold), 4)
    if found is None or right is None:
        return WRONG
    share = overlap(found, right)
    return Compared(canonical(found), share >= rules.iou, share)


def _list(answer: str, gold: Json, rules: Rules) -> Compared:
    found = read_list(answer)
    if found is None or not isinstance(gold, Sequence) or isinstance(gold, str):
        return WRONG
    if rules.entries == "triplet":
        return _triplets(found, gold)
    keys, right = [_key(item) for item in found], [_key(item) for item in gold]
    shared = (Counter(keys) & Counter(right)).total()
    share = shared / max(len(keys), len(right))
    correct = keys == right if rules.ordered else share == 1.0
    return Compared(found, correct, 1.0 if correct else min(share, 0.99))


def _triplets(found: Sequence[Json], gold: Sequence[Json]) -> Compared:
    """In any order; an entry of the gold list that is no triplet is the sample's fault, and nothing passes it."""
    right = [triplet for item in gold if (triplet := read_triplet(item))]
    if len(right) < len(gold):
        return WRONG
    said = [read_triplet(item) for item in found]
    correct = Counter(said) == Counter(right)
    return Compared(found, correct, 1.0 if correct else min(credit(said, right), 0.99))


def _key(item: Json) -> str:
    """One key for items that mean the same: 5, 5.0 and "5"; "A dog" and "dog"."""
    if isinstance(item, str | int | float) and not isinstance(item, bool):
        number = read_number(written(item), Rules())
        if number is not None and not number.unit and len(number.values) == 1:
            return f"number {number.values[0]:.9g}"
    return f"text {normal(written(item))}"


def _span(answer: str, gold: Json, rules: Rules) -> Compared:
    """The span as a whole; further words only up to `extra_words`, and only when quoted from `context`."""
    graded = max((grade(answer, text, rules) for text in (written(gold), *rules.aliases)), key=lambda each: each.score)
    return Compared(answer, graded.correct, graded.score)
