"""When two pictures are near, by perceptual hash and embedding, found by FAISS range search; and their groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def perceptual_hash(image: Image.Image) -> str:
    """64-bit pHash as 16 hexadecimal characters."""
    import imagehash

    return str(imagehash.phash(image))


def near_pairs(
    hashes: Sequence[str],
    vectors: NDArray[np.float32] | None,
    distance: int,
    cosine: float,
    alone: float = 2.0,
    block: int = 1024,
) -> Iterator[tuple[int, int]]:
    """Pairs i < j of near pictures, in order, given 64-bit hashes and unit vectors (n, d).

    Near are pictures whose hashes differ in at most `distance` bits and whose vectors have at least `cosine`, and those
    whose vectors alone have at least `alone`: cut, shifted and framed copies have other hashes. FAISS finds candidates
    by both, block by block. Without `vectors` the hashes alone decide.
    """
    import faiss

    if not hashes:
        return
    bits = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8).reshape(len(hashes), -1)
    by_hash = faiss.IndexBinaryFlat(bits.shape[1] * 8)
    by_hash.add(bits)
    if vectors is not None:
        by_vector = faiss.IndexFlatIP(vectors.shape[1])
        by_vector.add(vectors)
    for start in range(0, len(hashes), block):
        end = start + block
        alike = _found(by_hash.range_search(bits[start:end], distance + 1))
        if vectors is None:
            yield from ((i, int(j)) for i, some in enumerate(alike, start=start) for j in np.sort(some[some > i]))
            continue
        close = _found(by_vector.range_search(vectors[start:end], alone - 1e-4))  # FAISS rounds otherwise than numpy
        for i, (some, others) in enumerate(zip(alike, close, strict=True), start=start):
            later = np.union1d(some[some > i], others[others > i])
            cosines = vectors[later] @ vectors[i]
            for j in later[(cosines >= alone) | (np.isin(later, some) & (cosines >= cosine))]:
                yield i, int(j)


def _found(answer: tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """The neighbours of each query of a range search."""
    limits, _, found = answer
    return np.split(found, limits[1:-1].astype(np.int64))


class Groups:
    """Union-find over text ids. The smallest id stands for its group, so the order of joins never matters."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, member: str) -> str:
        """The id that stands for the member's group."""
        root = member
        while self._parent.setdefault(root, root) != root:
            root = self._parent[root]
        while self._parent[member] != root:
            self._parent[member], member = root, self._parent[member]
        return root

    def join(self, first: str, second: str) -> None:
        """Make one group of two."""
        low, high = sorted((self.find(first), self.find(second)))
        self._parent[high] = low
