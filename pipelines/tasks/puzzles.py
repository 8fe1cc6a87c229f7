"""Family `puzzles`: a landscape turned, cut up or covered; the picture itself holds the answer.

Self-supervision as questions: turned by how much, which order, which two squares were swapped, which stands on its
head, which patch was covered, where a patch comes from. Squares and patches that look alike are never told apart.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from pipelines.captions.puzzles import caption
from pipelines.tasks.landscape import SIZE, paint, scene
from pipelines.tasks.made import Box, Fact, Made, Region, Step, tries
from pipelines.tasks.mosaic import LETTERS, cells, differ, render
from pipelines.tasks.world import Asked, act, finish, frame, pad, pick, think
from schemas.ids import Json

NAME = "puzzles"
VERSION = 1
RELATIONS = ("turned", "jigsaw", "swap", "flip", "patch", "source")

COLUMNS, ROWS = ("left", "middle", "right"), ("top", "middle", "bottom")
PLACES = tuple(f"{row} {column}" for row in ROWS for column in COLUMNS)


@dataclass(frozen=True)
class Dial:
    """Side of a covered patch in pixels, how far (px) wrong patches may come from it, what may be asked."""

    patch: int
    near: int
    relations: tuple[str, ...]


DIALS = (
    Dial(84, 400, ("turned", "patch", "source")),
    Dial(63, 400, ("turned", "jigsaw", "patch", "source")),
    Dial(42, 84, ("jigsaw", "swap", "flip", "patch")),
)

Posed = tuple[str, tuple[str, ...], Json, str, dict[str, Json], list[Step], list[Region]]
"""Question, options, answer, answer type, what is done to the picture, steps, regions."""


def make(seed: int, dial: int) -> Made:
    """One landscape, what was done to it, and the question that undoes it."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    wanted = rng.random()
    posed = None
    drawings = tries(NAME, dial, seed)
    while posed is None:
        next(drawings)
        land = scene(rng)
        posed = POSERS[relation](rng, setting, paint(land), wanted)
    question, options, answer, kind, done, steps, region = posed
    program: dict[str, Json] = {"size": SIZE, "scene": land, **done}
    facts = (
        Fact("What colour is the meadow?", land["meadow"], "text"),
        Fact("What colour are the mountains?", land["mountain"], "text"),
        Fact("Which time of day is it: morning, noon, evening or night?", land["sky"], "text"),
    )
    asked = Asked(
        question,
        answer,
        kind,
        {},
        steps,
        region,
        facts,
        options,
        {"name": "typed", "ordered": True} if relation == "jigsaw" else {"name": "typed"},
    )
    return finish(relation, program, asked, render(program), caption(program, f"{NAME}:{dial}:{seed}"))


def _crops(boxes: list[tuple[str, Box]]) -> list[Step]:
    steps = []
    for name, box in boxes:
        steps.append(think(f"Look at {name}."))
        steps.append(act("crop", 1, bbox_2d=frame(box, SIZE, SIZE)))
    return steps


def _turned(rng: random.Random, setting: Dial, picture: Image.Image, wanted: float) -> Posed:
    angle = pick(wanted, (0, 90, 180, 270))
    above = {0: "above", 90: "on the right", 180: "below", 270: "on the left"}[angle]
    question = rng.choice(
        (
            "By how many degrees has the picture been turned clockwise?",
            "How far was this picture turned clockwise, in degrees?",
        )
    )
    back = 360 - angle if angle else 180
    after = (
        f"Now the sky is above, so it had been turned by {angle}." if angle else "Now it is wrong: it stood upright."
    )
    steps = [think(f"The sky is {above}. Try turning it by {back}."), act("rotate", 1, angle=back), think(after)]
    region = [Region("picture", (0, 0, SIZE, SIZE))]
    done: dict[str, Json] = {"done": "turn", "angle": angle}
    return question, ("0", "90", "180", "270"), str(angle), "choice", done, steps, region


def _jigsaw(rng: random.Random, setting: Dial, picture: Image.Image, wanted: float) -> Posed | None:
    if not differ([picture.crop(box) for box in cells(2)]):
        return None
    order = rng.sample((1, 2, 3, 4), 4)
    if order == [1, 2, 3, 4]:
        return None
    question = (
        "The picture was cut into four squares and laid down in another order. Places are numbered 1 top left, 2 top "
        "right, 3 bottom left, 4 bottom right. For the squares at places 1 to 4, list the place where each belongs."
    )
    names = [(f"the square at {place}", box) for place, box in enumerate(cells(2), start=1)]
    said = ", ".join(f"{place} belongs at {number}" for place, number in enumerate(order, start=1))
    steps = [*_crops(names), think(f"Sky goes above, ground below, and the edges must meet: {said}.")]
    done: dict[str, Json] = {"done": "order", "side": 2, "order": order}
    return question, (), order, "list", done, steps, [Region(name, box) for name, box in names]


