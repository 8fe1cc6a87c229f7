"""Family `geometry`: labelled points on a lattice; the oracle draws one auxiliary line and then answers.

All decisions are made with whole numbers: points lie on lattice places 1–9, drawn at tenths of the picture, so the
line a trace draws (coordinates 0–1000, a hundred for each place) passes exactly through them.
"""

from __future__ import annotations

import random
from typing import Any

from PIL import Image, ImageDraw

from pipelines.tasks.draw import COLOURS, INK, around, blank, font
from pipelines.tasks.geometry_questions import PLACES, POSERS, Dial
from pipelines.tasks.made import Fact, Made, Region, Step, tries
from schemas.ids import Json

NAME = "geometry"
VERSION = 1
RELATIONS = ("side", "crossings", "half", "area")

SIZE = 224
POINT_COLOURS = {"A": "red", "B": "blue", "C": "green", "D": "purple", "P": "orange"}

DIALS = (
    Dial(("side", "crossings"), (1, 2), 14),
    Dial(("side", "crossings"), (2, 4), 8),
    Dial(("crossings", "half", "area"), (3, 5), 6),
)


def make(seed: int, dial: int) -> Made:
    """One figure whose question an auxiliary line decides."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    wanted = rng.random()
    posed = None
    drawings = tries(NAME, dial, seed)
    while posed is None:
        next(drawings)
        posed = POSERS[relation](rng, setting, wanted)
    program: dict[str, Json] = {
        "size": SIZE,
        "points": {label: list(place) for label, place in posed.points.items()},
        "segments": [[list(start), list(end)] for start, end in posed.segments],
        "outline": posed.outline,
        "lattice": posed.lattice,
        "ask": {"relation": relation, "line": posed.line},
    }
    listing = " ".join(f"{label} {x}{y};" for label, (x, y) in posed.points.items())
    start, end = (posed.points[label] for label in posed.line)
    arguments: dict[str, Json] = {
        "start": [100 * value for value in start],
        "end": [100 * value for value in end],
        "target_image": 1,
    }
    return Made(
        images=(render(program),),
        question=posed.question,
        options=posed.options,
        answer=posed.answer,
        answer_type=posed.answer_type,
        relation=relation,
        program=program,
        region=tuple(
            Region(f"point {label}", around(*pixel(place), 14, SIZE, SIZE)) for label, place in posed.points.items()
        ),
        checklist=(Fact("How many labelled points are there?", len(posed.points), "integer"), *posed.facts),
        steps=(
            Step("thought", f"{listing} draw {posed.line}."),
            Step("action", tool="draw_line", arguments=arguments),
            Step("thought", posed.conclusion),
            Step("answer", str(posed.answer)),
        ),
    )


def pixel(place: tuple[int, ...]) -> tuple[float, float]:
    """Where a lattice place lies in the picture."""
    return place[0] * SIZE / 10, place[1] * SIZE / 10


def render(program: dict[str, Any]) -> Image.Image:
    """The picture of a program."""
    picture = blank(SIZE * 2, SIZE * 2, (252, 252, 250))
    draw = ImageDraw.Draw(picture)
    if program["lattice"]:
        for at in range(1, PLACES + 1):
            line = at * SIZE / 5
            draw.line((line, SIZE / 5, line, SIZE * 1.8), fill=(218, 222, 228), width=2)
            draw.line((SIZE / 5, line, SIZE * 1.8, line), fill=(218, 222, 228), width=2)
    for start, end in program["segments"]:
        draw.line([tuple(2 * v for v in pixel(place)) for place in (start, end)], fill=(90, 90, 96), width=6)
    points = program["points"]
    if program["outline"]:
        corners = [tuple(2 * v for v in pixel(points[label])) for label in "ABCD"]
        draw.line([*corners, corners[0]], fill=(90, 90, 96), width=5, joint="curve")
    for label, place in points.items():
        x, y = (2 * value for value in pixel(place))
        draw.ellipse((x - 12, y - 12, x + 12, y + 12), fill=COLOURS[POINT_COLOURS[label]])
        draw.text((x, y - 14), label, font=font(28), fill=INK, anchor="ms", stroke_width=3, stroke_fill=(252, 252, 250))
    return picture.reduce(2)
