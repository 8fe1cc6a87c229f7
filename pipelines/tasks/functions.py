"""Family `functions`: graphs on squared paper; values, slopes, zeros, turning points, formulas, where two graphs meet.

Parameters are whole or half, so what is read off lies on the grid; where a picture cannot decide, as when two graphs
nearly touch, the sample is drawn again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from PIL import Image, ImageDraw

from pipelines.captions.functions import caption
from pipelines.tasks.curves import REACH, Curve, beside, curve, formula, meetings, value
from pipelines.tasks.draw import BACKGROUNDS, COLOURS, INK, around, blank, font
from pipelines.tasks.made import Fact, Made, Region, Step, tries
from pipelines.tasks.world import Asked, act, finish, pick, spot, think
from schemas.ids import Json, canonical

NAME = "functions"
VERSION = 1
RELATIONS = ("value", "slope", "zeros", "turning", "formula", "meet", "higher")

SIZE, MARGIN = 280, 14
UNIT = (SIZE - 2 * MARGIN) / (2 * REACH + 1)
INKS = ("red", "blue", "green", "purple", "orange")


@dataclass(frozen=True)
class Dial:
    """Kinds of graphs, how many, every how many units the axes are numbered, what may be asked."""

    kinds: tuple[str, ...]
    count: int
    numbered: int
    relations: tuple[str, ...]


DIALS = (
    Dial(("line", "corner"), 1, 1, ("value", "slope", "turning")),
    Dial(("line", "parabola", "corner", "wave"), 1, 1, ("value", "zeros", "turning", "formula")),
    Dial(("line", "parabola", "corner", "wave", "cubic"), 2, 5, ("value", "formula", "meet", "higher", "zeros")),
)

Place = tuple[float, float]
Posed = tuple[str, tuple[str, ...], Json, str, dict[str, Json], list[Place], str]
"""Question, options, answer, answer type, ask, places of the plot to mark, conclusion."""


def make(seed: int, dial: int) -> Made:
    """One plot and one question; graphs that cannot carry the drawn answer are drawn again."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    wanted = rng.random()
    posed = None
    drawings = tries(NAME, dial, seed)
    while posed is None:
        next(drawings)
        colours = rng.sample(INKS, setting.count)
        kinds = [rng.choice(setting.kinds) for _ in colours]
        curves = [curve(rng, kind, colour) for kind, colour in zip(kinds, colours, strict=True)]
        if all(sum(abs(y) <= REACH for y in drawn["values"]) >= 3 for drawn in curves):
            posed = POSERS[relation](rng, curves, wanted)
    question, options, answer, kind, ask, places, conclusion = posed
    program: dict[str, Json] = {
        "size": SIZE,
        "background": rng.randrange(len(BACKGROUNDS)),
        "numbered": setting.numbered,
        "curves": curves,
    }
    ends = [spot(*pixel(x, 0), SIZE, SIZE) for x in (-REACH, REACH)]
    line = act("draw_line", 1, start=ends[0], end=ends[1], color="black")
    axis = [think("Draw over the x-axis to see what meets it."), line]
    steps: list[Step] = [] if places else axis
    for number, (x, y) in enumerate(places, start=1):
        at = spot(*pixel(x, y), SIZE, SIZE)
        steps.append(think(f"{'Mark' if number == 1 else 'Then mark'} x = {x:.4g}, y = {y:.4g}."))
        steps.append(act("mark_point", number, point=at, color="black"))
    facts = [Fact("How many graphs are drawn?", len(curves), "integer")]
    for name, drawn in zip("fg", curves, strict=False):
        facts.append(Fact(f"What colour is the graph of {name}?", drawn["colour"], "text"))
        shape = "yes" if drawn["kind"] == "line" else "no"
        facts.append(Fact(f"Is the graph of {name} a straight line?", shape, "yes_no"))
    marked = [Region(f"x = {x:.3g}", around(*pixel(x, y), 12, SIZE, SIZE)) for x, y in places]
    asked = Asked(
        question,
        answer,
        kind,
        ask,
        [*steps, think(conclusion)],
        marked or [Region("origin", around(SIZE / 2, SIZE / 2, 12, SIZE, SIZE))],
        facts,
        options,
        {"name": "typed", "pixels": 0.4} if kind == "point" else {"name": "typed"},
    )
    return finish(relation, program, asked, render(program), caption(program, f"{NAME}:{dial}:{seed}"))


