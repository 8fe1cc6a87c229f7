"""Shorter tellings of a caption: some of its sentences, with the facts that they state."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelines.captions.swaps import Kind, kind_of, offers

END = re.compile(r"(?<=[.?!])\s+(?=[A-Z“])")
NAMED = re.compile(r"(?:\b[A-Z][\w-]*\s[A-Z]|\b(?:St|Mt|Ft|Dr|Jr|Sr))\.$")
"""An initial, or what is shortened in names: the dot behind it ends no sentence."""
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
        hangs = gap is not None and text.startswith(HANGING, gap.end())
        quoted = text.count("“", start, end) > text.count("”", start, end)
        if gap is None or not (hangs or quoted or NAMED.search(text, start, end)):
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


def choose(
    caption: Mapping[str, Any],
    program: Mapping[str, Any],
    words: int,
    most: int,
    count: Counter[str],
    draw: random.Random,
) -> list[Span]:
    """Sentences whose types were told least so far by `count`, as many as fit into so many words and leave every phrase
    swappable. Ties are drawn, and so is how many state something: `most` or fewer.
    """
    spans = sentences(caption["text"])
    draw.shuffle(spans)
    wanted = draw.randint(min(2, most), most)

    def often(span: Span) -> float:
        types = kinds(within(caption["clauses"], span))
        return sum(count[kind] for kind in types) / len(types) if types else 0.0

    chosen: list[Span] = []
    stating = 0
    for span in sorted(spans, key=often):
        text, clauses = told(caption, [*chosen, span])
        states = bool(within(caption["clauses"], span))
        if (states and stating == wanted) or len(text.split()) > words or not swappable(text, clauses, program):
            continue
        chosen.append(span)
        stating += states
    return chosen


def kinds(clauses: Sequence[Mapping[str, Any]]) -> list[Kind]:
    """The types of phrase that clauses are."""
    return [kind_of(clause["kind"], json.loads(clause["fact"])) for clause in clauses]


def swappable(text: str, clauses: Sequence[Mapping[str, Any]], program: Mapping[str, Any]) -> bool:
    """Whether every phrase of a text has a substitute that is proven false."""
    return {clause["start"] for clause in clauses} == {swap.start for swap in offers(text, clauses, program)}
