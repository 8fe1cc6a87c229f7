"""Make `wordnet.xz` of the files of WordNet 3.0: `python -m pipelines.captions.wordnet.extract /usr/share/wordnet`.

The folder is that of Debian's package wordnet-base. Two blocks, nouns and adjectives: a line for each sense with the
numbers of the senses above it, an empty line, and a line for each lemma with its senses, the commonest three.
"""

from __future__ import annotations

import lzma
import sys
from collections.abc import Iterator
from pathlib import Path

from pipelines.captions.wordnet import FILE

SENSES = 3
POINTERS = {"noun": ("@", "@i"), "adj": ("&",)}
"""Hypernyms, instances' hypernyms; similar adjectives."""


def extract(folder: Path) -> bytes:
    """The content of the file, before it is compressed."""
    return "\n#\n".join(_block(folder, part) for part in POINTERS).encode()


def _block(folder: Path, part: str) -> str:
    lemmas = {lemma.replace("_", " "): senses for lemma, senses in _lemmas(folder / f"index.{part}")}
    above = dict(_senses(folder / f"data.{part}", POINTERS[part]))
    needed, left = set[str](), [sense for senses in lemmas.values() for sense in senses]
    while left:
        sense = left.pop()
        if sense not in needed:
            needed.add(sense)
            left += above[sense] if part == "noun" else ()
    number = {sense: str(at) for at, sense in enumerate(sorted(needed))}
    upward = [" ".join(number[up] for up in above[sense] if up in number) or "-" for sense in sorted(needed)]
    listed = [f"{lemma}\t{' '.join(map(number.__getitem__, lemmas[lemma]))}" for lemma in sorted(lemmas)]
    return "\n".join(upward) + "\n\n" + "\n".join(listed)


def _entries(file: Path) -> Iterator[list[str]]:
    return (line.split() for line in file.read_text().splitlines() if not line.startswith(" "))


def _lemmas(file: Path) -> Iterator[tuple[str, list[str]]]:
    for lemma, _, senses, pointers, *rest in _entries(file):
        first = int(pointers) + 2
        yield lemma, rest[first : first + int(senses)][:SENSES]


def _senses(file: Path, kinds: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    for entry in _entries(file):
        at = 4 + 2 * int(entry[3], 16)
        pointers = [entry[at + 1 + 4 * index : at + 4 + 4 * index] for index in range(int(entry[at]))]
        yield entry[0], [target for kind, target, word in pointers if kind in kinds and word != "v"]


if __name__ == "__main__":
    FILE.write_bytes(lzma.compress(extract(Path(sys.argv[1])), preset=9))
    sys.stdout.write(f"{FILE}: {FILE.stat().st_size:,} bytes\n")
