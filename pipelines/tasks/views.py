"""Family `views`: towers of cubes from several sides; how many, how high, left or right from elsewhere, turned how far.

A building is drawn only where the height of every tower can be seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from pipelines.captions.views import caption
from pipelines.tasks.cubes import BOARD, HIGHEST, SIZE, Tower, building, cap, clear, corner, outlines, turned
from pipelines.tasks.draw import BACKGROUNDS, COLOURS
from pipelines.tasks.made import Box, Fact, Made, Region, Step, tries
from pipelines.tasks.world import Asked, act, finish, pick, spot, think
from schemas.ids import Json

NAME = "views"
VERSION = 1
RELATIONS = ("height", "cubes", "side", "front", "turned", "same")

LETTERS = ("A", "B", "C", "D")


@dataclass(frozen=True)
class Dial:
    """How many towers, how high at most, what may be asked."""

    towers: tuple[int, int]
    highest: int
    relations: tuple[str, ...]


DIALS = (
    Dial((2, 3), 2, ("height", "cubes", "side")),
    Dial((3, 5), 3, ("cubes", "side", "front", "turned")),
    Dial((5, 6), 3, ("cubes", "front", "turned", "same")),
)

Posed = tuple[str, tuple[str, ...], Json, str, dict[str, Json], dict[str, Any], list[Tower], str]
"""Question, options, answer, answer type, ask, more of the program, towers to look at, conclusion."""


def make(seed: int, dial: int) -> Made:
    """One building and one question; a building that cannot carry the drawn answer is drawn again."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    wanted = rng.random()
    posed, towers = None, list[Tower]()
    drawings = tries(NAME, dial, seed)
    while posed is None:
        next(drawings)
        towers = _towers(rng, setting)
        posed = POSERS[relation](rng, setting, towers, wanted) if clear(towers) else None
    question, options, answer, kind, ask, more, looked_at, conclusion = posed
    program: dict[str, Any] = {
        "size": SIZE,
        "background": rng.randrange(len(BACKGROUNDS)),
        "towers": towers,
        "arrow": relation in ("side", "front"),
        **more,
    }
    steps: list[Step] = []
    shown = 2 if "shapes" in more or "second" in more else 1
    for number, tower in enumerate(looked_at):
        at = spot(*cap(tower), SIZE, SIZE)
        steps.append(think(f"The {tower['colour']} tower is {tower['height']} high."))
        target = 1 if number == 0 else shown
        steps.append(act("label", target, point=at, text=str(tower["height"]), color="black"))
        shown += 1
    if "second" in more:
        steps.append(think("Now find the same tower in picture 2."))
        seen = [tower for tower in more["second"] if tower["colour"] == looked_at[0]["colour"]]
        steps.append(act("mark_point", 2, point=spot(*cap((seen or more["second"])[0]), SIZE, SIZE), color="white"))
    facts = [Fact("How many towers are there?", len(towers), "integer")]
    for tower in towers[:4]:
        facts.append(Fact(f"How many cubes high is the {tower['colour']} tower?", tower["height"], "integer"))
    region = [Region(f"{tower['colour']} tower", tower_box(tower)) for tower in looked_at]
    asked = Asked(question, answer, kind, ask, [*steps, think(conclusion)], region, facts, options)
    return finish(relation, program, asked, render(program), caption(program, f"{NAME}:{dial}:{seed}"))


def tower_box(tower: Tower) -> Box:
    """What a tower covers, in pixels."""
    x, y = tower["x"], tower["y"]
    left, right = corner(x, y + 1, 0)[0], corner(x + 1, y, 0)[0]
    return int(left), int(corner(x, y, tower["height"])[1]), int(right), int(corner(x + 1, y + 1, 0)[1])


def render(program: dict[str, Any]) -> tuple[Image.Image, ...]:
    """The pictures of a program."""
    first = building(program["towers"], program["background"], program["arrow"])
    if "shapes" in program:
        return first, outlines(program["shapes"])
    if "second" in program:
        return first, building(program["second"], program["background"], False)
    return (first,)


def _towers(rng: random.Random, setting: Dial) -> list[Tower]:
    """From back to front."""
    count = rng.randint(*setting.towers)
    places = rng.sample([(x, y) for x in range(BOARD) for y in range(BOARD)], count)
    towers = [
        {"colour": colour, "x": x, "y": y, "height": rng.randint(1, setting.highest)}
        for colour, (x, y) in zip(rng.sample(list(COLOURS), count), places, strict=True)
    ]
    return sorted(towers, key=lambda tower: (tower["x"] + tower["y"], tower["x"]))


