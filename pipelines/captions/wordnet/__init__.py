"""What a synonym is and what a broader word: nouns and adjectives of Princeton WordNet 3.0, three senses of each.

`wordnet.xz` is an extract (`python -m pipelines.captions.wordnet.extract`), under the licence beside it: a proof that
two words differ must not depend on what happens to be installed. A word that WordNet does not know proves nothing.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

FILE = Path(__file__).with_name("wordnet.xz")
Part = Literal["noun", "adj"]


@dataclass(frozen=True)
class Words:
    """`senses` of each lemma; `above` each sense those of broader nouns, or of adjectives that mean nearly the same."""

    senses: dict[str, tuple[int, ...]]
    above: tuple[tuple[int, ...], ...]

    def broader(self, sense: int) -> Iterator[int]:
        """The sense itself and everything above it, nearest first."""
        seen, row = {sense}, [sense]
        while row:
            yield from row
            row = sorted({up for at in row for up in self.above[at]} - seen)
            seen.update(row)


@cache
def words(part: Part) -> Words:
    """All words of a part of speech; read once."""
    block = lzma.decompress(FILE.read_bytes()).decode().split("\n#\n")[("noun", "adj").index(part)]
    above, _, senses = block.partition("\n\n")
    lemmas = (line.partition("\t") for line in senses.splitlines())
    return Words(
        {lemma: tuple(map(int, found.split())) for lemma, _, found in lemmas},
        tuple(tuple(map(int, line.replace("-", "").split())) for line in above.split("\n")),
    )


def knows(word: str, part: Part = "noun") -> bool:
    """Whether WordNet holds this lemma."""
    return word in words(part).senses


def same(one: str, other: str, part: Part = "noun") -> bool:
    """Whether two words share a sense; adjectives also where one sense is listed as similar to the other."""
    known = words(part)
    first, second = (set(known.senses.get(word, ())) for word in (one, other))
    if part == "adj":
        near = {up for sense in first for up in known.above[sense]}
        return bool((first | near) & second)
    return bool(first & second)


def broader(one: str, other: str) -> bool:
    """Whether the noun `other` may be said of everything that the noun `one` names: its usual sense lies below it."""
    known = words("noun")
    targets = set(known.senses.get(other, ()))
    return any(targets & set(known.broader(sense)) for sense in known.senses.get(one, ()))


def apart(one: str, other: str) -> float:
    """How early two nouns part on their ways down from the top: 0 for the same sense, 1 where nothing joins them.

    One minus the similarity of Wu and Palmer (1994), of the usual senses; 1 for words that are not known.
    """
    known = words("noun")
    if one not in known.senses or other not in known.senses:
        return 1.0
    first, second = (list(known.broader(known.senses[word][0])) for word in (one, other))
    common = next((sense for sense in first if sense in set(second)), None)
    if common is None:
        return 1.0
    down = len(list(known.broader(common)))
    up = first.index(common) + second.index(common)
    return up / (up + 2 * down)
