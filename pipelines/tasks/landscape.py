"""Painted landscapes: sky, mountains, hills, trees, houses, as large as puzzles need them."""

from __future__ import annotations

import math
import random
from typing import Any

from PIL import Image, ImageDraw

from pipelines.tasks.draw import Colour

SIZE = 252

SKIES: dict[str, tuple[Colour, Colour, Colour]] = {
    "noon": ((90, 160, 235), (205, 232, 250), (255, 236, 130)),
    "evening": ((92, 70, 140), (250, 170, 110), (255, 120, 70)),
    "morning": ((150, 190, 225), (253, 226, 196), (255, 214, 120)),
    "night": ((16, 22, 52), (60, 74, 120), (240, 240, 225)),
}
MOUNTAINS: dict[str, Colour] = {"grey": (122, 130, 148), "blue": (92, 118, 168), "brown": (140, 112, 92)}
MEADOWS: dict[str, Colour] = {"green": (98, 164, 82), "yellow": (212, 186, 92), "white": (232, 238, 244)}
WALLS: dict[str, Colour] = {
    "red": (196, 64, 56),
    "white": (246, 243, 236),
    "orange": (232, 150, 66),
    "blue": (84, 126, 190),
}
TREES: dict[str, Colour] = {"pine": (34, 92, 66), "round": (58, 132, 62)}

Scene = dict[str, Any]


def scene(rng: random.Random) -> Scene:
    """What is in a landscape: everything in pixels of a square of `SIZE`, far things first."""
    houses: list[dict[str, Any]] = [
        {"colour": colour, "x": x + rng.randint(-8, 8), "y": rng.randint(166, 216), "size": rng.randint(30, 42)}
        for colour, x in zip(
            rng.sample(list(WALLS), 4), rng.sample((45, 100, 155, 207), rng.randint(1, 3)), strict=False
        )
    ]
    trees: list[dict[str, Any]] = []
    for _ in range(60):
        x, y, size = rng.randint(14, SIZE - 14), rng.randint(158, 240), rng.randint(26, 44)
        clear = all(abs(x - other["x"]) > 20 or abs(y - other["y"]) > 30 for other in trees)
        if clear and all(abs(x - house["x"]) > house["size"] * 0.5 + 16 for house in houses) and len(trees) < 7:
            trees.append({"kind": rng.choice(list(TREES)), "x": x, "y": y, "size": size})
    return {
        "sky": rng.choice(list(SKIES)),
        "sun": [rng.randint(30, SIZE - 30), rng.randint(26, 64)],
        "mountain": rng.choice(list(MOUNTAINS)),
        "peaks": [[at + rng.randint(-24, 24), rng.randint(64, 112), rng.randint(50, 84)] for at in (20, 90, 165, 235)],
        "meadow": rng.choice(list(MEADOWS)),
        "hills": [rng.randint(0, 359), rng.randint(8, 16), rng.randint(0, 359), rng.randint(6, 14)],
        "clouds": [
            [rng.randint(20, SIZE - 20), rng.randint(18, 84), rng.randint(12, 20)] for _ in range(rng.randint(1, 4))
        ],
        "houses": sorted(houses, key=lambda house: house["y"]),
        "trees": sorted(trees, key=lambda tree: tree["y"]),
    }


