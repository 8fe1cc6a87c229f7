"""What columns mean. One function per convention turns the fields of a record into questions and captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.sources.conventions import pairs, plain, reinforce, turns, vicrit, vlmevalkit
from pipelines.sources.conventions.said import Convention
from pipelines.sources.record import SourceError

CONVENTIONS: dict[str, Convention] = {
    "plain": plain.CONVENTION,
    "llava": turns.CONVERSATIONS,
    "messages": turns.MESSAGES,
    "alpaca": pairs.ALPACA,
    "query_response": pairs.QUERY,
    "finevision": pairs.FINEVISION,
    "verl": reinforce.VERL,
    "easyr1": reinforce.EASYR1,
    "vlmevalkit": vlmevalkit.CONVENTION,
    "vicrit_bench": vicrit.CONVENTION,
}


RIVAL = 0.5
"""A convention that fits at least this share of the rows that the best one fits is as good a guess as that."""


def detect(rows: Sequence[Mapping[str, Any]]) -> str:
    """The convention that fits most of these rows, so that no row decides for the others; `plain` when none does.

    Raises `SourceError` where a second one fits about as many.
    """
    fits = Counter(name for fields in rows for name, convention in CONVENTIONS.items() if convention.claims(fields))
    found = [name for name, count in fits.most_common() if count >= RIVAL * max(fits.values())]
    if len(found) > 1:
        raise SourceError(f"the columns fit the conventions {' and '.join(found)} alike; say which is meant")
    return found[0] if found else "plain"


__all__ = ["CONVENTIONS", "detect"]