def _height(rng: random.Random, setting: Dial, towers: list[Tower], wanted: float) -> Posed | None:
    tower = rng.choice(towers)
    if tower["height"] != 1 + int(wanted * setting.highest):
        return None
    question = rng.choice(("How many cubes high is the {} tower?", "Count the cubes of the {} tower.")).format(
        tower["colour"]
    )
    said = f"That makes {tower['height']}."
    return question, (), tower["height"], "integer", {"colour": tower["colour"]}, {}, [tower], said


def _cubes(rng: random.Random, setting: Dial, towers: list[Tower], wanted: float) -> Posed | None:
    low, high = setting.towers[0] + 1, setting.towers[1] * setting.highest - 1
    target = low + int(wanted * min(high - low + 1, 8))
    if sum(tower["height"] for tower in towers) != target:
        return None
    question = rng.choice(("How many cubes are there in all?", "Of how many cubes is the building made?"))
    said = f"{' + '.join(str(tower['height']) for tower in towers)} = {target}."
    return question, (), target, "integer", {}, {}, towers, said


def _side(rng: random.Random, setting: Dial, towers: list[Tower], wanted: float) -> Posed | None:
    """Left or right, seen from the front or from behind, which turns both around."""
    first, second = rng.sample(towers, 2)
    answer = pick(wanted, ("left", "right"))
    behind = rng.random() < 0.5
    if first["x"] == second["x"] or ((first["x"] < second["x"]) != behind) != (answer == "left"):
        return None
    where = "from behind, opposite the arrow" if behind else "from the front, along the arrow"
    question = f"Seen {where}, is the {first['colour']} tower left or right of the {second['colour']} one?"
    ask: dict[str, Json] = {"first": first["colour"], "second": second["colour"], "behind": behind}
    said = f"Seen so, the {first['colour']} tower is on the {answer}."
    return question, ("left", "right"), answer, "choice", ask, {}, [first, second], said


def _front(rng: random.Random, setting: Dial, towers: list[Tower], wanted: float) -> Posed | None:
    true = [max((t["height"] for t in towers if t["x"] == x), default=0) for x in range(BOARD)]
    across = [max((t["height"] for t in towers if t["y"] == y), default=0) for y in range(BOARD)]
    shapes = [true]
    for other in (true[::-1], across, *([rng.randint(0, HIGHEST) for _ in true] for _ in range(9))):
        if other not in shapes and len(shapes) < 4 and any(other):
            shapes.append(other)
    if len(shapes) < 4:
        return None
    answer = pick(wanted, LETTERS)
    at = LETTERS.index(answer)
    shapes[0], shapes[at] = shapes[at], shapes[0]
    question = "Which outline of picture 2 does the building have, seen from the front along the arrow?"
    said = f"From left to right the highest towers are {', '.join(map(str, true))}: that is {answer}."
    return question, LETTERS, answer, "choice", {}, {"shapes": shapes}, towers, said


def _turned(rng: random.Random, setting: Dial, towers: list[Tower], wanted: float) -> Posed | None:
    quarters = pick(wanted, (1, 2, 3))
    second = [turned(tower, quarters) for tower in towers]
    if not clear(second):
        return None
    question = "By how many degrees was the board turned clockwise, seen from above, between picture 1 and picture 2?"
    answer = str(90 * quarters)
    said = f"Its place shows a turn by {answer} degrees."
    far = [tower for tower in towers if (tower["x"], tower["y"]) != (1, 1)]
    return question, ("90", "180", "270"), answer, "choice", {}, {"second": second}, far[:1], said


def _same(rng: random.Random, setting: Dial, towers: list[Tower], wanted: float) -> Posed | None:
    """The same building turned, or one whose towers have changed places or heights."""
    answer = pick(wanted, ("yes", "no"))
    other = [dict(tower) for tower in towers]
    one, two = rng.sample(range(len(other)), 2)
    if answer == "no":
        if other[one]["height"] == other[two]["height"] or rng.random() < 0.5:
            other[one]["colour"], other[two]["colour"] = other[two]["colour"], other[one]["colour"]
        else:
            other[one]["height"], other[two]["height"] = other[two]["height"], other[one]["height"]
    quarters = rng.randint(1, 3)
    second = [turned(tower, quarters) for tower in other]
    if not clear(second):
        return None
    question = "Does picture 2 show the same building from another side?"
    changed = f"The {towers[one]['colour']} and the {towers[two]['colour']} tower have been exchanged."
    said = "Every tower is found again in its place." if answer == "yes" else changed
    return question, (), answer, "yes_no", {}, {"second": second}, [towers[one], towers[two]], said


POSERS: dict[str, Callable[[random.Random, Dial, list[Tower], float], Posed | None]] = {
    "height": _height,
    "cubes": _cubes,
    "side": _side,
    "front": _front,
    "turned": _turned,
    "same": _same,
}
