"""Family `transform`: a board before and after; which pieces changed, in what, into what, and how the board was turned.

The full answer is a list of triplets (number, attribute, new value), each graded by its parts. On the hardest dial
the second picture shows the board turned, and the oracle turns it back before it compares.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

from pipelines.captions.transform import PATTERNS, SIZES, caption
from pipelines.captions.words import SHAPES
from pipelines.tasks.draw import COLOURS, INK, blank, draw_shape, font
from pipelines.tasks.made import Box, Fact, Made, Region, Step
from pipelines.tasks.world import Asked, act, finish, frame, pick, think
from schemas.ids import Json

NAME = "transform"
VERSION = 2
RELATIONS = ("triplets", "which", "attribute", "value", "count", "turn")

SIZE, GRID, EDGE = 224, 4, 12
CELL = (SIZE - 2 * EDGE) // GRID
RADII = dict(zip(SIZES, (11, 15, 20), strict=True))
VALUES: dict[str, tuple[str, ...]] = {"colour": tuple(COLOURS), "shape": SHAPES, "size": SIZES, "pattern": PATTERNS}
BOARDS = ((238, 226, 204), (222, 232, 226), (226, 229, 240), (240, 226, 226))
EDGES = (150, 104, 62)

Piece = dict[str, Any]
"""{"colour", "shape", "size", "pattern", "column" 1–4, "row" 1–4}; its number is its place in the list, from 1."""
Change = tuple[int, str, str]
"""Number, attribute, new value."""


@dataclass(frozen=True)
class Dial:
    """How many pieces, how many of them change, by which quarter turns the second view differs, what may be asked."""

    pieces: tuple[int, int]
    changes: tuple[int, int]
    turns: tuple[int, ...]
    relations: tuple[str, ...]


DIALS = (
    Dial((3, 4), (1, 1), (0,), ("which", "attribute", "value")),
    Dial((5, 7), (1, 3), (0,), ("triplets", "which", "attribute", "count")),
    Dial((6, 9), (2, 4), (90, 180, 270), ("triplets", "count", "turn")),
)


def make(seed: int, dial: int) -> Made:
    """Two views of a board and one question about what happened between them."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    wanted = rng.random()
    before = _pieces(rng, rng.randint(*setting.pieces))
    low, high = setting.changes if relation not in ("which", "attribute", "value") else (1, 1)
    changes = _changes(rng, before, pick(wanted, range(low, high + 1)), wanted if low == high else None)
    after = [dict(piece) for piece in before]
    for number, attribute, value in changes:
        after[number - 1][attribute] = value
    turn = pick(wanted, setting.turns) if relation == "turn" else rng.choice(setting.turns)
    program: dict[str, Json] = {
        "size": SIZE,
        "board": rng.randrange(len(BOARDS)),
        "before": before,
        "after": after,
        "turn": turn,
    }
    asked = _ask(rng, relation, before, changes, turn)
    return finish(relation, program, asked, render(program), caption(program, f"{NAME}:{dial}:{seed}"))


def field_box(piece: Piece) -> Box:
    """The field a piece lies on, in pixels of an unturned board."""
    left, top = EDGE + (piece["column"] - 1) * CELL, EDGE + (piece["row"] - 1) * CELL
    return left, top, left + CELL, top + CELL


def render(program: dict[str, Any]) -> tuple[Image.Image, Image.Image]:
    """Both pictures of a program."""
    first, second = (_board(program["board"], program[key]) for key in ("before", "after"))
    return first, second.rotate(-program["turn"])  # Pillow counts counter-clockwise; quarter turns lose nothing


def _board(board: int, pieces: list[Piece]) -> Image.Image:
    picture = blank(SIZE * 2, SIZE * 2, (250, 250, 248))
    draw = ImageDraw.Draw(picture)
    light = BOARDS[board]
    dark = tuple(value - 12 for value in light)
    for row in range(GRID):
        for column in range(GRID):
            left, top = 2 * (EDGE + column * CELL), 2 * (EDGE + row * CELL)
            shade = light if (row + column) % 2 else dark
            draw.rectangle((left, top, left + 2 * CELL - 1, top + 2 * CELL - 1), fill=shade)
    low = SIZE * 2 - 2 * EDGE
    draw.rectangle((2 * EDGE, low, low - 1, low + 11), fill=EDGES)  # the side towards whoever sits at the board
    for number, piece in enumerate(pieces, start=1):
        left, top, right, bottom = (2 * value for value in field_box(piece))
        x, y, radius = (left + right) / 2 + 5, (top + bottom) / 2 + 5, 2 * RADII[piece["size"]]
        draw_shape(draw, piece["shape"], x, y, radius, COLOURS[piece["colour"]])
        inner = radius * 0.42
        if piece["pattern"] == "ringed":
            draw.ellipse((x - inner, y - inner, x + inner, y + inner), outline=(255, 255, 255), width=5)
        elif piece["pattern"] == "dotted":
            inner *= 0.6
            draw.ellipse((x - inner, y - inner, x + inner, y + inner), fill=(255, 255, 255))
        draw.text((left + 5, top + 2), str(number), font=font(24), fill=INK)
    return picture.reduce(2)


