"""Features of word sequences: the phrase with up to two words on either side, and how common it is where it stands."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

from pipelines.textonly.candidates import WORD, Block, Puzzle, places

BUCKETS = 1 << 15
EDGE = "¶"
LONGEST = 6
"""Words of the longest sequence that is counted."""


def features(blocks: Sequence[Block]) -> Any:
    """A sparse array of (candidates, BUCKETS + 8); how common words are is counted in the true captions."""
    import numpy as np
    from scipy.sparse import csr_array, hstack

    rows: list[int] = []
    columns: list[int] = []
    common: list[tuple[float, float]] = []
    for learn, puzzles in blocks:
        counts = counted(learn)
        for before, phrase, after in around(puzzles):
            columns += [crc32(gram.encode()) % BUCKETS for gram in grams(before, phrase, after)]
            rows += [len(common)] * (len(columns) - len(rows))
            left, right = " ".join([*before, *phrase]), " ".join([*phrase, *after])
            common.append((_often(counts, left, " ".join(before)), _often(counts, right, " ".join(after))))
    hashed = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(common), BUCKETS))
    where = places([each for _, puzzles in blocks for each in puzzles])
    return hstack([hashed, csr_array(np.array(common).reshape(-1, 2)), csr_array(where)], format="csr")


def _often(counts: Counter[str], whole: str, beside: str) -> float:
    return math.log((counts[whole] + 0.5) / (counts[beside] + 5))


def around(puzzles: Sequence[Puzzle]) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """For each candidate: two words before, its own, two words after, in small letters."""
    for each in puzzles:
        words = each.words
        for start, end in each.spans:
            inside = [at for at, word in enumerate(words) if start <= word.start() < end]
            first, last = inside[0], inside[-1] + 1
            before, said, after = words[max(0, first - 2) : first], words[first:last], words[last : last + 2]
            yield (
                [EDGE] * (2 - len(before)) + [word.group().lower() for word in before],
                [word.group().lower() for word in said],
                [word.group().lower() for word in after] + [EDGE] * (2 - len(after)),
            )


def grams(before: Sequence[str], phrase: Sequence[str], after: Sequence[str]) -> list[str]:
    """What is looked up: the phrase alone, with its neighbours, and its surroundings without it."""
    said = " ".join(phrase)
    return [
        f"={said}",
        f"<{before[1]} {said}",
        f"<{before[0]} {before[1]} {said}",
        f">{said} {after[0]}",
        f">{said} {after[0]} {after[1]}",
        f"<>{before[1]} {said} {after[0]}",
        f"*{before[0]} {before[1]} * {after[0]} {after[1]}",
    ]


def counted(texts: Sequence[str]) -> Counter[str]:
    """How often each sequence of up to `LONGEST` words stands in the texts, their edges included."""
    found: Counter[str] = Counter()
    for text in texts:
        words = [EDGE, EDGE, *(word.lower() for word in WORD.findall(text)), EDGE, EDGE]
        for size in range(1, LONGEST + 1):
            found.update(" ".join(words[at : at + size]) for at in range(len(words) - size + 1))
    return found
