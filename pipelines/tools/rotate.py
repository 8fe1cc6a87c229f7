"""Turn a picture by quarter turns."""

from __future__ import annotations

from typing import Annotated, Any

from PIL import Image
from pydantic import BeforeValidator, Field, WithJsonSchema

from pipelines.tools import coerce
from pipelines.tools.tool import Parameters, Tool, on_picture

_TURNS = {
    90: Image.Transpose.ROTATE_270,  # Pillow counts counter-clockwise
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


def _angle(value: Any) -> int:
    angle = coerce.degrees(value)
    if angle % 90:
        raise ValueError(f"the angle {angle} is not a multiple of 90")
    return angle


class Rotate(Parameters):
    """Arguments of `rotate`."""

    angle: Annotated[int, BeforeValidator(_angle), WithJsonSchema({"type": "integer"})] = Field(
        description="Degrees clockwise, a multiple of 90."
    )


def _apply(image: Image.Image, arguments: Rotate) -> Image.Image:
    turn = arguments.angle % 360
    return image.transpose(_TURNS[turn]) if turn else image.copy()


TOOL = Tool("rotate", "Turn a picture clockwise by a multiple of 90 degrees.", Rotate, on_picture(_apply))
