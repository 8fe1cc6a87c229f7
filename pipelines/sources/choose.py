"""Which records of which source: the first so many, a seeded sample, and the mixture of several sources.

A record is drawn by the hash of seed and place, so that what is chosen depends neither on the order of reading nor on
what else is in the source, and growing a sample keeps what was in it.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from pipelines.sources.record import Source

T = TypeVar("T")
WHOLE = 1 << 64


def chance(seed: int, record_id: str) -> int:
    """A number below 2⁶⁴ that stands for a record in a draw."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{record_id}".encode("utf-8", "replace"), digest_size=8).digest())


def bound(source: Source, ids: Callable[[], Iterable[str]], wanted: int | None = None) -> int:
    """The number below which a record's `chance` must be for it to be taken.

    `fraction` takes that share of all, `count` the lowest so many of them; `wanted` restricts it further.
    """
    limits = [size for size in (source.count, wanted) if size is not None]
    top = WHOLE if source.fraction is None else int(source.fraction * WHOLE)
    if not limits:
        return top
    if min(limits) == 0:
        return 0
    low = heapq.nsmallest(min(limits), (drawn for each in ids() if (drawn := chance(source.seed, each)) < top))
    return min(top, low[-1] + 1) if len(low) == min(limits) else top


def shares(sources: Sequence[Source], sizes: Mapping[str, int]) -> dict[str, int]:
    """How many records each weighted source gives: as many as its weight allows until one of them is used up.

    `sizes`: records of each weighted source after `limit`, `fraction` and `count`. No record is ever taken twice.
    """
    weighted = [source for source in sources if source.weight is not None]
    if not weighted:
        return {}
    scale = min(sizes[source.name] / (source.weight or 1) for source in weighted)
    return {source.name: min(sizes[source.name], round(scale * (source.weight or 1))) for source in weighted}


def drawn(source: Source, rows: Iterable[T], below: int, id_of: Callable[[T], str]) -> Iterator[T]:
    """The rows whose chance is below a number."""
    if below >= WHOLE:
        yield from rows
        return
    yield from (row for row in rows if chance(source.seed, id_of(row)) < below)
