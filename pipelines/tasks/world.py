"""What the worlds share: a question with its proof, and how it becomes a `Made`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from PIL import Image

from pipelines.captions import Caption
from pipelines.tasks.made import Box, Fact, Made, Region, Step
from schemas.ids import Json, canonical_json

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """A question about a program; `steps` are the oracle's thoughts and actions without the answer."""

    question: str
    answer: Json
    answer_type: str
    ask: dict[str, Json]
    steps: Sequence[Step]
    region: Sequence[Region]
    checklist: Sequence[Fact]
    options: Sequence[str] = ()
    verifier: dict[str, Json] = field(default_factory=lambda: {"name": "typed"})


def finish(
    relation: str,
    program: dict[str, Json],
    asked: Asked,
    drawn: Image.Image | tuple[Image.Image, ...],
    caption: Caption,
) -> Made:
    """The sample of a program without `ask`, and a question about it."""
    said = asked.answer if isinstance(asked.answer, str) else canonical_json(asked.answer)
    return Made(
        images=drawn if isinstance(drawn, tuple) else (drawn,),
        question=asked.question,
        options=tuple(asked.options),
        answer=asked.answer,
        answer_type=asked.answer_type,
        relation=relation,
        program={**program, "ask": {"relation": relation, **asked.ask}},
        region=tuple(asked.region),
        checklist=tuple(asked.checklist),
        steps=(*asked.steps, Step("answer", said)),
        caption=caption,
        verifier=asked.verifier,
    )


def think(text: str) -> Step:
    """A thought."""
    return Step("thought", text)


def act(tool: str, picture: int = 1, **arguments: Any) -> Step:
    """A call on one of the pictures shown so far, counted from 1."""
    return Step("action", tool=tool, arguments={**arguments, "target_image": picture})


def spot(x: float, y: float, width: int, height: int) -> list[int]:
    """A pixel as a tool's point, 0–1000."""
    return [min(1000, round((x + 0.5) * 1000 / width)), min(1000, round((y + 0.5) * 1000 / height))]


def frame(box: Box, width: int, height: int) -> list[int]:
    """The smallest box of a tool, 0–1000, that holds all pixels of `box`."""
    left, top, right, bottom = box
    return [left * 1000 // width, top * 1000 // height, -(-right * 1000 // width), -(-bottom * 1000 // height)]


def pad(box: Box, margin: int, width: int, height: int) -> Box:
    """A box with a margin, clipped to the picture."""
    return (
        max(0, box[0] - margin),
        max(0, box[1] - margin),
        min(width, box[2] + margin),
        min(height, box[3] + margin),
    )


def pick(share: float, values: Sequence[T]) -> T:
    """The value that a share of 0–1 (1 excluded) falls on: all are equally likely."""
    return values[int(share * len(values))]


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
