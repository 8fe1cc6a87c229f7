"""Family `structure`: what belongs to what in a figure; lines, parallels, midpoints, crossings, angles, triangles.

Points have whole coordinates of 0–1000, as tools count them, so all that is asked is decided with whole numbers and a
line drawn by a tool passes exactly through them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pipelines.captions.structure import INKS, caption
from pipelines.tasks.draw import BACKGROUNDS, around
from pipelines.tasks.figures import SIZE, Point, apart, between, cross, far, place, render, triangle
from pipelines.tasks.made import Fact, Made, Region, Step, tries
from pipelines.tasks.world import Asked, act, finish, pick, think
from schemas.ids import Json

NAME = "structure"
VERSION = 1
RELATIONS = ("on_line", "angle", "missing", "parallel", "midpoint", "crossing", "triangles")


@dataclass(frozen=True)
class Dial:
    """Distance (0–1000) from a line below which nobody can tell, least number of cuts, what may be asked."""

    near: int
    cuts: int
    relations: tuple[str, ...]


DIALS = (
    Dial(120, 0, ("on_line", "angle", "missing")),
    Dial(70, 1, ("parallel", "midpoint", "angle", "triangles", "on_line")),
    Dial(40, 3, ("parallel", "crossing", "triangles", "on_line", "midpoint")),
)


@dataclass(frozen=True)
class Posed:
    """A figure and a question about it; `lines` are what the oracle draws, `marks` what it marks afterwards."""

    question: str
    answer: Json
    kind: str
    points: dict[str, Point]
    segments: list[str]
    lines: list[tuple[Point, Point]]
    said: str
    options: tuple[str, ...] = ()
    marks: list[Point] = field(default_factory=list)
    texts: list[tuple[str, Point]] = field(default_factory=list)


def make(seed: int, dial: int) -> Made:
    """One figure and one question; a figure that nobody could judge by eye is drawn again."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    wanted = rng.random()
    posed = None
    drawings = tries(NAME, dial, seed)
    while posed is None:
        next(drawings)
        posed = POSERS[relation](rng, setting, wanted)
    points = {label: posed.points[label] for label in sorted(posed.points)}
    program: dict[str, Any] = {
        "size": SIZE,
        "background": rng.randrange(len(BACKGROUNDS)),
        "ink": rng.choice(INKS),
        "points": {label: list(place) for label, place in points.items()},
        "segments": posed.segments,
        "texts": [[text, list(place)] for text, place in posed.texts],
    }
    listing = " ".join(f"{label} {x},{y};" for label, (x, y) in points.items())
    steps: list[Step] = [think(f"{listing} Segments: {', '.join(posed.segments) or 'none'}.")]
    calls = [("draw_line", {"start": list(start), "end": list(end)}) for start, end in posed.lines]
    calls += [("mark_point", {"point": list(place)}) for place in posed.marks]
    for number, (tool, arguments) in enumerate(calls, start=1):
        steps.append(act(tool, number, **arguments, color="red"))
    facts = [
        Fact("How many points carry a letter?", len(points), "integer"),
        Fact("How many segments are drawn?", len(posed.segments), "integer"),
    ]
    for label, (x, _) in list(points.items())[:3]:
        if abs(x - 500) > 40:
            facts.append(Fact(f"Is {label} in the left or the right half?", "left" if x < 500 else "right", "text"))
    shown = {label: (x * SIZE / 1000, y * SIZE / 1000) for label, (x, y) in points.items()}
    region = [Region(f"point {label}", around(x, y, 14, SIZE, SIZE)) for label, (x, y) in shown.items()]
    verifier: dict[str, Json] = {"name": "typed", "pixels": 25} if posed.kind == "point" else {"name": "typed"}
    steps.append(think(posed.said))
    asked = Asked(posed.question, posed.answer, posed.kind, {}, steps, region, facts, posed.options, verifier)
    return finish(relation, program, asked, render(program), caption(program, f"{NAME}:{dial}:{seed}"))


def _letters(answer: str, true: Point, others: list[Point]) -> dict[str, Point]:
    return {answer: true, **dict(zip([letter for letter in "PQR" if letter != answer], others, strict=True))}


