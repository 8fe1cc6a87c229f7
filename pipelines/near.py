"""When two pictures are near: perceptual hashes by FAISS range search, confirmed by embeddings; and their groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def perceptual_hash(image: Image.Image) -> str:
    """64-bit pHash as 16 hexadecimal characters."""
    import imagehash

    return str(imagehash.phash(image))


def near_pairs(
    hashes: Sequence[str], vectors: NDArray[np.float32], distance: int, cosine: float, block: int = 1024
) -> Iterator[tuple[int, int]]:
    """Pairs i < j whose hashes differ in at most `distance` bits and whose unit vectors (n, d) have at least `cosine`.

    FAISS finds the neighbours by hash, block by block; the vectors decide among those.
    """
    import faiss

    if not hashes:
        return
    bits = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8).reshape(len(hashes), -1)
    index = faiss.IndexBinaryFlat(bits.shape[1] * 8)
    index.add(bits)
    for start in range(0, len(hashes), block):
        limits, _, found = index.range_search(bits[start : start + block], distance + 1)
        for offset in range(len(limits) - 1):
            i = start + offset
            later = found[limits[offset] : limits[offset + 1]]
            later = np.sort(later[later > i])
            for j in later[vectors[later] @ vectors[i] >= cosine]:
                yield i, int(j)


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
