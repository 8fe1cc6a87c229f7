"""What a record says once its convention is read: questions, captions, and where its pictures stand in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.sources.record import BadField

MARK = "<image>"
"""Where a picture stands in a text, in every convention read here."""

_RUN = re.compile(rf"\s*(?:{MARK}\s*)+")

LONGEST_TEXT = 100_000
"""Characters of the longest question, answer or caption; more is a mistake in the data."""


@dataclass(frozen=True)
class Asked:
    """One question in our own fields. `shown`: it sees only the first so many pictures; None means all."""

    fields: Mapping[str, Any]
    shown: int | None = None


@dataclass(frozen=True)
class Said:
    """A record. `marks`: placeholders in the whole conversation; None where each question counts its own."""

    questions: Sequence[Asked] = ()
    captions: Sequence[str] = ()
    marks: int | None = None
    needs_picture: bool = True
    """Whether a record without any picture is a mistake, rather than a text-only row of a mixed dataset."""


@dataclass(frozen=True)
class Convention:
    """What columns mean. `uses`: column → what becomes of it. `claims(fields)`: whether a row looks like it.

    `read(fields)` raises `BadField`.
    """

    uses: Mapping[str, str]
    claims: Callable[[Mapping[str, Any]], bool]
    read: Callable[[Mapping[str, Any]], Said]
    says: str = field(default="")


def marks_in(text: Any) -> int:
    """How many placeholders stand in a text."""
    return text.count(MARK) if isinstance(text, str) else 0


def without_marks(text: str, before: int = 0) -> str:
    """A question without placeholders.

    Those that only lead or end the text are taken out, because the pictures stand in front of it anyway. Where one
    stands inside a sentence all become `[image 1]`, `[image 2]`, …, counted from `before`.
    """
    if MARK not in text:
        return text
    bare = text
    if lead := _RUN.match(bare):
        bare = bare[lead.end() :]
    while bare.rstrip().endswith(MARK):
        bare = bare.rstrip().removesuffix(MARK).rstrip()
    if MARK not in bare and bare.strip():
        return bare
    number = before

    def numbered(_: re.Match[str]) -> str:
        nonlocal number
        number += 1
        return f"[image {number}]"

    return re.sub(MARK, numbered, text) if bare.strip() else ""


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """A field that must be a text. Raises `BadField`."""
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadField(f"field {name!r}: a text is needed, not {_short(value)}")
    return value


def fit(name: str, value: Any) -> None:
    """Raises `BadField` where a text is too long to be meant."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise BadField(f"field {name!r} has {len(value):,} characters; at most {LONGEST_TEXT:,} are read")


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else said[:59] + "…"