def _on_line(rng: random.Random, setting: Dial, wanted: float) -> Posed | None:
    """The points are given, the segment is not drawn."""
    a, b = place(rng), place(rng)
    true = between(a, b, rng.choice((2, 3)), 5)
    others = [place(rng), place(rng)]
    if true is None or far(a, b) < 400 or not apart([a, b, true, *others], 90):
        return None
    away = [abs(cross(a, b, other)) / far(a, b) for other in others]
    if min(away) < setting.near or max(away) > setting.near + 160:
        return None
    answer = pick(wanted, ("P", "Q", "R"))
    points = {"A": a, "B": b, **_letters(answer, true, others)}
    question = rng.choice(
        ("Which point lies on the straight line from A to B?", "Which of P, Q and R is on the segment AB?")
    )
    return Posed(
        question, answer, "choice", points, [], [(a, b)], f"The line passes through {answer}.", ("P", "Q", "R")
    )


def _angle(rng: random.Random, setting: Dial, wanted: float) -> Posed | None:
    a, b, c = (place(rng) for _ in range(3))
    if not apart([a, b, c], 250) or abs(cross(a, b, c)) < 40_000:
        return None
    dot = (a[0] - b[0]) * (c[0] - b[0]) + (a[1] - b[1]) * (c[1] - b[1])
    share = dot / (far(a, b) * far(c, b))
    answer = pick(wanted, ("acute", "right", "obtuse"))
    if (
        (answer == "right") != (dot == 0)
        or (answer == "acute") != (share > 0)
        or abs(share) < 0.2 * (answer != "right")
    ):
        return None
    question = rng.choice(("Is the angle at B acute, right or obtuse?", "What kind of angle do BA and BC form?"))
    points, said = {"A": a, "B": b, "C": c}, f"The angle between the red lines is {answer}."
    return Posed(question, answer, "choice", points, ["AB", "BC"], [(b, a), (b, c)], said, ("acute", "right", "obtuse"))


def _missing(rng: random.Random, setting: Dial, wanted: float) -> Posed | None:
    """Two angles of a triangle are written into it; it is drawn to scale."""
    third = 30 + 5 * int(wanted * 17)
    first = 5 * rng.randint(6, 24)
    second = 180 - third - first
    if not 30 <= second <= 120:
        return None
    points, texts = triangle(first, second)
    question = rng.choice(("How many degrees has the angle at C?", "What is the size of the third angle, in degrees?"))
    said = f"180 - {first} - {second} = {third}."
    return Posed(question, third, "integer", points, ["AB", "BC", "AC"], [], said, marks=[points["C"]], texts=texts)


