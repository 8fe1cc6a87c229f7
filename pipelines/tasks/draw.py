"""Small drawing helpers shared by the families. Shapes are drawn twice as large and averaged down."""

from __future__ import annotations

import math
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from pipelines.tasks.made import Box

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (220, 30, 40),
    "green": (30, 150, 60),
    "blue": (40, 80, 220),
    "yellow": (245, 205, 0),
    "purple": (140, 50, 170),
    "orange": (255, 125, 0),
}
BACKGROUNDS: tuple[Colour, ...] = ((250, 250, 248), (240, 244, 248), (248, 243, 234), (238, 240, 236))
INK: Colour = (40, 40, 44)


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own bundled font, so that texts look the same on every machine."""
    return ImageFont.load_default(size)


def polygon(shape: str, x: float, y: float, radius: float) -> list[tuple[float, float]]:
    """Corners of a square, triangle or star around (x, y); all look about as large as a circle of that radius."""
    if shape == "square":
        half = radius * 0.88
        return [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]
    if shape == "triangle":
        reach = radius * 1.15
        turns = [(-90 + 120 * k, reach) for k in range(3)]
        y += radius * 0.2
    elif shape == "star":
        turns = [(-90 + 36 * k, radius * (1.18 if k % 2 == 0 else 0.48)) for k in range(10)]
    else:
        raise ValueError(f"no corners known for {shape!r}")
    return [(x + r * math.cos(math.radians(a)), y + r * math.sin(math.radians(a))) for a, r in turns]


def draw_shape(draw: ImageDraw.ImageDraw, shape: str, x: float, y: float, radius: float, fill: Colour) -> None:
    """A filled circle, square, triangle or star in the coordinates of `draw`."""
    if shape == "circle":
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    else:
        draw.polygon(polygon(shape, x, y, radius), fill=fill)


def around(x: float, y: float, radius: float, width: int, height: int) -> Box:
    """The box of that radius around a point, clipped to the picture."""
    return (
        max(0, math.floor(x - radius)),
        max(0, math.floor(y - radius)),
        min(width, math.ceil(x + radius)),
        min(height, math.ceil(y + radius)),
    )


def blank(width: int, height: int, colour: Colour) -> Image.Image:
    """An empty RGB picture."""
    return Image.new("RGB", (width, height), colour)
