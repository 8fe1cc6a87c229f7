"""Family `stilllife`: shaded bodies on a table; what they are made of, in what condition, how the light falls."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from pipelines.captions.stilllife import CONDITIONS, MATERIALS, SHAPES, caption
from pipelines.tasks.made import Fact, Made, Region, Step, tries
from pipelines.tasks.shading import COLOURS, HEIGHT, WALLS, WIDTH, Thing, box_of, paint
from pipelines.tasks.world import Asked, act, finish, frame, pad, pick, think
from schemas.ids import Json

NAME = "stilllife"
VERSION = 1
RELATIONS = ("material", "shape", "condition", "count", "light", "same", "which")


@dataclass(frozen=True)
class Dial:
    """How many bodies, half their width in pixels, how dim the lamp is, how often one is damaged, what may be asked."""

    things: tuple[int, int]
    size: tuple[int, int]
    dim: float
    damage: float
    relations: tuple[str, ...]


DIALS = (
    Dial((2, 3), (27, 32), 0.0, 0.0, ("material", "shape", "light")),
    Dial((3, 5), (19, 25), 0.3, 0.4, ("material", "condition", "count", "which", "light")),
    Dial((5, 6), (14, 19), 0.8, 0.5, ("material", "condition", "count", "same", "which")),
)

Posed = tuple[str, tuple[str, ...], Json, str, dict[str, Json], list[Thing], str]
"""Question, options, answer, answer type, ask, things to look at, conclusion."""


def make(seed: int, dial: int) -> Made:
    """One still life and one question; things that cannot carry the drawn answer are drawn again."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    wanted = rng.random()
    light = rng.choice(("left", "right"))
    posed = None
    drawings = tries(NAME, dial, seed)
    while posed is None:
        next(drawings)
        things = _things(rng, setting)
        posed = POSERS[relation](rng, things, wanted)
    if relation == "light":
        light = pick(wanted, ("left", "right"))
        posed = _light(light, things)
    question, options, answer, kind, ask, looked_at, conclusion = posed
    program: dict[str, Json] = {
        "size": [WIDTH, HEIGHT],
        "setting": rng.randrange(len(WALLS)),
        "light": light,
        "dim": setting.dim,
        "things": things,
    }
    steps: list[Step] = [think(" ".join(f"{_name(thing)};" for thing in things))]
    for thing in looked_at:
        box = frame(pad(box_of(thing), 6, WIDTH, HEIGHT), WIDTH, HEIGHT)
        steps.append(think(f"Look closer at the {_name(thing)}."))
        steps.append(act("zoom", 1, bbox_2d=box))
        steps.append(think(f"It is of {thing['material']} and {thing['condition']}."))
    facts = [
        Fact("How many things stand on the table?", len(things), "integer"),
        Fact("From which side does the light come?", light, "text"),
        *(Fact(f"What is the {_name(thing)} made of?", thing["material"], "text") for thing in looked_at[:2]),
    ]
    region = [Region(_name(thing), box_of(thing)) for thing in looked_at]
    asked = Asked(question, answer, kind, ask, [*steps, think(conclusion)], region, facts, options)
    return finish(relation, program, asked, render(program), caption(program, f"{NAME}:{dial}:{seed}"))


def render(program: dict[str, Any]) -> Image.Image:
    """The picture of a program."""
    return paint(program["setting"], program["light"], program["dim"], program["things"])


def _name(thing: Thing) -> str:
    return f"{thing['colour']} {thing['shape']}"


def _things(rng: random.Random, setting: Dial) -> list[Thing]:
    """From left to right, no two alike in colour and shape, none hidden behind another."""
    count = rng.randint(*setting.things)
    looks = rng.sample([(colour, shape) for colour in COLOURS for shape in SHAPES], count)
    slot = (WIDTH - 16) / count
    things = []
    for place, (colour, shape) in enumerate(looks):
        size = rng.randint(*setting.size)
        slack = max(0, int((slot - 2.3 * size) / 2))
        things.append(
            {
                "shape": shape,
                "colour": colour,
                "material": rng.choice(MATERIALS),
                "condition": rng.choice(CONDITIONS[1:]) if rng.random() < setting.damage else "intact",
                "x": round(8 + slot * (place + 0.46)) + rng.randint(-slack, slack),
                "foot": rng.randint(134, 204),
                "size": size,
            }
        )
    return things