def _parallel(rng: random.Random, setting: Dial, wanted: float) -> Posed | None:
    """One of three segments is parallel to AB; the others differ by no more than thirty degrees."""
    places = [place(rng) for _ in range(8)]
    a, b, *ends = places
    answer = pick(wanted, ("CD", "EF", "GH"))
    at = 2 * ("CD", "EF", "GH").index(answer)
    ends[at + 1] = (ends[at][0] + (b[0] - a[0]) * 3 // 4, ends[at][1] + (b[1] - a[1]) * 3 // 4)
    if (b[0] - a[0]) % 4 or (b[1] - a[1]) % 4 or not apart([a, b, *ends], 110) or far(a, b) < 300:
        return None
    if not all(80 <= value <= 920 for value in ends[at + 1]):
        return None
    for index in (0, 2, 4):
        c, d = ends[index : index + 2]
        tilt = abs((b[0] - a[0]) * (d[1] - c[1]) - (b[1] - a[1]) * (d[0] - c[0])) / (far(a, b) * far(c, d))
        if far(c, d) < 220 or (index != at and not setting.near / 400 < tilt < setting.near / 400 + 0.4):
            return None
    points = dict(zip("ABCDEFGH", [a, b, *ends], strict=True))
    question = rng.choice(("Which segment is parallel to AB?", "Which of CD, EF and GH runs parallel to AB?"))
    lines = [(a, b), (ends[at], ends[at + 1])]
    segments = ["AB", "CD", "EF", "GH"]
    return Posed(
        question, answer, "choice", points, segments, lines, f"AB and {answer} never meet.", ("CD", "EF", "GH")
    )


def _midpoint(rng: random.Random, setting: Dial, wanted: float) -> Posed | None:
    a, b = place(rng), place(rng)
    true, others = between(a, b, 1, 2), [between(a, b, share, 10) for share in rng.sample((2, 3, 7, 8), 2)]
    if true is None or far(a, b) < 560 or others[0] is None or others[1] is None:
        return None
    answer = pick(wanted, ("P", "Q", "R"))
    points = {"A": a, "B": b, **_letters(answer, true, [others[0], others[1]])}
    side = place(rng)
    if min(far(side, place) for place in points.values()) < 150 or abs(cross(a, b, side)) / far(a, b) < 100:
        return None
    points["C"] = side
    question = rng.choice(("Which point is the midpoint of AB?", "Which of P, Q and R halves the segment AB?"))
    said = f"From A to {answer} is as far as from {answer} to B."
    lines = [(a, true), (true, b)]
    return Posed(question, answer, "choice", points, ["AB", "AC", "BC"], lines, said, ("P", "Q", "R"))


def _crossing(rng: random.Random, setting: Dial, wanted: float) -> Posed | None:
    a, b, c, d = (place(rng) for _ in range(4))
    below = (b[0] - a[0]) * (d[1] - c[1]) - (b[1] - a[1]) * (d[0] - c[0])
    if not apart([a, b, c, d], 200) or abs(below) < 90_000:
        return None
    s = ((c[0] - a[0]) * (d[1] - c[1]) - (c[1] - a[1]) * (d[0] - c[0])) / below
    t = ((c[0] - a[0]) * (b[1] - a[1]) - (c[1] - a[1]) * (b[0] - a[0])) / below
    if not (0.2 < s < 0.8 and 0.2 < t < 0.8):
        return None
    x, y = a[0] + s * (b[0] - a[0]), a[1] + s * (b[1] - a[1])
    if any(abs(value % 1 - 0.5) < 0.01 for value in (x, y)):
        return None
    meet = (round(x), round(y))
    question = "Where would AB and CD cross if they were drawn? Answer with [x, y], both 0 to 1000 from the top left."
    points, said = {"A": a, "B": b, "C": c, "D": d}, f"They cross at x = {meet[0]}, y = {meet[1]}."
    return Posed(question, list(meet), "point", points, ["AC", "BD"], [(a, b), (c, d)], said, marks=[meet])


def _triangles(rng: random.Random, setting: Dial, wanted: float) -> Posed | None:
    """A triangle cut by lines from its top, and on the hardest dial also by one across."""
    cuts = pick(wanted, range(setting.cuts, setting.cuts + 3))
    top, left, right = (50 * rng.randint(7, 13), 150), (rng.randint(60, 100), 850), (rng.randint(900, 940), 850)
    inner = sorted(rng.sample(range(190, 831, 80), cuts))
    if any(b - a < 160 for a, b in pairwise(inner)):
        return None
    points: dict[str, Point] = {"A": top, "B": left, "C": right}
    points |= {letter: (x, 850) for letter, x in zip("DEFGH", inner, strict=False)}
    segments = ["AB", "BC", "AC", *(f"A{letter}" for letter in "DEFGH"[:cuts])]
    target = (cuts + 1) * (cuts + 2) // 2
    question = rng.choice(
        ("How many triangles, of any size, are in the figure?", "Count all triangles in the figure, large and small.")
    )
    said = f"All have their top in A and any two of {cuts + 2} feet below: {target}."
    return Posed(question, target, "integer", points, segments, [(left, right)], said)


POSERS: dict[str, Callable[[random.Random, Dial, float], Posed | None]] = {
    "on_line": _on_line,
    "angle": _angle,
    "missing": _missing,
    "parallel": _parallel,
    "midpoint": _midpoint,
    "crossing": _crossing,
    "triangles": _triangles,
}
