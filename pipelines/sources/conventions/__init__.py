"""What columns mean. One function per convention turns the fields of a record into questions and captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.sources.conventions import pairs, plain, reinforce, turns, vlmevalkit
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
}


SHARE = 0.2
"""A column counts for the convention when at least this share of the rows that were looked at fill it."""


def detect(rows: Sequence[Mapping[str, Any]]) -> str:
    """The one convention that the columns of these rows fit; `plain` when none does. Raises `SourceError` for two."""
    kinds: dict[str, Counter[type]] = {}
    for fields in rows:
        for name, value in fields.items():
            kinds.setdefault(name, Counter())[type(value)] += 1
    usual: dict[str, Any] = {}
    for name, counts in kinds.items():
        if counts.total() >= SHARE * len(rows):
            kind = counts.most_common(1)[0][0]
            usual[name] = next(fields[name] for fields in rows if type(fields.get(name)) is kind)
    found = [name for name, convention in CONVENTIONS.items() if convention.claims(usual)]
    if len(found) > 1:
        raise SourceError(f"the columns fit the conventions {' and '.join(found)} alike; say which is meant")
    return found[0] if found else "plain"


__all__ = ["CONVENTIONS", "detect"]
