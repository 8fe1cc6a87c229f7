"""Read the text in a picture, or in a box of it: each line with its place, in words."""

from __future__ import annotations

from PIL import Image
from pydantic import Field

from pipelines import ocr
from pipelines.tools.coerce import SCALE
from pipelines.tools.tool import Box, Parameters, Tool, cut, on_picture, pixel_box, unmarked

MOST_LINES = 40
MOST_CHARACTERS = 120


class Ocr(Parameters):
    """Arguments of `ocr`."""

    bbox_2d: Box | None = Field(
        default=None, description="Read only this box [x0, y0, x1, y1], each 0 to 1000; all of it when left out."
    )


def _apply(image: Image.Image, arguments: Ocr) -> str:
    left, top, right, bottom = pixel_box(arguments.bbox_2d or (0, 0, SCALE, SCALE), image.size)
    lines = ocr.lines(cut(image, left, top, right, bottom))
    if not lines:
        return "No text was found."
    told = [f"{_quoted(line.text)} {_place(line.box, left, top, image.size)}" for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        told.append(f"and {len(lines) - MOST_LINES} more; read a smaller box.")
    return "\n".join([f"{len(lines)} line{'s' * (len(lines) > 1)} of text, with boxes:", *told])


def _quoted(text: str) -> str:
    plain = unmarked(text.replace("\n", " "))
    return f'"{plain if len(plain) <= MOST_CHARACTERS else plain[: MOST_CHARACTERS - 1] + "…"}"'


def _place(box: tuple[int, int, int, int], left: int, top: int, size: tuple[int, int]) -> list[int]:
    """Pixels of the part that was read, as 0–1000 of the whole picture."""
    (x0, y0, x1, y1), (width, height) = box, size
    low = [(left + x0) * SCALE // width, (top + y0) * SCALE // height]
    high = [-(-(left + x1) * SCALE // width), -(-(top + y1) * SCALE // height)]
    return [min(max(number, 0), SCALE) for number in (*low, *high)]


TOOL = Tool("ocr", "Read the text in a picture; answers with each line and its box.", Ocr, on_picture(_apply))