def pixel(x: float, y: float) -> Place:
    """Where a place of the plot lies in the picture."""
    return SIZE / 2 + x * UNIT, SIZE / 2 - y * UNIT


def render(program: dict[str, Any]) -> Image.Image:
    """The picture of a program."""
    picture = blank(SIZE * 2, SIZE * 2, BACKGROUNDS[program["background"]])
    draw = ImageDraw.Draw(picture)

    def at(x: float, y: float) -> Place:
        across, down = pixel(x, y)
        return 2 * across, 2 * down

    for line in range(-REACH, REACH + 1):
        draw.line((at(line, -REACH), at(line, REACH)), fill=(208, 213, 222), width=2)
        draw.line((at(-REACH, line), at(REACH, line)), fill=(208, 213, 222), width=2)
    edge = REACH + 0.45
    for name, end, tips in (
        ("x", (edge, 0), ((-0.22, 0.14), (-0.22, -0.14))),
        ("y", (0, edge), ((0.14, -0.22), (-0.14, -0.22))),
    ):
        draw.line((at(-end[0], -end[1]), at(*end)), fill=INK, width=3)
        draw.polygon([at(*end), *(at(end[0] + dx, end[1] + dy) for dx, dy in tips)], fill=INK)
        draw.text(
            at(end[0] - 0.1, end[1] - 0.32) if name == "x" else at(0.32, end[1]),
            name,
            font=font(22),
            fill=INK,
            anchor="mm",
        )
    for name, drawn in zip("fg", program["curves"], strict=False):
        fill = COLOURS[drawn["colour"]]
        points = [(x / 32, value(drawn, x / 32)) for x in range(-REACH * 32, REACH * 32 + 1)]
        for one, other in pairwise(points):
            if abs(one[1]) <= REACH and abs(other[1]) <= REACH:
                draw.line((at(*one), at(*other)), fill=fill, width=6)
                x, y = at(*other)
                draw.ellipse((x - 2.5, y - 2.5, x + 2.5, y + 2.5), fill=fill)
        draw.text(at(*beside(program["curves"], drawn)), name, font=font(28), fill=fill, anchor="mm")
    for number in range(-REACH, REACH + 1):
        if number and number % program["numbered"] == 0:
            draw.text(at(number, -0.34), str(number), font=font(18), fill=INK, anchor="mm")
            draw.text(at(-0.2, number), str(number), font=font(18), fill=INK, anchor="rm")
    return picture.reduce(2)


def _value(rng: random.Random, curves: list[Curve], wanted: float) -> Posed | None:
    target = pick(wanted, range(-4, 5))
    index = rng.randrange(len(curves))
    places = [x for x, y in zip(range(-4, 5), curves[index]["values"], strict=True) if y == target and x]
    if not places:
        return None
    x, name = rng.choice(places), "fg"[index]
    question = rng.choice((f"What is {name}({x})?", f"Read off the value of {name} at x = {x}."))
    said = f"The graph of {name} is at y = {target} there."
    return question, (), target, "integer", {"curve": index, "x": x}, [(x, 0), (x, target)], said


def _slope(rng: random.Random, curves: list[Curve], wanted: float) -> Posed | None:
    drawn = curves[0]
    target = pick(wanted, (-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0))
    if drawn["kind"] != "line" or Fraction(drawn["a"]) != target or abs(drawn["values"][4]) > 3:
        return None
    question = rng.choice(("What is the slope of the line f?", "By how much does f rise for each unit of x?"))
    ends = [(float(x), value(drawn, x)) for x in (0, 2)]
    said = f"From x = 0 to x = 2 it changes by {2 * target:g}, so the slope is {target:g}."
    return question, (), canonical(target), "number", {}, ends if abs(ends[1][1]) <= REACH else ends[:1], said


