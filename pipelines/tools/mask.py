"""Hide a box of a picture, or everything around it: what is left must carry the answer."""

from __future__ import annotations

from typing import Annotated, Any

from PIL import Image
from pydantic import BeforeValidator, Field, WithJsonSchema

from pipelines.tools.draw import rgb
from pipelines.tools.tool import Box, Color, Parameters, Tool, on_picture, pixel_box

MODES = ("hide", "keep")


def _mode(value: Any) -> str:
    mode = str(value).strip().lower()
    if mode not in MODES:
        raise ValueError(f"the mode is {' or '.join(MODES)}")
    return mode


class Mask(Parameters):
    """Arguments of `mask`."""

    bbox_2d: Box = Field(description="The box [x0, y0, x1, y1], each 0 to 1000.")
    mode: Annotated[str, BeforeValidator(_mode), WithJsonSchema({"type": "string", "enum": list(MODES)})] = Field(
        default="hide", description="hide paints over the box; keep paints over everything else."
    )
    color: Color = Field(default="gray", description="What is painted: a color name, or #rrggbb.")


def _apply(image: Image.Image, arguments: Mask) -> Image.Image:
    box, paint = pixel_box(arguments.bbox_2d, image.size), rgb(arguments.color)
    if arguments.mode == "hide":
        masked = image.copy()
        masked.paste(paint, box)
        return masked
    masked = Image.new("RGB", image.size, paint)
    masked.paste(image.crop(box), box)
    return masked


TOOL = Tool("mask", "Paint over a box of a picture, or over everything but the box.", Mask, on_picture(_apply))
