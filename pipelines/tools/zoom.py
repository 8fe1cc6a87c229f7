"""Enlarge a part of a picture until it fills the picture's own size; its proportions stay."""

from __future__ import annotations

from typing import Annotated, Any

from PIL import Image
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from pipelines.tools import coerce
from pipelines.tools.tool import Box, Parameters, Point, Tool, cut, on_picture, pixel_box, pixel_point

MAX_FACTOR = 16


def _factor(value: Any) -> int | float:
    factor = coerce.times(value)
    if not 1 < factor <= MAX_FACTOR:
        raise ValueError(f"the factor must be above 1 and at most {MAX_FACTOR}")
    return factor


class Zoom(Parameters):
    """Arguments of `zoom`: a box, or a point and how many times larger."""

    bbox_2d: Box | None = Field(default=None, description="The box [x0, y0, x1, y1], each 0 to 1000.")
    point: Point | None = Field(default=None, description="Instead of a box: the middle [x, y] of the part.")
    factor: Annotated[int | float, BeforeValidator(_factor), WithJsonSchema({"type": "number"})] = Field(
        default=2, description=f"With a point: how many times larger, above 1 and at most {MAX_FACTOR}."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Zoom:
        if (self.bbox_2d is None) == (self.point is None):
            raise ValueError("give either bbox_2d or point")
        return self


def box_of(arguments: Zoom, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The pixels (left, top, right, bottom) of a picture of `size` that these arguments enlarge."""
    if arguments.bbox_2d is not None:
        return pixel_box(arguments.bbox_2d, size)
    assert arguments.point is not None
    (width, height), (x, y) = size, pixel_point(arguments.point, size)
    wide, high = max(1, int(width / arguments.factor)), max(1, int(height / arguments.factor))
    left = min(max(x - wide // 2, 0), width - wide)
    top = min(max(y - high // 2, 0), height - high)
    return left, top, left + wide, top + high


def _apply(image: Image.Image, arguments: Zoom) -> Image.Image:
    width, height = image.size
    part = cut(image, *box_of(arguments, image.size))
    if width * part.height <= height * part.width:
        size = (width, max(1, (2 * part.height * width + part.width) // (2 * part.width)))
    else:
        size = (max(1, (2 * part.width * height + part.height) // (2 * part.height)), height)
    return part.resize(size, Image.Resampling.BICUBIC)


TOOL = Tool(
    "zoom", "Enlarge a part of a picture to the picture's size, given a box or a point.", Zoom, on_picture(_apply)
)