def _pieces(rng: random.Random, count: int) -> list[Piece]:
    pieces = []
    for place in rng.sample(range(GRID * GRID), count):
        row, column = divmod(place, GRID)
        looks = {attribute: rng.choice(values) for attribute, values in VALUES.items()}
        pieces.append({**looks, "column": column + 1, "row": row + 1})
    return pieces


def _changes(rng: random.Random, pieces: list[Piece], count: int, share: float | None) -> list[Change]:
    """So many changes, each of another piece; where the share is given it decides the attribute, all equally likely."""
    changes = []
    for number in sorted(rng.sample(range(1, len(pieces) + 1), count)):
        attribute = rng.choice(list(VALUES)) if share is None else pick(share, list(VALUES))
        others = [value for value in VALUES[attribute] if value != pieces[number - 1][attribute]]
        changes.append((number, attribute, rng.choice(others)))
    return changes


def triplet(change: Change) -> str:
    """A change as an answer writes it."""
    return " ".join(map(str, change))


def _ask(rng: random.Random, relation: str, before: list[Piece], changes: list[Change], turn: int) -> Asked:
    number, attribute, value = changes[0]
    facts = [Fact("How many pieces lie on the board?", len(before), "integer")]
    for at in rng.sample(range(len(before)), 2):
        facts.append(Fact(f"What colour is piece {at + 1} in picture 1?", before[at]["colour"], "text"))
        facts.append(Fact(f"What shape is piece {at + 1} in picture 1?", before[at]["shape"], "text"))
    options: tuple[str, ...] = ()
    answer: Json
    turned = " The board was turned between the two pictures." if turn else ""
    if relation == "triplets":
        question = (
            f"Picture 1 is before, picture 2 after.{turned} Which pieces changed? Answer with a list of entries "
            '"number attribute new value", where the attribute is colour, shape, size or pattern.'
        )
        answer, kind = [triplet(change) for change in changes], "list"
    elif relation == "which":
        question = rng.choice(("Which piece changed?", "One piece differs in picture 2. What is its number?"))
        answer, kind = number, "integer"
    elif relation == "attribute":
        question = f"In picture 2, piece {number} has changed. What about it?"
        answer, kind, options = attribute, "choice", tuple(VALUES)
    elif relation == "value":
        question = rng.choice(("One piece has changed. What is its new {}?", "A piece changed its {}. What is it now?"))
        question, answer, kind = question.format(attribute), value, "text"
    elif relation == "count":
        question = f"How many pieces changed between picture 1 and picture 2?{turned}"
        answer, kind = len(changes), "integer"
    else:
        question = "By how many degrees was the board turned clockwise between picture 1 and picture 2?"
        answer, kind, options = str(turn), "choice", ("90", "180", "270")
    changed = f"Changed: {'; '.join(triplet(change) for change in changes)}."
    region = [Region(f"piece {change[0]}", field_box(before[change[0] - 1])) for change in changes]
    ask: dict[str, Json] = {"piece": number} if relation == "attribute" else {}
    side = {90: "on the left", 180: "above", 270: "on the right"}.get(turn, "below")
    conclusion = f"The brown side was below and is {side}: turned by {turn}." if relation == "turn" else changed
    steps = [*_looked(before, changes, turn), think(conclusion)]
    verifier: dict[str, Json] = {"name": "typed", "entries": "triplet"} if relation == "triplets" else {"name": "typed"}
    return Asked(question, answer, kind, ask, steps, region, facts, options, verifier)


def _looked(before: list[Piece], changes: list[Change], turn: int) -> list[Step]:
    """The second picture turned back, then every changed piece in both pictures."""
    listing = " ".join(
        f"{number} {piece['size']} {piece['pattern']} {piece['colour']} {piece['shape']};"
        for number, piece in enumerate(before, start=1)
    )
    steps, shown, second = [think(listing)], 2, 2
    if turn:
        steps = [think(f"{listing} The brown side is not below in picture 2, so turn it back by {360 - turn}.")]
        steps.append(act("rotate", 2, angle=360 - turn))
        shown = second = 3
    for number, attribute, value in changes:
        box = frame(field_box(before[number - 1]), SIZE, SIZE)
        steps.append(think(f"Compare piece {number}."))
        steps.append(act("crop", 1, bbox_2d=box))
        steps.append(act("crop", second, bbox_2d=box))
        shown += 2
        steps.append(think(f"Its {attribute} was {before[number - 1][attribute]} and is {value}."))
    return steps
