"""A small renderer for still lifes: bodies on a table under one lamp, shaded point by point.

Only sums, products and square roots are used, which every machine rounds alike, so pixels are the same everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from pipelines.tasks.draw import Colour
from pipelines.tasks.made import Box

WIDTH, HEIGHT = 280, 224
TABLE = 104
"""Where the wall ends and the table begins, in pixels from above."""

COLOURS: dict[str, Colour] = {
    "red": (205, 52, 48),
    "green": (62, 150, 78),
    "blue": (58, 96, 200),
    "yellow": (232, 192, 48),
    "white": (232, 230, 224),
    "purple": (136, 72, 168),
}
WALLS: tuple[tuple[Colour, Colour], ...] = (
    ((206, 212, 216), (186, 158, 124)),
    ((214, 206, 196), (142, 150, 158)),
    ((190, 202, 196), (168, 138, 108)),
    ((216, 208, 214), (176, 168, 152)),
)

SPOTS = (
    *((-0.45, -0.4, 0.018), (0.1, -0.3, 0.022), (0.55, -0.55, 0.016), (-0.1, -0.8, 0.026), (0.4, -1.05, 0.018)),
    *((-0.6, -1.0, 0.016), (-0.25, -1.35, 0.02), (0.3, -1.55, 0.015), (0.0, -1.85, 0.013)),
)
"""Where a spotted thing is spotted, in halves of its width, and how large the spots are."""

Array = NDArray[np.float64]
Thing = dict[str, Any]
"""{"shape", "material", "colour", "condition", "x", "foot": the pixel it stands on, "size": half its width}."""


def box_of(thing: Thing) -> Box:
    """What a thing covers, in pixels."""
    x, foot, size = thing["x"], thing["foot"], thing["size"]
    high = {"sphere": 2.0, "cube": 2.1, "cylinder": 2.5, "cone": 2.6}[thing["shape"]] * size
    right = x + size * (1.25 if thing["shape"] == "cube" else 1.0)
    return max(0, int(x - size) - 2), max(0, int(foot - high) - 3), min(WIDTH, int(right) + 3), min(HEIGHT, foot + 7)


def paint(setting: int, light: str, dim: float, things: list[Thing]) -> Image.Image:
    """The picture; `dim` 0–1 weakens the lamp."""
    wall, table = (np.array(colour, dtype=float) for colour in WALLS[setting])
    rows = np.arange(HEIGHT, dtype=float)[:, None, None]
    canvas = np.where(rows < TABLE, wall * (0.86 + 0.14 * rows / TABLE), table * (0.8 + 0.28 * (rows - TABLE) / 120))
    canvas = np.broadcast_to(canvas, (HEIGHT, WIDTH, 3)).copy()
    side = -1.0 if light == "left" else 1.0
    across = np.arange(WIDTH, dtype=float)[None, :, None] / WIDTH
    canvas *= 1.0 + (0.10 - 0.05 * dim) * (1 - 2 * across if side < 0 else 2 * across - 1)
    shadow = Image.new("L", (WIDTH, HEIGHT), 0)
    pen = ImageDraw.Draw(shadow)
    for thing in things:
        x, foot, size = thing["x"] - side * thing["size"] * 0.9, thing["foot"] + 1, thing["size"]
        depth = 90 if thing["material"] == "glass" else 165
        pen.ellipse(
            (x - 1.25 * size, foot - 0.3 * size, x + 1.25 * size, foot + 0.36 * size), fill=int(depth * (1 - 0.4 * dim))
        )
    dark = np.asarray(shadow.filter(ImageFilter.GaussianBlur(4)), dtype=float)[:, :, None] / 255
    canvas *= 1 - 0.62 * dark
    lamp = np.array([side * 0.62, -0.62, 0.48])
    for thing in sorted(things, key=lambda thing: int(thing["foot"])):
        _body(canvas, thing, lamp, dim)
    return Image.fromarray(np.clip(canvas + 0.5, 0, 255).astype(np.uint8), "RGB")


def _body(canvas: Array, thing: Thing, lamp: Array, dim: float) -> None:
    size, shape = float(thing["size"]), thing["shape"]
    left, top, right, bottom = box_of(thing)
    y, x = np.mgrid[top:bottom, left:right].astype(float)
    u, v = (x + 0.5 - thing["x"]) / size, (y + 0.5 - thing["foot"]) / size  # v is 0 at the foot and falls upwards
    flat = np.zeros_like(u)
    if shape == "sphere":
        inside = u * u + (v + 1) * (v + 1) <= 1
        normal = [u, v + 1, np.sqrt(np.maximum(0, 1 - u * u - (v + 1) * (v + 1)))]
    elif shape == "cylinder":
        bend = np.sqrt(np.maximum(0, 1 - u * u)) * 0.26
        lid = u * u + ((v + 2.2) / 0.26) * ((v + 2.2) / 0.26) <= 1
        inside = lid | ((abs(u) <= 1) & (v <= bend) & (v >= -2.2))
        normal = [
            np.where(lid, 0, u),
            np.where(lid, -0.94, flat),
            np.where(lid, 0.34, np.sqrt(np.maximum(0, 1 - u * u))),
        ]
    elif shape == "cone":
        half = np.maximum(1e-6, (v + 2.5) / 2.5)
        t = u / half
        inside = (v >= -2.5) & (abs(t) <= 1) & (v <= 0.26 * np.sqrt(np.maximum(0, 1 - u * u)))
        t = np.clip(t, -1, 1)
        normal = [0.93 * t, flat - 0.37, 0.93 * np.sqrt(np.maximum(0, 1 - t * t))]
    else:
        front = (abs(u) <= 0.9) & (v <= 0.2) & (v >= -1.6)
        slant = (u - 0.9) * 1.1
        lid = (v < -1.6) & (v >= -2.0) & (u + (v + 1.6) * 0.9 <= 0.9) & (u + (v + 1.6) * 0.9 >= -0.9)
        flank = (u > 0.9) & (u <= 1.26) & (v >= -1.6 - slant) & (v <= 0.2 - slant)
        inside = front | lid | flank
        normal = [np.where(flank, 0.95, 0.0), np.where(lid, -0.95, -0.1), np.where(front, 0.95, 0.28)]
    _paint(canvas[top:bottom, left:right], thing, inside, normal, (u, v), lamp, dim)


def _paint(
    canvas: Array, thing: Thing, inside: Any, normal: list[Array], at: tuple[Array, Array], lamp: Array, dim: float
) -> None:
    (nx, ny, nz), (u, v) = normal, at
    base = np.array(COLOURS[thing["colour"]], dtype=float)
    lit = np.maximum(0, nx * lamp[0] + ny * lamp[1] + nz * lamp[2])
    half = lamp + np.array([0, 0, 1.0])
    half = half / np.sqrt((half * half).sum())
    shine = np.maximum(0, nx * half[0] + ny * half[1] + nz * half[2])
    for _ in range(5):
        shine = shine * shine
    strength = 1 - 0.45 * dim
    diffuse = (0.36 + 0.06 * dim + 0.72 * strength * lit)[:, :, None]
    material = thing["material"]
    if material == "metal":
        band = abs((ny * 1.4 + nx * 0.9 + v * 0.55 - u * 0.35 + 8) % 1.0 - 0.5)  # a room mirrored as soft stripes
        bright = np.maximum(0, band - 0.36)[:, :, None] * 7
        tone = base * (0.3 + 1.1 * band[:, :, None] + 0.25 * lit[:, :, None]) * (1 - bright) + 236.0 * bright
        tone = tone * (0.95 - 0.12 * dim)
        colour = tone + 235 * strength * shine[:, :, None]
    elif material == "glass":
        rim = (1 - np.clip(nz, 0, 1))[:, :, None]
        clear = canvas * 0.66 + base * 0.34
        colour = (
            clear * (1.06 - 0.42 * rim * rim)
            + 46 * rim * rim * rim * rim
            + 215 * strength * (shine * shine)[:, :, None]
        )
    elif material == "wood":
        rings = abs((v * 3.1 + u * 0.9 + abs(u) * u * 0.7 + 20) % 1.0 - 0.5)
        grain = np.where(rings < 0.16, 0.68, 0.98)[:, :, None]
        colour = (base * 0.62 + np.array([150.0, 104.0, 58.0]) * 0.38) * grain * diffuse
    else:
        colour = base * diffuse
    if thing["condition"] == "cracked":
        path = 0.30 * abs((v * 2.6 + 10) % 1.0 - 0.5) - 0.08 + 0.10 * abs((v * 6.1 + 3) % 1.0 - 0.5)
        along = (v > -1.75) & (v < -0.25)
        for wide, shade in ((0.11, 236.0), (0.06, 24.0)):  # a pale edge, so that it shows on dark things too
            colour = np.where(((abs(u - path) < wide) & along)[:, :, None], shade, colour)
    elif thing["condition"] == "spotted":
        for cx, cy, wide in SPOTS:
            far = (u - cx) * (u - cx) + (v - cy) * (v - cy)
            for reach, shade in ((wide, 240.0), (wide * 0.45, 40.0)):
                colour = np.where((far < reach)[:, :, None], shade, colour)
    canvas[inside] = np.clip(colour, 0, 255)[inside]
