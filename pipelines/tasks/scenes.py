"""Family `counting`: coloured shapes on a jittered 4×4 grid; how many, which colour, where, more or fewer."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

from pipelines.captions.scenes import caption
from pipelines.tasks.draw import BACKGROUNDS, COLOURS, around, blank, draw_shape
from pipelines.tasks.made import Fact, Made, Region, Step, tries
from schemas.ids import Json

NAME = "counting"
VERSION = 1
RELATIONS = ("count", "attribute", "compare", "left_of", "above")

SIZE = 112
GRID = 4
CELL = SIZE // GRID
SHAPES = ("circle", "square", "triangle", "star")


@dataclass(frozen=True)
class Dial:
    """How many objects, how large (radius in pixels), what may be asked, largest count, grey strokes that distract."""

    objects: tuple[int, int]
    radius: tuple[int, int]
    relations: tuple[str, ...]
    most: int
    strokes: int


DIALS = (
    Dial((1, 3), (9, 11), ("count", "attribute"), 3, 0),
    Dial((3, 6), (8, 11), RELATIONS, 4, 0),
    Dial((5, 9), (6, 9), RELATIONS, 5, 5),
)

Item = dict[str, Any]
"""{"shape", "colour", "column" 1–4, "row" 1–4, "x", "y", "radius"}, in reading order."""
Posed = tuple[str, Json, str, dict[str, Json], str, list[Item]]
"""Question, answer, answer type, ask, conclusion, objects that decide."""


def make(seed: int, dial: int) -> Made:
    """One scene and one question; a scene that cannot carry the drawn answer is drawn again."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    pose = POSERS[relation]
    wanted = rng.random()
    drawings = tries(NAME, dial, seed)
    while True:
        next(drawings)
        items = _scene(rng, setting)
        posed = pose(rng, items, wanted, setting.most)
        if posed is not None:
            break
    question, answer, answer_type, ask, conclusion, looked_at = posed
    background = rng.randrange(len(BACKGROUNDS))
    strokes = [
        [rng.randrange(SIZE) for _ in range(2)] + [rng.randint(-9, 9) for _ in range(2)] for _ in range(setting.strokes)
    ]
    program: dict[str, Json] = {
        "size": SIZE,
        "grid": GRID,
        "background": background,
        "strokes": strokes,
        "objects": items,
        "ask": {"relation": relation, **ask},
    }
    listing = " ".join(f"{name(item)} {item['column']}{item['row']};" for item in items)
    return Made(
        images=(render(program),),
        question=question,
        options=(),
        answer=answer,
        answer_type=answer_type,
        relation=relation,
        program=program,
        region=tuple(Region(name(i), around(i["x"], i["y"], i["radius"] * 1.3, SIZE, SIZE)) for i in looked_at),
        checklist=_checklist(rng, items),
        steps=(Step("thought", f"{listing} {conclusion}"), Step("answer", str(answer))),
        caption=caption(items),
    )


def name(item: Item) -> str:
    """Colour and shape, such as "red circle"."""
    return f"{item['colour']} {item['shape']}"


def render(program: dict[str, Any]) -> Image.Image:
    """The picture of a program."""
    scale = 2
    picture = blank(SIZE * scale, SIZE * scale, BACKGROUNDS[program["background"]])
    draw = ImageDraw.Draw(picture)
    for x, y, dx, dy in program["strokes"]:
        draw.line((x * scale, y * scale, (x + dx) * scale, (y + dy) * scale), fill=(205, 205, 205), width=scale)
    for item in program["objects"]:
        x, y, radius = (item[key] * scale for key in ("x", "y", "radius"))
        draw_shape(draw, item["shape"], x, y, radius, COLOURS[item["colour"]])
    return picture.reduce(scale)


