"""Family `frames`: pictures of bodies that move steadily; which way, how fast, when, in which order, where next."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

from pipelines.captions.frames import caption
from pipelines.captions.words import SHAPES
from pipelines.tasks.draw import BACKGROUNDS, COLOURS, INK, around, blank, draw_shape, font
from pipelines.tasks.made import Fact, Made, Region, Step, tries
from pipelines.tasks.world import Asked, act, finish, pick, spot, think
from schemas.ids import Json

NAME = "frames"
VERSION = 1
RELATIONS = ("direction", "change", "faster", "order", "meet", "next")

SIZE, EDGE, RADIUS = 168, 20, 13
LETTERS = ("A", "B", "C", "D")
WAYS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}


@dataclass(frozen=True)
class Dial:
    """How many pictures and bodies, pixels that a body moves between two pictures, what may be asked."""

    frames: int
    bodies: tuple[int, int]
    speed: tuple[int, int]
    relations: tuple[str, ...]


DIALS = (
    Dial(3, (2, 2), (16, 30), ("direction", "change")),
    Dial(4, (2, 3), (9, 24), ("direction", "change", "faster", "order")),
    Dial(6, (3, 4), (6, 18), ("change", "order", "meet", "next", "faster")),
)

Body = dict[str, Any]
"""{"shape", "colour", "path": [x, y] for each moment, "turns": [moment, new colour] or nothing}."""
Posed = tuple[str, tuple[str, ...], Json, str, dict[str, Json], dict[str, Any], Body, str]
"""Question, options, answer, answer type, ask, more of the program, the body to follow, conclusion."""


def make(seed: int, dial: int) -> Made:
    """One sequence and one question; bodies that cannot carry the drawn answer are drawn again."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    wanted = rng.random()
    posed, bodies = None, list[Body]()
    drawings = tries(NAME, dial, seed)
    while posed is None:
        next(drawings)
        bodies = _bodies(rng, setting) or []
        posed = POSERS[relation](rng, bodies, wanted) if bodies else None
    question, options, answer, kind, ask, more, followed, conclusion = posed
    program: dict[str, Any] = {
        "size": SIZE,
        "background": rng.randrange(len(BACKGROUNDS)),
        "bodies": bodies,
        "shown": list(range(setting.frames)),
        "points": [],
        **more,
    }
    steps: list[Step] = []
    for picture, moment in enumerate(program["shown"], start=1):
        x, y = followed["path"][moment]
        steps.append(think(f"In picture {picture} the {_name(followed)} is at x = {x}, y = {y}."))
        steps.append(act("mark_point", picture, point=spot(x, y, SIZE, SIZE), color="black"))
    first = program["shown"][0]
    facts = [Fact("How many bodies does each picture show?", len(bodies), "integer")]
    for body in bodies[:3]:
        half = "left" if body["path"][first][0] < SIZE / 2 else "right"
        facts.append(Fact(f"In which half of picture 1 is the {_name(body)}, left or right?", half, "text"))
    x, y = followed["path"][first]
    region = [Region(_name(followed), around(x, y, RADIUS + 3, SIZE, SIZE))]
    verifier: dict[str, Json] = {"name": "typed", "ordered": relation == "order"}
    asked = Asked(question, answer, kind, ask, [*steps, think(conclusion)], region, facts, options, verifier)
    return finish(relation, program, asked, render(program), caption(program, f"{NAME}:{dial}:{seed}"))


def render(program: dict[str, Any]) -> tuple[Image.Image, ...]:
    """The pictures of a program, in the order shown."""
    return tuple(_frame(program, number, moment) for number, moment in enumerate(program["shown"], start=1))


def _frame(program: dict[str, Any], number: int, moment: int) -> Image.Image:
    picture = blank(SIZE * 2, SIZE * 2, BACKGROUNDS[program["background"]])
    draw = ImageDraw.Draw(picture)
    for line in range(0, 2 * SIZE, 56):
        draw.line((line, 0, line, 2 * SIZE), fill=(220, 224, 226), width=2)
        draw.line((0, line, 2 * SIZE, line), fill=(220, 224, 226), width=2)
    draw.rectangle((0, 0, 2 * SIZE - 1, 2 * SIZE - 1), outline=(150, 156, 162), width=4)
    if number == len(program["shown"]):
        for letter, (x, y) in zip(LETTERS, program["points"], strict=False):
            draw.ellipse((2 * x - 16, 2 * y - 16, 2 * x + 16, 2 * y + 16), outline=INK, width=3)
            draw.text((2 * x, 2 * y), letter, font=font(22), fill=INK, anchor="mm")
    for body in program["bodies"]:
        x, y = body["path"][moment]
        turned = body["turns"] and moment >= body["turns"][0]
        draw_shape(
            draw, body["shape"], 2 * x, 2 * y, 2 * RADIUS, COLOURS[body["turns"][1] if turned else body["colour"]]
        )
    draw.text((12, 6), str(number), font=font(26), fill=(120, 124, 130))
    return picture.reduce(2)


def _name(body: Body) -> str:
    return f"{body['colour']} {body['shape']}"


