"""Draw on a copy of a picture: a line, a box, a point, a label.

Strokes grow with the picture (one 56th of its shorter side), so they stay visible however small the model sees it.
"""

from __future__ import annotations

from typing import Annotated, Any

from PIL import Image, ImageColor, ImageDraw, ImageFont
from pydantic import BeforeValidator, Field, WithJsonSchema

from pipelines.tools.tool import Box, CallError, Color, Parameters, Point, Tool, on_picture, pixel_box, pixel_point

MAX_LABEL = 40


def _label(value: Any) -> str:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ValueError("the text of a label must be text")
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    if not 0 < len(text) <= MAX_LABEL:
        raise ValueError(f"the text of a label must have 1 to {MAX_LABEL} characters")
    return text


class _Colored(Parameters):
    color: Color = Field(default="red", description="A color name, or #rrggbb.")


class DrawLine(_Colored):
    """Arguments of `draw_line`."""

    start: Point = Field(description="One end [x, y], each 0 to 1000.")
    end: Point = Field(description="The other end [x, y].")


class DrawBox(_Colored):
    """Arguments of `draw_box`."""

    bbox_2d: Box = Field(description="The box [x0, y0, x1, y1], each 0 to 1000.")


class MarkPoint(_Colored):
    """Arguments of `mark_point`."""

    point: Point = Field(description="The point [x, y], each 0 to 1000.")


class Label(_Colored):
    """Arguments of `label`."""

    point: Point = Field(description="Where the middle of the text goes: [x, y], each 0 to 1000.")
    text: Annotated[str, BeforeValidator(_label), WithJsonSchema({"type": "string"})] = Field(
        description=f"What to write, at most {MAX_LABEL} characters."
    )


def rgb(name: str) -> tuple[int, int, int]:
    """A color as red, green and blue, each 0 to 255."""
    red, green, blue = ImageColor.getrgb(name)[:3]
    return red, green, blue


def _stroke(image: Image.Image) -> int:
    return max(2, (min(image.size) + 28) // 56)


def _line(image: Image.Image, arguments: DrawLine) -> Image.Image:
    start, end = pixel_point(arguments.start, image.size), pixel_point(arguments.end, image.size)
    if start == end:
        raise CallError("The line has no length: both ends are the same pixel.")
    drawn = image.copy()
    ImageDraw.Draw(drawn).line([start, end], fill=rgb(arguments.color), width=_stroke(image))
    return drawn


def _box(image: Image.Image, arguments: DrawBox) -> Image.Image:
    left, top, right, bottom = pixel_box(arguments.bbox_2d, image.size)
    drawn = image.copy()
    outline = rgb(arguments.color)
    ImageDraw.Draw(drawn).rectangle((left, top, right - 1, bottom - 1), outline=outline, width=_stroke(image))
    return drawn


def _mark(image: Image.Image, arguments: MarkPoint) -> Image.Image:
    x, y = pixel_point(arguments.point, image.size)
    radius = 2 * _stroke(image)
    drawn = image.copy()
    ImageDraw.Draw(drawn).ellipse((x - radius, y - radius, x + radius, y + radius), fill=rgb(arguments.color))
    return drawn


def _write(image: Image.Image, arguments: Label) -> Image.Image:
    x, y = pixel_point(arguments.point, image.size)
    fill = rgb(arguments.color)
    light = 299 * fill[0] + 587 * fill[1] + 114 * fill[2] > 128_000
    edge = (0, 0, 0) if light else (255, 255, 255)
    drawn = image.copy()
    pen = ImageDraw.Draw(drawn)
    font = ImageFont.load_default(max(10, min(image.size) // 8))
    # The whole label stays inside: measured at the origin, then shifted by whole pixels.
    left, top, right, bottom = (round(v) for v in pen.textbbox((0, 0), arguments.text, font=font, stroke_width=1))
    at_x = max(min(x - (right - left) // 2, image.width - (right - left)), 0) - left
    at_y = max(min(y - (bottom - top) // 2, image.height - (bottom - top)), 0) - top
    pen.text((at_x, at_y), arguments.text, fill=fill, font=font, stroke_width=1, stroke_fill=edge)
    return drawn


DRAW_LINE = Tool("draw_line", "Draw a straight line on a picture.", DrawLine, on_picture(_line))
DRAW_BOX = Tool("draw_box", "Draw the outline of a box on a picture.", DrawBox, on_picture(_box))
MARK_POINT = Tool("mark_point", "Mark a point on a picture with a dot.", MarkPoint, on_picture(_mark))
LABEL = Tool("label", "Write a short text on a picture.", Label, on_picture(_write))
