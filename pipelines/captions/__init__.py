"""Program captions: true by construction, every clause tied to the fact it states.

A caption is written from the latent state of a task family, never from pixels. Each clause names the characters it
occupies and the fact behind them, so that a clause can be swapped for a false one and the falsehood proven
(`pipelines.captions.truth.swaps`).
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.ids import Json

KINDS = ("object", "colour", "count", "relation", "value")
"""What a clause can be about."""


@dataclass(frozen=True)
class Clause:
    """`text == caption.text[start:end]`; `fact` is {"claim": name, …arguments, "value": what the phrase says}."""

    text: str
    start: int
    end: int
    kind: str
    fact: dict[str, Json]


@dataclass(frozen=True)
class Caption:
    """A text and its clauses in order of appearance; spans never overlap."""

    text: str
    clauses: tuple[Clause, ...]


class Writer:
    """Collects text piece by piece and remembers where each clause lies."""

    def __init__(self) -> None:
        self._text = ""
        self._clauses: list[Clause] = []

    def say(self, text: str) -> Writer:
        """Append words that state no fact."""
        self._text += text
        return self

    def claim(self, text: str, kind: str, fact: dict[str, Json]) -> Writer:
        """Append a phrase that states `fact`."""
        self._clauses.append(Clause(text, len(self._text), len(self._text) + len(text), kind, fact))
        self._text += text
        return self

    def caption(self) -> Caption:
        """What has been written so far."""
        return Caption(self._text, tuple(self._clauses))
