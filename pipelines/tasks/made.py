"""What a task family makes: one question with its pictures, and everything known about it by construction.

A family draws again what cannot carry its question, and counts the drawings with `tries`: a family that could never be
content says so instead of drawing for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL import Image

from pipelines.captions import Caption
from schemas.ids import Json, content_id

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Region:
    """A part of image 0 that must be looked at; `box` in pixels."""

    label: str
    box: Box


@dataclass(frozen=True)
class Fact:
    """A perceptual sub-question whose answer the latent state knows."""

    question: str
    answer: Json
    answer_type: str


@dataclass(frozen=True)
class Step:
    """One step of an oracle trace: kind thought, action or answer. Observations come from replaying the actions."""

    kind: str
    text: str = ""
    tool: str | None = None
    arguments: dict[str, Json] | None = None


@dataclass(frozen=True)
class Made:
    """One sample of a family, with its latent state."""

    images: tuple[Image.Image, ...]
    question: str
    options: tuple[str, ...]
    answer: Json
    answer_type: str
    relation: str
    program: dict[str, Json]
    region: tuple[Region, ...]
    checklist: tuple[Fact, ...]
    steps: tuple[Step, ...]
    caption: Caption | None = None
    verifier: dict[str, Json] = field(default_factory=lambda: {"name": "typed"})


class Family(Protocol):
    """A module that makes samples; `DIALS` are its hardness settings, easiest first."""

    @property
    def NAME(self) -> str: ...  # noqa: N802 - a constant of the module

    @property
    def VERSION(self) -> int: ...  # noqa: N802 - a constant of the module

    @property
    def DIALS(self) -> tuple[Any, ...]: ...  # noqa: N802 - a constant of the module

    @property
    def RELATIONS(self) -> tuple[str, ...]: ...  # noqa: N802 - a constant of the module

    def make(self, seed: int, dial: int) -> Made:
        """The sample of this seed at `DIALS[dial]`: the same pixels and texts on every machine."""
        ...


MOST_TRIES = 100_000
"""Drawings of one sample before a family gives up: some questions of `structure` take seven thousand now and then."""


class NothingFits(RuntimeError):
    """A family drew again and again, and nothing could carry its question."""


def tries(family: str, dial: int, seed: int) -> Iterator[int]:
    """Counts drawings: one `next` before each. Raises `NothingFits` instead of the one after `MOST_TRIES`."""
    yield from range(MOST_TRIES)
    raise NothingFits(f"{family}, dial {dial}, seed {seed}: none of {MOST_TRIES:,} drawings can carry the question")


def state_id(made: Made) -> str:
    """Id of the latent state behind the picture, whatever is asked about it: keeps banks and pools disjoint."""
    return content_id("state", {key: value for key, value in made.program.items() if key != "ask"})
