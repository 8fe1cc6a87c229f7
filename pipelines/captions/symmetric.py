"""Which substitute is drawn how often, so that in every slot what is false looks like what is true.

Why: swap every value for any other alike, and values that are rarely true become common among the false ones; a reader
who never sees the picture then names them. A slot is what a fact is about, whatever it says. In each slot substitutes
are drawn so that y takes the place of x as often as x takes the place of y and each value is false as often as it is
true: flows f(x, y) = f(y, x) with row sums p(x), the share of captions that say x. Such flows are d(x)·d(y) between
neighbours, for one number d per value (symmetric scaling; Sinkhorn and Knopp, Pacific J. Math. 21, 1967). No flow
can do it where one value is true in more than half of the captions; then it comes as near as it can, and stage `blind`
takes out what still shows.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from schemas.ids import Json, canonical_json

Pull = dict[tuple[str, str], float]
"""(slot, value as JSON) → how strongly the value draws substitutions to itself."""

ROUNDS = 60
SMOOTH = 0.5
"""Added to every count: a value that was never seen to be true may still be drawn, though seldom."""


def slot(family: str, fact: Mapping[str, Any]) -> str:
    """What a fact is about: the family, the claim, the names on its path and its pair of words, but no number of a
    thing and no value.
    """
    path = [key if isinstance(key, str) else "*" for key in fact.get("path", ())]
    return canonical_json([family, fact["claim"], path, fact.get("words"), fact.get("where"), fact.get("said")])


def pulls(offered: Iterable[tuple[str, Json, Iterable[Json]]]) -> Pull:
    """The number of each value, from every phrase that may be swapped: its slot, what it says, what else it might."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    near: dict[tuple[str, str], set[str]] = defaultdict(set)
    for where, said, others in offered:
        true = canonical_json(said)
        counts[where][true] += 1
        for other in map(canonical_json, others):
            counts[where][other] += 0
            near[where, true].add(other)
            near[where, other].add(true)
    return {(where, value): pull for where, true in counts.items() for value, pull in _scaled(where, true, near)}


def _scaled(where: str, counts: Counter[str], near: Mapping[tuple[str, str], set[str]]) -> Iterable[tuple[str, float]]:
    share = {value: count + SMOOTH for value, count in counts.items() if near.get((where, value))}
    pull = {value: math.sqrt(weight) for value, weight in share.items()}
    for _ in range(ROUNDS):  # the square root damps: without it the numbers of two neighbours would swing for ever
        pull = {
            value: math.sqrt(pull[value] * share[value] / sum(pull[other] for other in near[where, value]))
            for value in pull
        }
    return pull.items()
