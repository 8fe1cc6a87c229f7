"""Towers of cubes on a board, drawn slantwise from above, and as shadows seen from the front."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageDraw

from pipelines.tasks.draw import BACKGROUNDS, COLOURS, INK, Colour, blank, font

SIZE, BOARD, HIGHEST = 224, 3, 3
ACROSS, DOWN, UP = 28, 14, 28

Tower = dict[str, Any]
"""{"colour", "x", "y", "height"}: x grows to the right and down in the picture, y to the left and down, from 0."""


def turned(tower: Tower, quarters: int) -> Tower:
    """The tower after so many quarter turns of the board, clockwise seen from above."""
    x, y = tower["x"], tower["y"]
    for _ in range(quarters % 4):
        x, y = BOARD - 1 - y, x
    return {**tower, "x": x, "y": y}


def corner(x: float, y: float, z: float) -> tuple[float, float]:
    """Where a corner of the lattice of cubes lies in the picture, in pixels."""
    return SIZE / 2 + (x - y) * ACROSS, 116 + (x + y) * DOWN - z * UP


def cap(tower: Tower) -> tuple[float, float]:
    """The middle of the upper face of a tower, in pixels."""
    return corner(tower["x"] + 0.5, tower["y"] + 0.5, tower["height"])


def clear(towers: list[Tower]) -> bool:
    """Whether the height of every tower can be seen: its top at least half, its foot at least on one side."""
    heights = {(tower["x"], tower["y"]): int(tower["height"]) for tower in towers}
    for (x, y), height in heights.items():
        for far in (1, 2):
            if heights.get((x + far, y + far), 0) >= height + far:
                return False
        halves = [
            any(heights.get((x + dx + far, y + dy + far), 0) >= height + 1 + far for far in (0, 1))
            for dx, dy in ((1, 0), (0, 1))
        ]
        feet = [heights.get(at, 0) > 0 for at in ((x + 1, y), (x, y + 1))]
        if all(halves) or all(feet) or heights.get((x + 1, y + 1), 0) > 1:
            return False
    return True


def building(towers: list[Tower], background: int, arrow: bool) -> Image.Image:
    """The picture of a board; the arrow shows from which side its front is seen."""
    picture = blank(SIZE * 2, SIZE * 2, BACKGROUNDS[background])
    draw = ImageDraw.Draw(picture)

    def face(corners: list[tuple[float, float, float]], fill: Colour, edge: Colour) -> None:
        points = [(2 * a, 2 * b) for a, b in (corner(*at) for at in corners)]
        draw.polygon(points, fill=fill)
        draw.line([*points, points[0]], fill=edge, width=3, joint="curve")

    for x in range(BOARD):
        for y in range(BOARD):
            shade = (214, 208, 196) if (x + y) % 2 else (196, 188, 174)
            face([(x, y, 0), (x + 1, y, 0), (x + 1, y + 1, 0), (x, y + 1, 0)], shade, (176, 168, 154))
    if arrow:
        tip, left, right = (corner(*at) for at in ((1.5, 3.15, 0), (1.1, 3.75, 0), (1.9, 3.75, 0)))
        draw.polygon([(2 * a, 2 * b) for a, b in (tip, left, right)], fill=INK)
        a, b = corner(1.5, 4.5, 0)
        draw.text((2 * a, 2 * b), "front", font=font(24), fill=INK, anchor="mm")
    for tower in sorted(towers, key=lambda tower: (tower["x"] + tower["y"], tower["x"])):
        x, y = tower["x"], tower["y"]
        base = COLOURS[tower["colour"]]
        edge = shaded(base, 0.45)
        for z in range(tower["height"]):
            face([(x, y + 1, z), (x + 1, y + 1, z), (x + 1, y + 1, z + 1), (x, y + 1, z + 1)], shaded(base, 0.82), edge)
            face([(x + 1, y, z), (x + 1, y + 1, z), (x + 1, y + 1, z + 1), (x + 1, y, z + 1)], shaded(base, 0.64), edge)
        z = tower["height"]
        face([(x, y, z), (x + 1, y, z), (x + 1, y + 1, z), (x, y + 1, z)], shaded(base, 1.12), edge)
    return picture.reduce(2)


def shaded(colour: Colour, share: float) -> Colour:
    """A colour made darker (below 1) or lighter."""
    red, green, blue = (min(255, round(value * share + 255 * 0.25 * max(0, share - 1))) for value in colour)
    return red, green, blue


def outlines(shapes: list[list[int]]) -> Image.Image:
    """Up to four shadows side by side, each given by its heights from left to right."""
    picture = blank(336, 112, (250, 250, 248))
    draw = ImageDraw.Draw(picture)
    for index, heights in enumerate(shapes):
        left = 15 + index * 84
        draw.text((left + 27, 12), "ABCD"[index], font=font(16), fill=INK, anchor="mm")
        draw.line((left - 6, 96, left + 60, 96), fill=(150, 150, 154), width=2)
        for column, height in enumerate(heights):
            for level in range(height):
                box = (left + 18 * column, 96 - 18 * (level + 1), left + 18 * column + 18, 96 - 18 * level)
                draw.rectangle(box, fill=(120, 128, 140), outline=(70, 76, 86))
    return picture