def _bodies(rng: random.Random, setting: Dial) -> list[Body] | None:
    """Bodies that move straight and steadily, within the picture; None where two of them overlap at some moment."""
    bodies: list[Body] = []
    count = rng.randint(*setting.bodies)
    for colour, shape in zip(rng.sample(list(COLOURS), count), rng.sample(SHAPES, count), strict=True):
        speed, (dx, dy) = rng.randint(*setting.speed), rng.choice(list(WAYS.values()))
        steps = setting.frames - 1
        low = EDGE + speed * steps * max(0, -dx), EDGE + speed * steps * max(0, -dy)
        high = SIZE - EDGE - speed * steps * max(0, dx), SIZE - EDGE - speed * steps * max(0, dy)
        if low[0] > high[0] or low[1] > high[1]:
            return None
        x, y = rng.randint(low[0], high[0]), rng.randint(low[1], high[1])
        path = [[x + speed * dx * t, y + speed * dy * t] for t in range(setting.frames)]
        bodies.append({"shape": shape, "colour": colour, "path": path, "turns": []})
    for t in range(setting.frames):
        if any(_far(one, other, t) < 2 * RADIUS + 4 for at, one in enumerate(bodies) for other in bodies[:at]):
            return None
    return bodies


def _far(one: Body, other: Body, moment: int) -> float:
    return math.dist(one["path"][moment], other["path"][moment])


def _way(body: Body) -> str:
    (x, y), (u, v) = body["path"][:2]
    return next(way for way, (dx, dy) in WAYS.items() if (u - x) * dx + (v - y) * dy > 0)


def _speed(body: Body) -> int:
    (x, y), (u, v) = body["path"][:2]
    return int(abs(u - x) + abs(v - y))


def _direction(rng: random.Random, bodies: list[Body], wanted: float) -> Posed | None:
    body = rng.choice(bodies)
    way = pick(wanted, tuple(WAYS))
    if _way(body) != way:
        return None
    question = rng.choice(("Which way does the {} move?", "In which direction is the {} going?")).format(_name(body))
    said = f"From picture to picture it moves {way}."
    return question, tuple(WAYS), way, "choice", {"body": _name(body)}, {}, body, said


def _change(rng: random.Random, bodies: list[Body], wanted: float) -> Posed:
    body = rng.choice(bodies)
    moment = pick(wanted, range(1, len(body["path"])))
    used = {other["colour"] for other in bodies}
    body["turns"] = [moment, rng.choice([colour for colour in COLOURS if colour not in used])]
    question = "One body changes colour. Which picture is the first to show its new colour?"
    said = f"It is {body['turns'][1]} from picture {moment + 1} on."
    return question, (), moment + 1, "integer", {}, {}, body, said


def _faster(rng: random.Random, bodies: list[Body], wanted: float) -> Posed | None:
    first, second = sorted(rng.sample(bodies, 2), key=bodies.index)
    if wanted < 0.5:
        first, second = second, first
    if _speed(first) < _speed(second) + 4:
        return None
    names = sorted((_name(first), _name(second)))
    question = f"Which moves faster, the {names[0]} or the {names[1]}?"
    said = f"It moves {_speed(first)} a picture, the {_name(second)} only {_speed(second)}."
    return question, tuple(names), _name(first), "choice", {"bodies": [names[0], names[1]]}, {}, first, said


def _order(rng: random.Random, bodies: list[Body], wanted: float) -> Posed | None:
    body = rng.choice(bodies)
    shown = rng.sample(range(len(body["path"])), len(body["path"]))
    if shown == sorted(shown):
        return None
    order = [shown.index(moment) + 1 for moment in range(len(shown))]
    question = (
        f"The pictures were shuffled. All the time the {_name(body)} moves {_way(body)}. "
        "List the numbers of the pictures in the order in which they were taken."
    )
    said = f"Moving {_way(body)}, it passes the pictures in the order {', '.join(map(str, order))}."
    return question, (), order, "list", {}, {"shown": shown}, body, said


def _meet(rng: random.Random, bodies: list[Body], wanted: float) -> Posed | None:
    """In which picture two bodies are nearest to each other."""
    first, second = rng.sample(bodies, 2)
    moments = range(len(first["path"]))
    target = pick(wanted, moments)
    far = [_far(first, second, moment) for moment in moments]
    if any(far[moment] < far[target] + 4 for moment in moments if moment != target):
        return None
    names: list[Json] = [_name(first), _name(second)]
    question = f"In which picture are the {names[0]} and the {names[1]} nearest to each other?"
    return (
        question,
        (),
        target + 1,
        "integer",
        {"bodies": names},
        {},
        first,
        f"They are nearest in picture {target + 1}.",
    )


def _next(rng: random.Random, bodies: list[Body], wanted: float) -> Posed | None:
    """Four rings in the last picture; a body reaches one of them at the moment after it."""
    body = rng.choice(bodies)
    (x, y), (u, v) = body["path"][-2:]
    goal, step = [2 * u - x, 2 * v - y], _speed(body)
    if step < 14:
        return None
    points: list[list[int]] = []
    others = [[u + step * dx * far, v + step * dy * far] for dx, dy in WAYS.values() for far in (1, 2, 3)]
    for ring in [goal, *rng.sample(others, len(others))]:
        near = [*points, *(other["path"][-1] for other in bodies if ring != goal or other is not body)]
        apart = all(max(abs(ring[0] - at[0]), abs(ring[1] - at[1])) >= 22 for at in near)
        if len(points) < 4 and apart and all(12 <= value <= SIZE - 12 for value in ring):
            points.append(ring)
    if len(points) < 4 or points[0] != goal:
        return None
    at = LETTERS.index(answer := pick(wanted, LETTERS))
    points[0], points[at] = points[at], points[0]
    question = f"Which ring of the last picture will the {_name(body)} be in next, if it goes on like this?"
    said = f"It moves {_way(body)} by {step}, so next it is at x = {goal[0]}, y = {goal[1]}: {answer}."
    return question, LETTERS, answer, "choice", {"body": _name(body)}, {"points": points}, body, said


POSERS: dict[str, Callable[[random.Random, list[Body], float], Posed | None]] = {
    "direction": _direction,
    "change": _change,
    "faster": _faster,
    "order": _order,
    "meet": _meet,
    "next": _next,
}
