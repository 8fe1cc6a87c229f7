"""Where in the first picture of a family the thing is of which a fact of its caption speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.tasks import frames, functions, lettering, mazes, search, shading, transform, typeset, views
from pipelines.tasks.draw import around
from pipelines.tasks.figures import SIZE as FIGURE
from pipelines.tasks.made import Box
from pipelines.tasks.world import pad

Program = Mapping[str, Any]


def box_of(family: str, fact: Mapping[str, Any], program: Any) -> Box | None:
    """The pixels that show whether a fact is true: of its thing, or of both that it compares.

    None where it speaks of no thing in particular, as a count does, or where the family keeps no places.
    """
    if fact["claim"] in ("count", "length"):
        return None
    if "path" not in fact:
        return _named(family, fact, program)
    boxes = [_along(family, path, program) for path in (fact["path"], fact.get("other", ())) if path]
    known = [box for box in boxes if box is not None]
    if len(known) < len(boxes):
        return None
    left, top, right, bottom = (list(edge) for edge in zip(*known, strict=True))
    return min(left), min(top), max(right), max(bottom)


def _along(family: str, path: Sequence[Any], program: Any) -> Box | None:
    """The place of the thing that a path leads through."""
    match family, *path:
        case "transform", "before", int(index), *_:
            return transform.field_box(program["before"][index])
        case "stilllife", "things", int(index), *_:
            return shading.box_of(program["things"][index])
        case "views", "towers", int(index), *_:
            return views.tower_box(program["towers"][index])
        case "frames", "bodies", int(index), *_:
            x, y = program["bodies"][index]["path"][program["shown"][0]]
            return around(x, y, frames.RADIUS + 3, frames.SIZE, frames.SIZE)
        case "mazes", "marks", str(label), *_:
            side = len(program["cells"])
            reach = (mazes.SIZE - 2 * mazes.MARGIN) / side / 2
            return around(*mazes.middle(program["marks"][label], side), reach, mazes.SIZE, mazes.SIZE)
        case "structure", "points", str(label), *_:
            x, y = (value * FIGURE / 1000 for value in program["points"][label])
            return around(x, y, 14, FIGURE, FIGURE)
        case "functions", "curves", int(index), "values", int(at):
            place = functions.pixel(at - 4, program["curves"][index]["values"][at])
            return around(*place, 24, functions.SIZE, functions.SIZE)
        case "documents", "rows", int(row), int(column):
            return typeset.strips(program, [(row % len(program["rows"]), column)])[0][1]
        case "documents", "note", *_:
            return typeset.note_box(program)
        case "transit", "lines", int(index), "stops", int(stop):
            name = program["lines"][index]["stops"][stop]
            return pad(lettering.station_boxes(program)[name], 12, lettering.SIZE, lettering.SIZE)
    return None


def _named(family: str, fact: Mapping[str, Any], program: Any) -> Box | None:
    """The place of a shape or card that a fact names by its place, its number or its colour."""
    if family == "counting" and "place" in fact:
        item = program["objects"][-1 if fact["place"] == "last" else 0]
        return around(item["x"], item["y"], item["radius"] * 1.3, program["size"], program["size"])
    if family == "search" and fact["claim"] in ("colour_of_card", "row_of", "mark_of"):
        cards = program["objects"]
        if fact["claim"] == "colour_of_card":
            card = cards[fact["index"]]
        else:
            card = next(item for item in cards if item["colour"] == fact["colour"])
        return pad(search.tag_box(card), 24, search.SIZE, search.SIZE)
    return None
