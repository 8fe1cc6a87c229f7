"""What family `geometry` asks of a figure: each poser places points so that one auxiliary line decides, with room."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.tasks.made import Fact
from schemas.ids import Json

PLACES = 9

Point = tuple[int, int]
"""Lattice place, x to the right and y downwards, both 1–9."""


@dataclass(frozen=True)
class Dial:
    """What may be asked, how many segments are drawn, how far the deciding point lies from the line (cross product)."""

    relations: tuple[str, ...]
    segments: tuple[int, int]
    clearance: int


@dataclass(frozen=True)
class Posed:
    """A figure and a question about it; `line` names the two points that the auxiliary line joins."""

    question: str
    options: tuple[str, ...]
    answer: Json
    answer_type: str
    points: dict[str, Point]
    segments: tuple[tuple[Point, Point], ...]
    outline: bool
    lattice: bool
    line: str
    conclusion: str
    facts: tuple[Fact, ...]


def turn(a: Point, b: Point, c: Point) -> int:
    """Twice the signed area of abc; with y downwards, positive means c is on the right of the way from a to b."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def crosses(a: Point, b: Point, c: Point, d: Point) -> bool | None:
    """Whether segments ab and cd cross inside both; None when they only touch or nearly do, which nobody can judge."""
    turns = turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)
    ab_splits = turns[0] * turns[1]
    cd_splits = turns[2] * turns[3]
    if ab_splits < 0 and cd_splits < 0:
        return True if min(map(abs, turns)) >= 5 else None
    return None if ab_splits * cd_splits == 0 or min(map(abs, turns)) < 5 else False


def _place(rng: random.Random) -> Point:
    return rng.randint(1, PLACES), rng.randint(1, PLACES)


def _apart(points: list[Point], least: int) -> bool:
    return all((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 >= least**2 for i, a in enumerate(points) for b in points[:i])


def _where(label: str, place: Point) -> Fact:
    halves = ("left" if place[0] < 5 else "right"), ("upper" if place[1] < 5 else "lower")
    axis = 0 if place[0] != 5 else 1
    words = ("left or right", "upper or lower")[axis]
    return Fact(f"Is point {label} in the {words} half of the picture?", halves[axis], "text")


def _side(rng: random.Random, setting: Dial, wanted: float) -> Posed | None:
    a, b, c = (_place(rng) for _ in range(3))
    answer = "left" if wanted < 0.5 else "right"
    area = turn(a, b, c)
    if not _apart([a, b, c], 3) or abs(area) < setting.clearance or (area > 0) != (answer == "right"):
        return None
    question = rng.choice(
        (
            "You walk straight from A to B. Is C on your left or on your right?",
            "Going from A to B, does C lie on the left or on the right?",
        )
    )
    points = {"A": a, "B": b, "C": c}
    facts = tuple(_where(label, place) for label, place in points.items() if place != (5, 5))
    return Posed(
        question, ("left", "right"), answer, "choice", points, (), False, False, "AB", f"C is {answer}.", facts
    )


def _crossings(rng: random.Random, setting: Dial, wanted: float) -> Posed | None:
    a, b = _place(rng), _place(rng)
    if not _apart([a, b], 6):
        return None
    count = rng.randint(*setting.segments)
    target = int(wanted * (setting.segments[1] + 1))
    segments: list[tuple[Point, Point]] = []
    found = 0
    for _ in range(60):
        if len(segments) == count:
            break
        c, d = _place(rng), _place(rng)
        crossing = crosses(a, b, c, d)
        ends = [point for segment in segments for point in segment]
        if crossing is None or (crossing and found == target) or not _apart([a, b, c, d, *ends], 2):
            continue
        if not crossing and count - len(segments) <= target - found:
            continue
        if (c[0] - d[0]) ** 2 + (c[1] - d[1]) ** 2 < 9:
            continue
        segments.append((c, d))
        found += crossing
    if found != target or len(segments) != count:
        return None
    question = rng.choice(
        (
            "How many grey segments would the segment from A to B cross?",
            "If A and B were joined by a straight line, how many grey segments would it cross?",
        )
    )
    facts = (Fact("How many grey segments are drawn?", count, "integer"), _where("A", a), _where("B", b))
    return Posed(
        question,
        (),
        target,
        "integer",
        {"A": a, "B": b},
        tuple(segments),
        False,
        False,
        "AB",
        f"{target} crossed.",
        facts,
    )


def _quadrilateral(rng: random.Random) -> dict[str, Point] | None:
    """Four corners in order, convex, with both diagonals well inside."""
    places = [_place(rng) for _ in range(4)]
    middle = sum(x for x, _ in places) / 4, sum(y for _, y in places) / 4
    places.sort(key=lambda place: math.atan2(place[1] - middle[1], place[0] - middle[0]))
    first = rng.randrange(4)
    a, b, c, d = places[first:] + places[:first]
    turns = turn(a, b, c), turn(b, c, d), turn(c, d, a), turn(d, a, b)
    if min(turns) < 6 or not _apart([a, b, c, d], 3):
        return None
    return {"A": a, "B": b, "C": c, "D": d}


def _half(rng: random.Random, setting: Dial, wanted: float) -> Posed | None:
    """On which side of the undrawn diagonal AC a point inside the quadrilateral lies."""
    corners = _quadrilateral(rng)
    if corners is None:
        return None
    a, b, c, d = corners.values()
    p = _place(rng)
    inside = min(turn(a, b, p), turn(b, c, p), turn(c, d, p), turn(d, a, p)) >= 6
    answer = "ABC" if wanted < 0.5 else "ACD"
    side = turn(a, c, p)
    if not inside or abs(side) < setting.clearance or (side > 0) != (answer == "ACD") or not _apart([a, b, c, d, p], 2):
        return None
    question = "The diagonal AC would cut ABCD into two triangles. In which of them lies P?"
    points = {**corners, "P": p}
    facts = (_where("A", a), _where("C", c), _where("P", p))
    conclusion = f"P is on the side of {'B' if answer == 'ABC' else 'D'}."
    return Posed(question, ("ABC", "ACD"), answer, "choice", points, (), True, False, "AC", conclusion, facts)


def _area(rng: random.Random, setting: Dial, wanted: float) -> Posed | None:
    """Area of a quadrilateral on squared paper: the diagonal makes two triangles."""
    corners = _quadrilateral(rng)
    if corners is None:
        return None
    a, b, c, d = corners.values()
    first, second = turn(a, b, c), turn(a, c, d)
    if (first + second) % 2:
        return None
    answer = (first + second) // 2
    question = "The grid squares have side 1. What is the area of ABCD?"
    conclusion = f"ABC {first / 2:g} and ACD {second / 2:g}: {answer}."
    facts = (_where("A", a), _where("B", b), Fact("What is the area of triangle ABC?", first / 2, "number"))
    return Posed(question, (), answer, "integer", corners, (), True, True, "AC", conclusion, facts)


POSERS: dict[str, Callable[[random.Random, Dial, float], Posed | None]] = {
    "side": _side,
    "crossings": _crossings,
    "half": _half,
    "area": _area,
}
