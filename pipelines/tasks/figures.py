"""Figures of points and segments: how they are drawn, and what whole numbers say about them."""

from __future__ import annotations

import math
import random
from typing import Any

from PIL import Image, ImageDraw

from pipelines.captions.structure import INKS
from pipelines.tasks.draw import BACKGROUNDS, INK, blank, font

SIZE = 280
PENS = dict(zip(INKS, ((50, 50, 56), (44, 84, 170), (128, 84, 46), (40, 116, 76)), strict=True))

Point = tuple[int, int]
"""x to the right and y downwards, 0–1000."""


def render(program: dict[str, Any]) -> Image.Image:
    """The picture of a program."""
    picture = blank(SIZE * 2, SIZE * 2, BACKGROUNDS[program["background"]])
    draw = ImageDraw.Draw(picture)
    scale = 2 * SIZE / 1000
    at = {label: (x * scale, y * scale) for label, (x, y) in program["points"].items()}
    for one, other in program["segments"]:
        draw.line((at[one], at[other]), fill=PENS[program["ink"]], width=5)
    middle = [sum(place[axis] for place in at.values()) / len(at) for axis in (0, 1)]
    for label, (x, y) in at.items():
        draw.ellipse((x - 8, y - 8, x + 8, y + 8), fill=PENS[program["ink"]])
        far = math.sqrt((x - middle[0]) ** 2 + (y - middle[1]) ** 2) or 1.0
        place = (x + 26 * (x - middle[0]) / far, y + 26 * (y - middle[1]) / far)
        edge = BACKGROUNDS[program["background"]]
        draw.text(place, label, font=font(28), fill=INK, anchor="mm", stroke_width=3, stroke_fill=edge)
    for text, (x, y) in program["texts"]:
        draw.text((x * scale, y * scale), text, font=font(24), fill=INK, anchor="mm")
    return picture.reduce(2)


def cross(a: Point, b: Point, c: Point) -> int:
    """Twice the signed area of the triangle abc."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def far(a: Point, b: Point) -> float:
    """Distance of two points."""
    return math.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2)


def place(rng: random.Random) -> Point:
    """A place on a lattice of steps of 50."""
    return 50 * rng.randint(2, 18), 50 * rng.randint(2, 18)


def apart(points: list[Point], least: float) -> bool:
    """Whether each two points have at least that distance."""
    return all(far(one, other) >= least for at, one in enumerate(points) for other in points[:at])


def between(a: Point, b: Point, share: int, of: int) -> Point | None:
    """The point that divides ab, where its coordinates are whole."""
    x, y = share * (b[0] - a[0]), share * (b[1] - a[1])
    return None if x % of or y % of else (a[0] + x // of, a[1] + y // of)


def triangle(first: int, second: int) -> tuple[dict[str, Point], list[tuple[str, Point]]]:
    """A triangle with these angles (degrees) at A and B, to scale, and what is written into its corners."""
    side = math.sin(math.radians(first)) / math.sin(math.radians(180 - first - second))  # of BC, where AB is 1
    tip = (1 - side * math.cos(math.radians(second)), side * math.sin(math.radians(second)))
    low, high = min(0.0, tip[0]), max(1.0, tip[0])
    scale = min(720 / (high - low), 640 / tip[1])
    left = 500 - scale * (low + high) / 2
    foot = round(500 + scale * tip[1] / 2)
    points: dict[str, Point] = {
        "A": (round(left), foot),
        "B": (round(left + scale), foot),
        "C": (round(left + scale * tip[0]), round(foot - scale * tip[1])),
    }
    texts: list[tuple[str, Point]] = []
    for label, angle in (("A", f"{first}°"), ("B", f"{second}°"), ("C", "?")):
        others = [points[other] for other in "ABC" if other != label]
        here = points[label]
        inward = [sum(other[k] - here[k] for other in others) for k in (0, 1)]
        length = math.sqrt(inward[0] ** 2 + inward[1] ** 2)
        texts.append((angle, (round(here[0] + 120 * inward[0] / length), round(here[1] + 120 * inward[1] / length))))
    return points, texts
