"""Shorter tellings of a caption: some of its sentences, with the facts that they state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

END = re.compile(r"(?<=[.?!])\s+(?=[A-Z“])")
HANGING = ("There, ", "The count is ", "Lines of data ")
"""How sentences begin that mean nothing without the one before them."""

Span = tuple[int, int]


def sentences(text: str) -> list[Span]:
    """[start, end) of each sentence; one that hangs on the sentence before it belongs to that, and nothing is cut
    between quotation marks.
    """
    spans: list[Span] = []
    start, last = 0, len(text.rstrip())
    for gap in [*END.finditer(text), None]:
        end = gap.start() if gap else last
        after = text[gap.end() :] if gap else ""
        if text.count("“", start, end) == text.count("”", start, end) and not after.startswith(HANGING):
            spans.append((start, end))
            start = gap.end() if gap else end
    return spans


def told(caption: Mapping[str, Any], spans: Iterable[Span]) -> tuple[str, list[dict[str, Any]]]:
    """The text of some sentences in their order, and the clauses of table `captions` that lie in them, moved along."""
    text, clauses = "", []
    for start, end in sorted(spans):
        text += " " if text else ""
        by = len(text) - start
        text += caption["text"][start:end]
        clauses += [
            {**clause, "start": clause["start"] + by, "end": clause["end"] + by}
            for clause in within(caption["clauses"], (start, end))
        ]
    return text, clauses


def within(clauses: Sequence[Mapping[str, Any]], span: Span) -> list[Mapping[str, Any]]:
    """The clauses that lie in a span."""
    return [clause for clause in clauses if span[0] <= clause["start"] and clause["end"] <= span[1]]
