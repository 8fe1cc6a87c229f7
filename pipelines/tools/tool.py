"""What a tool is, and the one place where a model's coordinates become pixels.

Coordinates are 0–1000 relative to the target picture, as Qwen3-VL writes them, so they do not depend on how large the
model saw it. They become pixels by integer arithmetic only, so that replay is exact on every machine:

- a box takes every pixel that it touches: left and top are rounded down, right and bottom up;
- a point is the pixel that holds it: both numbers are rounded down, and 1000 is the last pixel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeAlias

from PIL import Image
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from pipelines.tools import coerce
from pipelines.tools.coerce import SCALE

MIN_SIDE = 4
MAX_ASPECT = 100

_MARKUP = re.compile(r"<(?=[|/\w])")


class CallError(ValueError):
    """A call that cannot be carried out; the message is one sentence that the model reads as its observation."""


@dataclass(frozen=True)
class Seen:
    """What a call lets the model see: an RGB picture, a text, or both; `refused`, the sentence that says why not."""

    image: Image.Image | None = None
    text: str | None = None
    refused: bool = False


@dataclass(frozen=True)
class Shown:
    """The pictures of a conversation in the order shown: the first `own` are the sample's, the others tools made."""

    images: tuple[Image.Image, ...]
    own: int

    @classmethod
    def of(cls, images: Sequence[Image.Image]) -> Shown:
        """A sample's own pictures, before any tool was used."""
        return cls(tuple(images), len(images))

    def target(self, number: int | None = None) -> Image.Image:
        """Picture `number`, counted from 1, as RGB; the latest for None. Raises `CallError`."""
        count = len(self.images)
        if not count:
            raise CallError("There is no picture to work on.")
        wanted = count if number is None else number
        if not 1 <= wanted <= count:
            there = "there is 1 picture" if count == 1 else f"there are {count} pictures"
            raise CallError(f"target_image {wanted} does not exist; {there}.")
        image = self.images[wanted - 1]
        return image if image.mode == "RGB" else image.convert("RGB")

    def plus(self, seen: Seen) -> Shown:
        """With what a call made behind the others."""
        return self if seen.image is None else replace(self, images=(*self.images, seen.image))


def _array(length: int) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "integer"}, "minItems": length, "maxItems": length}


def _as(reader: Callable[[Any], Any], schema: dict[str, Any]) -> tuple[BeforeValidator, WithJsonSchema]:
    return BeforeValidator(reader), WithJsonSchema(schema)


Point: TypeAlias = Annotated[tuple[int, int], *_as(coerce.point, _array(2))]
Points: TypeAlias = Annotated[
    tuple[tuple[int, int], ...], *_as(coerce.points, {"type": "array", "items": _array(2), "minItems": 2})
]
Box: TypeAlias = Annotated[tuple[int, int, int, int], *_as(coerce.box, _array(4))]
Color: TypeAlias = Annotated[str, *_as(coerce.color, {"type": "string"})]
PictureNumber: TypeAlias = Annotated[int, *_as(coerce.picture, {"type": "integer"})]


class Arguments(BaseModel):
    """What a call says; each tool declares its own. Unknown arguments are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        return coerce.named(given, cls.model_fields) if isinstance(given, Mapping) else given


class Parameters(Arguments):
    """The arguments of a tool that works on one picture."""

    target_image: PictureNumber | None = Field(
        default=None, description="Which picture, counted from 1 in the order shown; the latest when left out."
    )


@dataclass(frozen=True)
class Tool:
    """A typed, deterministic operation. `apply` takes what is shown and the arguments, and raises `CallError`."""

    name: str
    description: str
    parameters: type[Arguments]
    apply: Callable[[Shown, Any], Seen]


def on_picture(apply: Callable[[Image.Image, Any], Image.Image | str]) -> Callable[[Shown, Any], Seen]:
    """The `apply` of a tool that makes a picture or a text of the one picture that `target_image` names."""

    def applied(shown: Shown, arguments: Parameters) -> Seen:
        made = apply(shown.target(arguments.target_image), arguments)
        return Seen(text=made) if isinstance(made, str) else Seen(made)

    return applied


def unmarked(text: str) -> str:
    """What a tool read or printed is never markup: it could end a turn, or call a tool, in the tool's name."""
    return _MARKUP.sub("‹", "".join(c if c.isprintable() or c == "\n" else " " for c in text))


def pixel_box(box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A 0–1000 box as pixels (left, top, right, bottom; right and bottom exclusive) of a picture of `size`."""
    (x0, y0, x1, y1), (width, height) = box, size
    return x0 * width // SCALE, y0 * height // SCALE, -(-x1 * width // SCALE), -(-y1 * height // SCALE)


def pixel_point(point: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """A 0–1000 point as the pixel of a picture of `size` that holds it."""
    return min(point[0] * size[0] // SCALE, size[0] - 1), min(point[1] * size[1] // SCALE, size[1] - 1)


def cut(image: Image.Image, left: int, top: int, right: int, bottom: int) -> Image.Image:
    """That part of the picture. Raises `CallError` where a model could not look at it: too small or too narrow."""
    width, height = right - left, bottom - top
    if min(width, height) < MIN_SIDE:
        raise CallError(f"The box is only {width}x{height} pixels; take a larger one.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise CallError(f"The box is {width}x{height} pixels, which is too narrow; take a wider one.")
    return image.crop((left, top, right, bottom))
