"""What a reader without the picture chooses from: the phrases of a caption of which one is false."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pipelines.captions.swaps import times

WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Puzzle:
    """A caption with one false phrase. `spans` are [start, end) of the candidates in order; `false` is the place of the
    false one among them. `group` is the picture, which is never in two folds; `learn` the caption before the change.
    """

    name: str
    group: str
    text: str
    learn: str
    spans: tuple[tuple[int, int], ...]
    false: int

    @property
    def words(self) -> list[re.Match[str]]:
        """Words and marks of the text, with their places."""
        return list(WORD.finditer(self.text))


def puzzle(injection: Mapping[str, Any], caption: str, phrases: Iterable[tuple[int, int]]) -> Puzzle | None:
    """An injection as a puzzle; `phrases` are [start, end) of what could be false in the caption before the change.
    None where nothing but the false phrase can be chosen.

    Candidates are the phrases that stand once in the changed text: that the false phrase does is known to everyone, so
    a phrase that stands twice would mislead no reader.
    """
    text, first, last = injection["text"], injection["original_start"], injection["original_end"]
    false = injection["start"], injection["end"]
    moved = false[1] - last
    spans = {false}
    for start, end in phrases:
        span = (start + moved, end + moved) if start >= last else (start, end)
        if (end <= first or start >= last) and times(text[slice(*span)], text) == 1:
            spans.add(span)
    if len(spans) < 2:
        return None
    ordered = tuple(sorted(spans))
    return Puzzle(injection["injection_id"], injection["image_id"], text, caption, ordered, ordered.index(false))


Block: TypeAlias = tuple[Sequence[str], Sequence[Puzzle]]
"""True captions that a detector may read, and puzzles of other pictures that it then looks at."""


def places(puzzles: Sequence[Puzzle]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Where each candidate of each puzzle stands and how long it is: an array of (candidates of all puzzles, 6)."""
    rows = []
    for each in puzzles:
        last = len(each.spans) - 1
        for index, (start, end) in enumerate(each.spans):
            at = start / len(each.text)
            rows.append((at, at * at, index == 0, index == last, index / max(last, 1), (end - start) / 10))
    return np.array(rows, dtype=np.float64).reshape(-1, 6)
