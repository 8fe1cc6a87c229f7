"""Lists of triplets (object, attribute, value): partial credit for each, as in STAR-R1 (arXiv 2505.15804, §3).

STAR-R1 pays 5 for a triplet, 1.5 where object and attribute are right and 0.5 where only the object is, less penalties
for too many and too few. Here the same shares of a triplet (1, 0.3, 0.1) are added over the best one-to-one matching
and divided by the longer of the two lists: every entry too many or too few costs its part, and naming several values
for one change pays less than to name the likeliest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

from pipelines.verifiers.numbers import read_number
from pipelines.verifiers.rules import Rules
from pipelines.verifiers.words import normal
from schemas.ids import Json, canonical_json

CREDITS = (0.1, 0.3, 1.0)
"""For the object alone, for object and attribute, for all three."""

Triplet: TypeAlias = tuple[str, str, str]

_APART = re.compile(r"[\s,;:|/=()\[\]\"'→>-]+")


def read_triplet(item: Json) -> Triplet | None:
    """`4 colour red`, `(4, colour, red)` or `[4, "colour", "red"]`; None for anything else.

    All words after the second are the value.
    """
    if isinstance(item, Sequence) and not isinstance(item, str):
        parts = [each if isinstance(each, str) else canonical_json(each) for each in item]
    else:
        words = [word for word in _APART.split(str(item)) if word]
        parts = [*words[:2], " ".join(words[2:])]
    if len(parts) != 3 or not all(part.strip() for part in parts):
        return None
    name, attribute, value = map(normal, parts)
    number = read_number(name, Rules())
    if number is not None and len(number.values) == 1 and not number.unit:
        name = f"{number.values[0]:g}"
    return name, attribute, value


def credit(found: Sequence[Triplet | None], gold: Sequence[Triplet]) -> float:
    """The share of the credit, 0–1: 1 exactly where both hold the same triplets, in any order."""
    total, left, open_ = 0.0, [each for each in found if each is not None], list(gold)
    for parts in (3, 2, 1):  # whole ones first: one that fits wholly is never worth more elsewhere
        shared = Counter(each[:parts] for each in left) & Counter(each[:parts] for each in open_)
        total += CREDITS[parts - 1] * shared.total()
        left, open_ = _without(left, shared, parts), _without(open_, shared, parts)
    return total / max(len(found), len(gold))


def _without(triplets: Sequence[Triplet], taken: Counter[tuple[str, ...]], parts: int) -> list[Triplet]:
    """The triplets that are left when so many with these beginnings are taken out."""
    spent = Counter(taken)
    rest = []
    for each in triplets:
        if spent[each[:parts]]:
            spent[each[:parts]] -= 1
        else:
            rest.append(each)
    return rest
