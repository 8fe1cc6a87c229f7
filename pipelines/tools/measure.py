"""Measure in a picture: a distance, an angle, a way along points, or a box. Answers in words.

Lengths are of the points themselves, not of the pixels that hold them, and are worked out in whole numbers to a tenth
of a pixel. No angle between points of a grid lies on the border between two tenths of a degree unless it is a multiple
of 45, which the rounding does not touch, so angles too are the same on every machine.
"""

from __future__ import annotations

from itertools import pairwise
from math import atan2, degrees, isqrt

from PIL import Image
from pydantic import Field, model_validator

from pipelines.tools.coerce import SCALE
from pipelines.tools.tool import Box, CallError, Parameters, Points, Tool, on_picture, pixel_box

MOST = 8


class Measure(Parameters):
    """Arguments of `measure`: points, or a box."""

    points: Points | None = Field(
        default=None,
        description="Points [x, y], each 0 to 1000: two (distance), three (angle at the second), up to"
        f" {MOST} (the way along).",
    )
    bbox_2d: Box | None = Field(default=None, description="Instead: the box [x0, y0, x1, y1] whose size is wanted.")

    @model_validator(mode="after")
    def _one_way(self) -> Measure:
        if (self.points is None) == (self.bbox_2d is None):
            raise ValueError("give either points or bbox_2d")
        if self.points and len(self.points) > MOST:
            raise ValueError(f"give at most {MOST} points")
        return self


def _apply(image: Image.Image, arguments: Measure) -> str:
    if arguments.bbox_2d is not None:
        return _box(arguments.bbox_2d, image.size)
    assert arguments.points is not None
    width, height = image.size
    spots = [(x * width, y * height) for x, y in arguments.points]  # in thousandths of a pixel
    legs = [(x1 - x0, y1 - y0) for (x0, y0), (x1, y1) in pairwise(spots)]
    if (0, 0) in legs:
        raise CallError("Two points in a row are the same: there is nothing to measure.")
    lengths = [_tenths(isqrt(4 * (dx * dx + dy * dy) * 100 // SCALE**2)) for dx, dy in legs]
    if len(legs) == 1:
        ((dx, dy),) = legs
        ways = [f"{_pixels(abs(step))} {side}" for step, side in _sides(dx, dy) if step]
        return f"The distance is {_written(lengths[0])} pixels: {' and '.join(ways)}."
    if len(legs) == 2:
        angle = _angle((-legs[0][0], -legs[0][1]), legs[1])
        first, second = map(_written, lengths)
        return f"The angle at the second point is {angle} degrees; its sides are {first} and {second} pixels long."
    return f"The way along the {len(spots)} points is {_written(sum(lengths))} pixels long."


def _sides(dx: int, dy: int) -> tuple[tuple[int, str], tuple[int, str]]:
    return (dx, "right" if dx > 0 else "left"), (dy, "down" if dy > 0 else "up")


def _tenths(twice: int) -> int:
    """Half of a number of tenths, rounded, halves upward."""
    return (twice + 1) // 2


def _written(tenths: int) -> str:
    return f"{tenths // 10}.{tenths % 10}"


def _pixels(thousandths: int) -> str:
    return _written(_tenths(2 * thousandths * 10 // SCALE))


def _angle(one: tuple[int, int], other: tuple[int, int]) -> str:
    cross, dot = one[0] * other[1] - one[1] * other[0], one[0] * other[0] + one[1] * other[1]
    return f"{degrees(atan2(abs(cross), dot)):.1f}"


def _box(box: tuple[int, int, int, int], size: tuple[int, int]) -> str:
    left, top, right, bottom = pixel_box(box, size)
    wide, high = right - left, bottom - top
    share = _written(_tenths(2 * 1000 * wide * high // (size[0] * size[1])))
    return f"The box is {wide} pixels wide and {high} high: {wide * high} pixels, {share} % of the picture."


TOOL = Tool(
    "measure", "Measure a distance, an angle, a way along points, or a box, in pixels.", Measure, on_picture(_apply)
)