def _material(rng: random.Random, things: list[Thing], wanted: float) -> Posed | None:
    thing = rng.choice(things)
    if thing["material"] != pick(wanted, MATERIALS):
        return None
    question = rng.choice(("What is the {} made of?", "Of which material is the {}?")).format(_name(thing))
    answer = thing["material"]
    return (
        question,
        MATERIALS,
        answer,
        "choice",
        {"thing": _name(thing)},
        [thing],
        f"The {_name(thing)} is of {answer}.",
    )


def _shape(rng: random.Random, things: list[Thing], wanted: float) -> Posed | None:
    """The shape of the only thing of a material."""
    material = rng.choice(MATERIALS)
    found = [thing for thing in things if thing["material"] == material]
    if len(found) != 1 or found[0]["shape"] != pick(wanted, SHAPES):
        return None
    question = f"Only one thing is made of {material}. What shape is it?"
    return question, SHAPES, found[0]["shape"], "choice", {"material": material}, found, f"It is the {_name(found[0])}."


def _condition(rng: random.Random, things: list[Thing], wanted: float) -> Posed | None:
    thing = rng.choice(things)
    if thing["condition"] != pick(wanted, CONDITIONS):
        return None
    question = rng.choice(("In what condition is the {}?", "Is the {} intact, cracked or spotted?")).format(
        _name(thing)
    )
    answer = thing["condition"]
    return question, CONDITIONS, answer, "choice", {"thing": _name(thing)}, [thing], f"The {_name(thing)} is {answer}."


def _count(rng: random.Random, things: list[Thing], wanted: float) -> Posed | None:
    target = pick(wanted, (1, 2, 3))
    key = rng.choice(("material", "condition"))
    value = rng.choice(MATERIALS if key == "material" else CONDITIONS[1:])
    found = [thing for thing in things if thing[key] == value]
    if len(found) != target:
        return None
    question = f"How many of the things are made of {value}?" if key == "material" else f"How many things are {value}?"
    said = f"{', '.join(_name(thing) for thing in found)}: {target}."
    return question, (), target, "integer", {"key": key, "value": value}, found, said


def _same(rng: random.Random, things: list[Thing], wanted: float) -> Posed | None:
    first, second = rng.sample(things, 2)
    answer = pick(wanted, ("yes", "no"))
    if (first["material"] == second["material"]) != (answer == "yes"):
        return None
    question = f"Are the {_name(first)} and the {_name(second)} made of the same material?"
    ask: dict[str, Json] = {"first": _name(first), "second": _name(second)}
    said = f"One is {first['material']}, the other {second['material']}: {answer}."
    return question, (), answer, "yes_no", ask, [first, second], said


def _which(rng: random.Random, things: list[Thing], wanted: float) -> Posed | None:
    """The only damaged thing of its kind, by name."""
    condition = pick(wanted, CONDITIONS[1:])
    found = [thing for thing in things if thing["condition"] == condition]
    if len(found) != 1:
        return None
    question = f"Which thing is {condition}? Answer with its colour and shape."
    return question, (), _name(found[0]), "text", {"condition": condition}, found, f"It is the {_name(found[0])}."


def _light(light: str, things: list[Thing]) -> Posed:
    far = {"left": "right", "right": "left"}[light]
    said = f"Its shadow falls to the {far}, so the light comes from the {light}."
    question = "From which side does the light come?"
    return question, ("left", "right"), light, "choice", {}, things[:1], said


POSERS: dict[str, Callable[[random.Random, list[Thing], float], Posed | None]] = {
    "material": _material,
    "shape": _shape,
    "condition": _condition,
    "count": _count,
    "same": _same,
    "which": _which,
    "light": lambda rng, things, wanted: _light("left", things),
}