def _swap(rng: random.Random, setting: Dial, picture: Image.Image, wanted: float) -> Posed | None:
    boxes = cells(3)
    squares = sorted(rng.sample(range(1, 10), 2))
    if not differ([picture.crop(boxes[number - 1]) for number in squares]):
        return None
    question = rng.choice(
        (
            "Two of the nine squares have changed places. List their numbers.",
            "Which two squares were swapped? Answer with a list of two numbers.",
        )
    )
    names = [(f"square {number}", boxes[number - 1]) for number in squares]
    around = [(f"{name} with its neighbours", pad(box, 40, SIZE, SIZE)) for name, box in names]
    steps = [*_crops(around), think(f"Neither fits its neighbours, and each fits where the other is: {squares}.")]
    done: dict[str, Json] = {"done": "swap", "squares": squares}
    return question, (), squares, "list", done, steps, [Region(name, box) for name, box in names]


def _flip(rng: random.Random, setting: Dial, picture: Image.Image, wanted: float) -> Posed | None:
    number = pick(wanted, range(1, 10))
    box = cells(3)[number - 1]
    square = picture.crop(box)
    if not differ([square, square.rotate(180)]):
        return None
    question = rng.choice(("Which of the nine squares stands on its head?", "One square is upside down. Which number?"))
    name = f"square {number}"
    steps = [*_crops([(f"{name} with its neighbours", pad(box, 40, SIZE, SIZE))]), think(f"It does not fit: {number}.")]
    done: dict[str, Json] = {"done": "flip", "squares": [number]}
    return question, (), number, "integer", done, steps, [Region(name, box)]


def _patch(rng: random.Random, setting: Dial, picture: Image.Image, wanted: float) -> Posed | None:
    side = setting.patch
    hole = _square(rng, side)
    patches = [hole]
    for _ in range(80):
        box = _square(rng, side)
        near = max(abs(box[0] - hole[0]), abs(box[1] - hole[1])) <= setting.near
        if len(patches) < 4 and near and differ([picture.crop(patch) for patch in [*patches, box]]):
            patches.append(box)
    if len(patches) < 4:
        return None
    answer = pick(wanted, LETTERS)
    place = LETTERS.index(answer)
    patches[0], patches[place] = patches[place], patches[0]
    question = rng.choice(
        (
            "Which patch of picture 2 was covered in picture 1?",
            "Picture 2 shows four patches. Which one belongs under the question mark?",
        )
    )
    steps = [
        *_crops([("the cover and what surrounds it", pad(hole, 24, SIZE, SIZE))]),
        think("Compare the patches."),
        act("zoom", 2, bbox_2d=[250 * place, 0, 250 * place + 250, 1000]),
        think(f"Colours and edges go on in {answer}."),
    ]
    done: dict[str, Json] = {"done": "hole", "hole": list(hole), "patches": [list(patch) for patch in patches]}
    done["half"] = SIZE // 2
    return question, LETTERS, answer, "choice", done, steps, [Region("cover", hole)]


def _square(rng: random.Random, side: int) -> Box:
    x, y = rng.randrange(0, SIZE - side + 1, 3), rng.randrange(0, SIZE - side + 1, 3)
    return x, y, x + side, y + side


def _source(rng: random.Random, setting: Dial, picture: Image.Image, wanted: float) -> Posed | None:
    """A patch shown by itself; which ninth of the picture is it from?"""
    place = pick(wanted, PLACES)
    boxes = cells(3)
    box = boxes[PLACES.index(place)]
    small = pad(box, -(SIZE // 3 - setting.patch) // 2, SIZE, SIZE)
    inset = small[0] - box[0]
    others = [picture.crop(pad(other, -inset, SIZE, SIZE)) for other in boxes if other != box]
    if not all(differ([picture.crop(small), other]) for other in others):
        return None
    question = rng.choice(
        ("From which part of picture 1 was picture 2 cut?", "Picture 2 is an enlarged part of picture 1. Which part?")
    )
    steps = [*_crops([(f"the {place} part", box)]), think(f"It shows the same: {place}.")]
    done: dict[str, Json] = {"done": "whole", "patch": list(small)}
    return question, PLACES, place, "choice", done, steps, [Region(f"{place} part", box)]


POSERS: dict[str, Callable[[random.Random, Dial, Image.Image, float], Posed | None]] = {
    "turned": _turned,
    "jigsaw": _jigsaw,
    "swap": _swap,
    "flip": _flip,
    "patch": _patch,
    "source": _source,
}