def _zeros(rng: random.Random, curves: list[Curve], wanted: float) -> Posed | None:
    target = pick(wanted, (0, 1, 2, 3) if len(curves) > 1 else (0, 1, 2))  # three need a cubic
    index = rng.randrange(len(curves))
    found = meetings(curves[index], None)
    if found is None or len(found) != target:
        return None
    question = f"How many times does the graph of {'fg'[index]} meet the x-axis in the picture?"
    return question, (), target, "integer", {"curve": index}, found, f"It meets the axis so many times: {target}."


def _turning(rng: random.Random, curves: list[Curve], wanted: float) -> Posed | None:
    drawn = curves[0]
    if drawn["kind"] not in ("parabola", "corner") or (Fraction(drawn["a"]) > 0) != (wanted < 0.5):
        return None
    place = (drawn["h"], drawn["k"])
    word = "lowest" if wanted < 0.5 else "highest"
    question = f"What is the {word} point of the graph of f? Answer with its coordinates [x, y]."
    return question, (), list(place), "point", {}, [place], f"The {word} point is at x = {place[0]}, y = {place[1]}."


def _formula(rng: random.Random, curves: list[Curve], wanted: float) -> Posed | None:
    drawn = curves[index := rng.randrange(len(curves))]
    others: list[str] = []
    other: Curve
    for _ in range(40):
        key = rng.choice(("a", "h", "k"))
        moved: Any = str(-Fraction(drawn["a"])) if key == "a" else drawn[key] + rng.choice((-2, -1, 1, 2))
        other = {**drawn, key: moved}
        far = max(abs(value(other, x) - value(drawn, x)) for x in range(-3, 4))
        if far >= 1 and formula(other) not in others and len(others) < 3:
            others.append(formula(other))
    options = [*others, formula(drawn)]
    if len(set(options)) < 4:
        return None
    place = int(wanted * 4)
    options[place], options[3] = options[3], options[place]
    points: list[tuple[float, float]] = [
        (float(x), float(y)) for x, y in zip(range(-4, 5), drawn["values"], strict=True) if abs(y) <= 4 and y == int(y)
    ][:3]
    if not points:
        return None
    question = f"Which formula is that of {'fg'[index]}?"
    said = f"All marked points satisfy {formula(drawn)}."
    return question, tuple(options), formula(drawn), "choice", {"curve": index, "options": tuple(options)}, points, said


def _meet(rng: random.Random, curves: list[Curve], wanted: float) -> Posed | None:
    target = pick(wanted, (0, 1, 2, 3))
    found = meetings(curves[0], curves[1])
    if found is None or len(found) != target:
        return None
    question = rng.choice(("In how many points do f and g meet in the picture?", "How often do the two graphs cross?"))
    return question, (), target, "integer", {}, found, f"The graphs meet so many times: {target}."


def _higher(rng: random.Random, curves: list[Curve], wanted: float) -> Posed | None:
    x = rng.choice([x for x in range(-4, 5) if x])
    first, second = (drawn["values"][x + 4] for drawn in curves)
    answer = pick(wanted, ("f", "g"))
    if abs(first - second) < 0.5 or (first > second) != (answer == "f") or max(abs(first), abs(second)) > REACH:
        return None
    question = rng.choice((f"Which is larger at x = {x}, f or g?", f"Which graph is higher at x = {x}?"))
    said = f"f is at {first:.3g} and g at {second:.3g}: {answer}."
    return question, ("f", "g"), answer, "choice", {"x": x}, [(x, first), (x, second)], said


POSERS: dict[str, Callable[[random.Random, list[Curve], float], Posed | None]] = {
    "value": _value,
    "slope": _slope,
    "zeros": _zeros,
    "turning": _turning,
    "formula": _formula,
    "meet": _meet,
    "higher": _higher,
}
