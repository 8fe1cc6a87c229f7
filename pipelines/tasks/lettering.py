"""Where stations lie on the page and where their names are written."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from pipelines.tasks.draw import font
from pipelines.tasks.made import Box
from pipelines.tasks.network import COLUMNS, ROWS

SIZE, MARGIN, TEXT = 448, 40, 12
STEP_X, STEP_Y = (SIZE - 2 * MARGIN) / (COLUMNS - 1), (SIZE - 2 * MARGIN) / (ROWS - 1)
OFFERS = ((0, 16), (0, -16), (1, 0), (-1, 0), (24, 13), (24, -13), (-24, 13), (-24, -13))
"""Places for a name around its station, best first; the third and fourth beside it, as far as it is long."""


def place(station: dict[str, Any]) -> tuple[float, float]:
    """The middle of a station, in pixels."""
    return MARGIN + (station["column"] - 1) * STEP_X, MARGIN + (station["row"] - 1) * STEP_Y


def labels(program: dict[str, Any]) -> dict[str, Box]:
    """Where each name is written: the first free place around its station, or the one that hides the least."""
    at = {station["name"]: place(station) for station in program["stations"]}
    ink = [
        (at[one][0] + (at[other][0] - at[one][0]) * share / 9, at[one][1] + (at[other][1] - at[one][1]) * share / 9)
        for line in program["lines"]
        for one, other in pairwise(line["stops"])
        for share in range(10)
    ]
    ends = {name for line in program["lines"] for name in (line["stops"][0], line["stops"][-1])}
    found: dict[str, Box] = {}
    for name in sorted(at, key=lambda name: name in ends):
        x, y = at[name]
        near = [point for point in ink if abs(point[0] - x) < 80 and abs(point[1] - y) < 34]
        wide = int(font(TEXT).getlength(name)) + 2
        offers = []
        for dx, dy in OFFERS:
            across = dx if dy else dx * (wide / 2 + 10)
            left, top = round(x + across - wide / 2), round(y + dy - 7)
            box = (max(0, left), max(0, top), min(SIZE, left + wide), min(SIZE, top + 14))
            hidden = sum(box[0] - 3 < px < box[2] + 3 and box[1] - 4 < py < box[3] + 4 for px, py in near)
            over = sum(
                box[0] < b[2] + 2 and b[0] < box[2] + 2 and box[1] < b[3] and b[1] < box[3] for b in found.values()
            )
            cut = wide - (box[2] - box[0])
            offers.append((hidden + 40 * over + 10 * max(0, cut), box))
        found[name] = min(offers, key=lambda offer: offer[0])[1]
    return found


def station_boxes(program: dict[str, Any]) -> dict[str, Box]:
    """A station's ring with its name, in pixels."""
    written, boxes = labels(program), {}
    for station in program["stations"]:
        (x, y), (left, top, right, bottom) = place(station), written[station["name"]]
        boxes[station["name"]] = (
            max(0, min(left, round(x) - 8)),
            max(0, min(top, round(y) - 8)),
            min(SIZE, max(right, round(x) + 8)),
            min(SIZE, max(bottom, round(y) + 8)),
        )
    return boxes
