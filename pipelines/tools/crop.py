"""Cut a box out of a picture, at the picture's own resolution."""

from __future__ import annotations

from PIL import Image
from pydantic import Field

from pipelines.tools.tool import Box, Parameters, Tool, cut, on_picture, pixel_box


class Crop(Parameters):
    """Arguments of `crop`."""

    bbox_2d: Box = Field(description="The box [x0, y0, x1, y1], each 0 to 1000.")


def _apply(image: Image.Image, arguments: Crop) -> Image.Image:
    return cut(image, *pixel_box(arguments.bbox_2d, image.size))


TOOL = Tool("crop", "Cut a box out of a picture, at its own resolution.", Crop, on_picture(_apply))