def paint(scene: Scene) -> Image.Image:
    """The picture of a scene, `SIZE` pixels square."""
    side = SIZE * 2
    high, low, sun = SKIES[scene["sky"]]
    column = Image.new("RGB", (1, side))
    column.putdata([mix(high, low, min(1.0, y / (side * 0.6))) for y in range(side)])
    picture = column.resize((side, side))
    draw = ImageDraw.Draw(picture)
    x, y = (2 * value for value in scene["sun"])
    draw.ellipse((x - 34, y - 34, x + 34, y + 34), fill=sun)
    if scene["sky"] == "night":
        for star in range(40):
            at = (star * 197 + 31) % side, (star * star * 53 + 17) % 230
            draw.ellipse((at[0], at[1], at[0] + 3, at[1] + 3), fill=(250, 250, 235))
    pale = mix(low, (255, 255, 255), 0.6)
    for x, y, size in scene["clouds"]:
        for dx, dy, share in ((-1.1, 0.1, 0.8), (0, -0.3, 1.0), (1.1, 0.1, 0.75)):
            reach = 2 * size * share * 0.7
            draw.ellipse(
                (
                    2 * (x + dx * size) - reach * 1.3,
                    2 * (y + dy * size) - reach * 0.8,
                    2 * (x + dx * size) + reach * 1.3,
                    2 * (y + dy * size) + reach * 0.8,
                ),
                fill=pale,
            )
    rock = MOUNTAINS[scene["mountain"]]
    for index, (x, top, wide) in enumerate(scene["peaks"]):
        shade = mix(rock, low, 0.12 * (index % 3))
        foot = 330
        draw.polygon([(2 * (x - wide), foot), (2 * x, 2 * top), (2 * (x + wide), foot)], fill=shade)
        draw.polygon(
            [(2 * x, 2 * top), (2 * (x + wide), foot), (2 * x + 10, foot)], fill=mix(shade, (20, 20, 40), 0.16)
        )
        slope = wide / (foot / 2 - top)
        cap = [
            (2 * x, 2 * top),
            (2 * (x + slope * 20), 2 * top + 40),
            (2 * x + 6, 2 * top + 28),
            (2 * (x - slope * 20), 2 * top + 40),
        ]
        draw.polygon(cap, fill=mix((250, 250, 252), low, 0.1))
    meadow = MEADOWS[scene["meadow"]]
    if scene["sky"] == "night":
        meadow = mix(meadow, (20, 26, 60), 0.45)
    phase, reach, phase2, reach2 = scene["hills"]
    for level, (base, dark) in enumerate(((280, 0.22), (330, 0.08), (410, 0.0))):
        turn, bump = (phase, reach) if level % 2 == 0 else (phase2, reach2)
        ridge = [
            (x, base + bump * math.sin(math.radians(turn + x * (0.6 + 0.25 * level)))) for x in range(0, side + 12, 12)
        ]
        draw.polygon([(0, side), *ridge, (side, side)], fill=mix(meadow, (24, 60, 50), dark))
    for item in sorted([*scene["houses"], *scene["trees"]], key=lambda item: float(item["y"])):
        (_house if "colour" in item else _tree)(draw, item)
    return picture.reduce(2)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """A colour between two; a share of 0 is the first."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _house(draw: ImageDraw.ImageDraw, house: dict[str, Any]) -> None:
    x, y, size = 2 * house["x"], 2 * house["y"], house["size"]
    wall = WALLS[house["colour"]]
    draw.rectangle((x - size, y - 1.1 * size, x + size, y), fill=wall, outline=mix(wall, (0, 0, 0), 0.35), width=2)
    draw.polygon(
        [(x - 1.2 * size, y - 1.1 * size), (x, y - 2 * size), (x + 1.2 * size, y - 1.1 * size)], fill=(96, 62, 52)
    )
    draw.rectangle((x - 0.2 * size, y - 0.62 * size, x + 0.2 * size, y), fill=(78, 54, 44))
    for side in (-0.62, 0.62):
        at = x + side * size
        box = (at - 0.2 * size, y - 0.8 * size, at + 0.2 * size, y - 0.42 * size)
        draw.rectangle(box, fill=(252, 236, 150), outline=(70, 56, 50), width=2)


def _tree(draw: ImageDraw.ImageDraw, tree: dict[str, Any]) -> None:
    x, y, size = 2 * tree["x"], 2 * tree["y"], 2 * tree["size"]
    draw.rectangle((x - 0.06 * size, y - 0.3 * size, x + 0.06 * size, y), fill=(96, 66, 44))
    leaf = TREES[tree["kind"]]
    if tree["kind"] == "pine":
        for base, wide, top in ((0.2, 0.34, 0.62), (0.45, 0.27, 0.84), (0.68, 0.19, 1.06)):
            draw.polygon(
                [(x - wide * size, y - base * size), (x + wide * size, y - base * size), (x, y - top * size)], fill=leaf
            )
    else:
        draw.ellipse((x - 0.34 * size, y - size, x + 0.34 * size, y - 0.24 * size), fill=leaf)
        draw.ellipse(
            (x - 0.2 * size, y - 0.92 * size, x + 0.1 * size, y - 0.6 * size), fill=mix(leaf, (255, 255, 200), 0.22)
        )