def _scene(rng: random.Random, setting: Dial) -> list[Item]:
    count = rng.randint(*setting.objects)
    palette = rng.sample(list(COLOURS), min(len(COLOURS), rng.randint(2, 4)))
    shapes = rng.sample(SHAPES, rng.randint(2, 4))
    items: list[Item] = []
    for cell in sorted(rng.sample(range(GRID * GRID), count)):
        row, column = divmod(cell, GRID)
        radius = rng.randint(*setting.radius)
        slack = max(0, CELL // 2 - int(radius * 1.25))
        items.append(
            {
                "shape": rng.choice(shapes),
                "colour": rng.choice(palette),
                "column": column + 1,
                "row": row + 1,
                "x": column * CELL + CELL // 2 + rng.randint(-slack, slack),
                "y": row * CELL + CELL // 2 + rng.randint(-slack, slack),
                "radius": radius,
            }
        )
    return items


def _matching(items: list[Item], ask: dict[str, Json]) -> list[Item]:
    return [i for i in items if all(ask.get(key) in (None, i[key]) for key in ("colour", "shape"))]


def _noun(ask: dict[str, Json], plural: bool = True) -> str:
    words = [str(ask[key]) for key in ("colour", "shape") if ask.get(key)]
    if not ask.get("shape"):
        words.append("object")
    return " ".join(words) + ("s" if plural else "")


def _some_filter(rng: random.Random) -> dict[str, Json]:
    kind = rng.choice(("colour", "shape", "both", "total"))
    return {
        "colour": rng.choice(list(COLOURS)) if kind in ("colour", "both") else None,
        "shape": rng.choice(SHAPES) if kind in ("shape", "both") else None,
    }


def _count(rng: random.Random, items: list[Item], wanted: float, most: int) -> Posed | None:
    """0 … `most`, all equally likely."""
    target = int(wanted * (most + 1))
    ask = _some_filter(rng)
    found = _matching(items, ask)
    if len(found) != target:
        return None
    noun = _noun(ask)
    question = rng.choice((f"How many {noun} are there?", f"Count the {noun}.", f"How many {noun} do you see?"))
    return question, target, "integer", ask, f"{noun}: {target}.", found or items


def _attribute(rng: random.Random, items: list[Item], wanted: float, most: int) -> Posed | None:
    """Colour of the only X, or shape of the only object of a colour."""
    target = rng.choice(items)
    if wanted < 0.6:
        ask: dict[str, Json] = {"colour": None, "shape": target["shape"], "of": "colour"}
        question = rng.choice(
            (f"What colour is the {target['shape']}?", f"Which colour does the {target['shape']} have?")
        )
        conclusion = f"the {target['shape']} is {target['colour']}."
    else:
        ask = {"colour": target["colour"], "shape": None, "of": "shape"}
        question = rng.choice((f"What shape is the {target['colour']} object?", f"Which shape is {target['colour']}?"))
        conclusion = f"the {target['colour']} object is a {target['shape']}."
    if len(_matching(items, ask)) != 1:
        return None
    return question, target[str(ask["of"])], "text", ask, conclusion, [target]


def _compare(rng: random.Random, items: list[Item], wanted: float, most: int) -> Posed | None:
    by = rng.choice(("colour", "shape"))
    first, second = rng.sample(list(COLOURS) if by == "colour" else list(SHAPES), 2)
    many, few = ([i for i in items if i[by] == value] for value in (first, second))
    answer = "yes" if wanted < 0.5 else "no"
    if not many + few or (answer == "yes") != (len(many) > len(few)) or abs(len(many) - len(few)) > 2:
        return None
    nouns = [_noun({by: value}) for value in (first, second)]
    question = rng.choice(
        (f"Are there more {nouns[0]} than {nouns[1]}?", f"Is the number of {nouns[0]} larger than of {nouns[1]}?")
    )
    conclusion = f"{nouns[0]}: {len(many)}, {nouns[1]}: {len(few)}."
    return question, answer, "yes_no", {"by": by, "first": first, "second": second}, conclusion, many + few


def _between(axis: str, words: str) -> Callable[[random.Random, list[Item], float, int], Posed | None]:
    def pose(rng: random.Random, items: list[Item], wanted: float, most: int) -> Posed | None:
        unique = [i for i in items if len(_matching(items, {"colour": i["colour"], "shape": i["shape"]})) == 1]
        if len(unique) < 2:
            return None
        first, second = rng.sample(unique, 2)
        answer = "yes" if wanted < 0.5 else "no"
        if first[axis] == second[axis] or (answer == "yes") != (first[axis] < second[axis]):
            return None
        question = f"Is the {name(first)} {words} the {name(second)}?"
        ask: dict[str, Json] = {"axis": axis, "first": name(first), "second": name(second)}
        conclusion = f"{axis} {first[axis]} and {axis} {second[axis]}."
        return question, answer, "yes_no", ask, conclusion, [first, second]

    return pose


POSERS: dict[str, Callable[[random.Random, list[Item], float, int], Posed | None]] = {
    "count": _count,
    "attribute": _attribute,
    "compare": _compare,
    "left_of": _between("column", "left of"),
    "above": _between("row", "above"),
}


def _checklist(rng: random.Random, items: list[Item]) -> tuple[Fact, ...]:
    facts = [Fact("How many objects are there in all?", len(items), "integer")]
    colour = rng.choice(items)["colour"]
    facts.append(Fact(f"How many {colour} objects are there?", len(_matching(items, {"colour": colour})), "integer"))
    for item in rng.sample(items, min(3, len(items))):
        place = f"column {item['column']}, row {item['row']} of a {GRID} by {GRID} grid"
        facts.append(Fact(f"What is at {place}?", name(item), "text"))
    return tuple(facts)
