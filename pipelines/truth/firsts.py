"""Answers of the first four families, worked out by plain loops, fractions and complex numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any


def counting(program: dict[str, Any]) -> Any:
    ask, objects = program["ask"], program["objects"]
    named = {f"{o['colour']} {o['shape']}": o for o in objects}
    match ask["relation"]:
        case "count":
            wanted = {key: ask[key] for key in ("colour", "shape") if ask[key]}
            return len([o for o in objects if wanted.items() <= o.items()])
        case "attribute":
            key, of = ("shape", "colour") if ask["of"] == "colour" else ("colour", "shape")
            (only,) = [o for o in objects if o[key] == ask[key]]
            return only[of]
        case "compare":
            values = [o[ask["by"]] for o in objects]
            return "yes" if values.count(ask["first"]) > values.count(ask["second"]) else "no"
        case "left_of" | "above" as relation:
            pixel = "x" if relation == "left_of" else "y"
            return "yes" if named[ask["first"]][pixel] < named[ask["second"]][pixel] else "no"


def search(program: dict[str, Any]) -> Any:
    ask = program["ask"]
    marks = {card["colour"]: card["mark"] for card in program["objects"]}
    assert len(marks) == len(program["objects"])
    match ask["relation"]:
        case "mark":
            return marks[ask["colour"]]
        case "same":
            return "yes" if marks[ask["first"]] == marks[ask["second"]] else "no"
        case "which":
            (card,) = [colour for colour in (ask["first"], ask["second"]) if marks[colour] == ask["mark"]]
            return card


def charts(program: dict[str, Any]) -> Any:
    ask, series = program["ask"], program["series"]
    called = "colour" if program["kind"] == "bars" else "name"
    match ask["relation"]:
        case "largest":
            return sorted(series, key=lambda s: s["values"][ask["point"]])[-1][called]
        case "smallest":
            return sorted(series, key=lambda s: s["values"][ask["point"]])[0][called]
        case "count_above":
            seen = [s["values"] for i, s in enumerate(series) if ask["series"] in (None, i)]
            return sum(value > ask["level"] for values in seen for value in values)
        case "compare":
            first, second = (series[ask[key]]["values"][ask["point"]] for key in ("first", "second"))
            return "yes" if first > second else "no"
        case "value":
            return series[ask["series"]]["values"][ask["point"]]


def meet(a: Any, b: Any, c: Any, d: Any) -> bool:
    """Whether two segments share a point, by solving a + s(b - a) = c + t(d - c) in fractions."""
    (ux, uy), (vx, vy), (wx, wy) = ((q[0] - p[0], q[1] - p[1]) for p, q in ((a, b), (c, d), (a, c)))
    below = ux * vy - uy * vx
    if below == 0:
        return False
    s, t = Fraction(wx * vy - wy * vx, below), Fraction(wx * uy - wy * ux, below)
    return 0 <= s <= 1 and 0 <= t <= 1


def area(corners: list[Any]) -> Fraction:
    """The shoelace formula."""
    pairs = zip(corners, corners[1:] + corners[:1], strict=True)
    return abs(sum((Fraction(p[0] * q[1] - q[0] * p[1], 2) for p, q in pairs), Fraction(0)))


def geometry(program: dict[str, Any]) -> Any:
    points = program["points"]
    match program["ask"]["relation"]:
        case "crossings":
            return sum(meet(points["A"], points["B"], *segment) for segment in program["segments"])
        case "side":
            # Turn the picture so that the walk goes up the page: complex division leaves C's bearing.
            a, b, c = (complex(points[label][0], -points[label][1]) for label in "ABC")
            return "left" if ((c - a) / (b - a)).imag > 0 else "right"
        case "half":
            p = points["P"]
            parts = {name: area([points[label] for label in name]) for name in ("ABC", "ACD")}
            for name, whole in parts.items():
                x, y, z = (points[label] for label in name)
                if area([x, y, p]) + area([y, z, p]) + area([z, x, p]) == whole:
                    return name
        case "area":
            return float(area([points[label] for label in "ABCD"]))  # corners stand on a grid: halves, exactly
    return None
