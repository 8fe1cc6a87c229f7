"""What a tool is, and the one place where a model's coordinates become pixels.

Coordinates are 0–1000 relative to the target picture, as Qwen3-VL writes them, so they do not depend on how large the
model saw it. They are read leniently (``"12"`` is 12, 12.6 is 13, -3 is 0, swapped corners are put right) and become
pixels by integer arithmetic only, so that replay is exact on every machine:

- a box takes every pixel that it touches: left and top are rounded down, right and bottom up;
- a point is the pixel that holds it: both numbers are rounded down, and 1000 is the last pixel.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from PIL import Image
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

SCALE = 1000
MIN_SIDE = 4
MAX_ASPECT = 100


class CallError(ValueError):
    """A call that cannot be carried out; the message is one sentence that the model reads as its observation."""


def whole(value: Any) -> int:
    """A number as the nearest integer, halves upward; text is read as a number. Raises `ValueError`."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{_shown(value)} is not a number")
    return math.floor(number + 0.5)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _numbers(value: Any, count: int, names: str) -> list[int]:
    """`count` coordinates from a list, nested pairs or text, each brought into 0–1000."""
    if isinstance(value, str):
        try:
            value = json.loads(value if value.strip().startswith("[") else f"[{value.strip().strip('()')}]")
        except ValueError:
            raise ValueError(f"{_shown(value)} is not a list of {count} numbers {names}") from None
    if isinstance(value, list | tuple) and value and all(isinstance(item, list | tuple) for item in value):
        value = [number for item in value for number in item]
    if not isinstance(value, list | tuple) or len(value) != count:
        raise ValueError(f"{_shown(value)} is not a list of {count} numbers {names}")
    return [min(max(whole(number), 0), SCALE) for number in value]


def _point(value: Any) -> tuple[int, int]:
    x, y = _numbers(value, 2, "[x, y]")
    return x, y


def _box(value: Any) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = _numbers(value, 4, "[x0, y0, x1, y1]")
    if x0 == x1 or y0 == y1:
        raise ValueError(f"the box {[x0, y0, x1, y1]} has no area within 0 to {SCALE}")
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _array(length: int) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "integer"}, "minItems": length, "maxItems": length}


Point: TypeAlias = Annotated[tuple[int, int], BeforeValidator(_point), WithJsonSchema(_array(2))]
Box: TypeAlias = Annotated[tuple[int, int, int, int], BeforeValidator(_box), WithJsonSchema(_array(4))]
Whole: TypeAlias = Annotated[int, BeforeValidator(whole)]


class Parameters(BaseModel):
    """The arguments every tool takes; each tool adds its own. Unknown arguments are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_image: Annotated[Whole | None, WithJsonSchema({"type": "integer"})] = Field(
        default=None, description="Which picture, counted from 1 in the order shown; the latest when left out."
    )


@dataclass(frozen=True)
class Tool:
    """A typed operation on one RGB picture. `apply` never changes its input, and raises `CallError`."""

    name: str
    description: str
    parameters: type[Parameters]
    apply: Callable[[Image.Image, Any], Image.Image]


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
