"""Family `search`: coloured cards on a canvas of 448 px, each with a mark that vanishes when the canvas is shrunk.

A mark is a fine checkerboard with soft edges on a grey tag of the same mean brightness, and all marks have equal area.
At a quarter of the size the checks average out to the tag's own grey: pictures that differ only in a mark differ by two
grey levels at most, so the question can only be answered by cropping. The checks and the canonical crops lie on one
grid, so that in every such crop they fall alike on the patches of a vision tower, which then needs no luck to see them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from PIL import Image, ImageDraw, ImageFilter

from pipelines.captions.search import caption
from pipelines.tasks.draw import BACKGROUNDS, COLOURS, blank
from pipelines.tasks.made import Box, Fact, Made, Region, Step
from schemas.ids import Json

NAME = "search"
VERSION = 2
RELATIONS = ("mark", "same", "which")

SIZE = 448
GRID = 4
CELL = SIZE // GRID
MARKS = ("circle", "square", "triangle", "cross")
PALETTE = {**COLOURS, "black": (35, 35, 38), "white": (255, 255, 255), "pink": (255, 150, 190), "brown": (130, 80, 40)}
TAG = 44
TAG_GREY = 150
CHECK = 2
CONTRAST = 100
AREA = 440.0
SOFT = 1.2
TILE = 40


@dataclass(frozen=True)
class Dial:
    """How many cards, how far (px) they stray from the middle of their cell, what may be asked."""

    cards: tuple[int, int]
    jitter: int
    relations: tuple[str, ...]


DIALS = (Dial((2, 3), 3, ("mark",)), Dial((4, 6), 6, ("mark",)), Dial((5, 9), 8, ("mark", "same", "which")))

Card = dict[str, Any]
"""{"colour", "mark", "column" 1–4, "row" 1–4, "x", "y", "width", "height"}: (x, y) is the middle, in pixels."""
Posed = tuple[str, str, str, dict[str, Json], list[Card], str]
"""Question, answer, answer type, ask, cards to look at in order, conclusion."""


def make(seed: int, dial: int) -> Made:
    """One table of cards and one question about marks."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    cards = _cards(rng, setting)
    question, answer, answer_type, ask, looked_at, conclusion = POSERS[relation](rng, cards)
    program: dict[str, Json] = {
        "size": SIZE,
        "grid": GRID,
        "background": rng.randrange(len(BACKGROUNDS)),
        "objects": cards,
        "ask": {"relation": relation, **ask},
    }
    listing = " ".join(f"{card['colour']} {card['column']}{card['row']};" for card in cards)
    steps: list[Step] = []
    for turn, card in enumerate(looked_at):
        before = listing if turn == 0 else f"{looked_at[turn - 1]['mark']}."
        place = f"look at {card['colour']} {card['column']}{card['row']}."
        steps.append(Step("thought", f"{before} {place}"))
        steps.append(Step("action", tool="crop", arguments={"bbox_2d": list(crop_box(card)), "target_image": 1}))
    steps += [Step("thought", f"{looked_at[-1]['mark']}. {conclusion}".strip()), Step("answer", answer)]
    return Made(
        images=(render(program),),
        question=question,
        options=(),
        answer=answer,
        answer_type=answer_type,
        relation=relation,
        program=program,
        region=tuple(Region(f"{card['colour']} card", tag_box(card)) for card in looked_at),
        checklist=_checklist(cards, looked_at),
        steps=tuple(steps),
        caption=caption(cards),
    )


def crop_box(card: Card) -> Box:
    """The canonical crop of a card's cell, 0–1000: one of sixteen squares of 64 px, which always hold the whole tag."""
    left, top = (250 * (card[key] - 1) + 54 for key in ("column", "row"))
    return left, top, left + 142, top + 142


def tag_box(card: Card) -> Box:
    """The grey tag with the mark, in pixels."""
    left, top = card["x"] - TAG // 2, card["y"] - TAG // 2
    return left, top, left + TAG, top + TAG


def render(program: dict[str, Any]) -> Image.Image:
    """The picture of a program."""
    picture = blank(SIZE, SIZE, BACKGROUNDS[program["background"]])
    draw = ImageDraw.Draw(picture)
    for card in program["objects"]:
        x, y, width, height = (card[key] for key in ("x", "y", "width", "height"))
        box = (x - width // 2, y - height // 2, x + width // 2, y + height // 2)
        draw.rounded_rectangle(box, 8, fill=PALETTE[card["colour"]], outline=(110, 110, 110))
        tag = tag_box(card)
        draw.rectangle((tag[0], tag[1], tag[2] - 1, tag[3] - 1), fill=(TAG_GREY,) * 3)
        left, top = x - TILE // 2, y - TILE // 2
        picture.paste(checks().crop((left, top, left + TILE, top + TILE)), (left, top), cover(card["mark"]))
    return picture


@cache
def checks() -> Image.Image:
    """A checkerboard as large as the canvas, lighter and darker than the tag by `CONTRAST`."""
    board = Image.new("L", (SIZE, SIZE))
    levels = (TAG_GREY - CONTRAST, TAG_GREY + CONTRAST)
    board.putdata([levels[(x // CHECK + y // CHECK) % 2] for y in range(SIZE) for x in range(SIZE)])
    return Image.merge("RGB", (board, board, board))


@cache
def cover(mark: str) -> Image.Image:
    """How much of each pixel the mark covers, 0–255; every mark covers `AREA` pixels in all.

    Edges are soft because a hard one would cut through checks and leave a trace of its own in the shrunk picture.
    """
    fine = 8
    picture = Image.new("L", (TILE * fine, TILE * fine), 0)
    draw = ImageDraw.Draw(picture)
    middle, area = TILE * fine / 2, AREA * fine * fine
    if mark == "circle":
        radius = math.sqrt(area / math.pi)
        draw.ellipse((middle - radius, middle - radius, middle + radius, middle + radius), fill=255)
    elif mark == "square":
        half = math.sqrt(area) / 2
        draw.rectangle((middle - half, middle - half, middle + half, middle + half), fill=255)
    elif mark == "triangle":
        side = math.sqrt(4 * area / math.sqrt(3))
        height = side * math.sqrt(3) / 2
        foot = middle + height / 2
        draw.polygon([(middle, foot - height), (middle - side / 2, foot), (middle + side / 2, foot)], fill=255)
    elif mark == "cross":
        reach = math.sqrt(9 * area / 5) / 2
        for across, along in ((reach, reach / 3), (reach / 3, reach)):
            draw.rectangle((middle - across, middle - along, middle + across, middle + along), fill=255)
    else:
        raise ValueError(f"no mark is called {mark!r}")
    return picture.filter(ImageFilter.GaussianBlur(SOFT * fine)).reduce(fine)


def _cards(rng: random.Random, setting: Dial) -> list[Card]:
    count = rng.randint(*setting.cards)
    colours = rng.sample(list(PALETTE), count) if count > len(COLOURS) else rng.sample(list(COLOURS), count)
    cards: list[Card] = []
    for cell, colour in zip(sorted(rng.sample(range(GRID * GRID), count)), colours, strict=True):
        row, column = divmod(cell, GRID)
        stray = [rng.randint(-setting.jitter, setting.jitter) for _ in range(2)]
        cards.append(
            {
                "colour": colour,
                "mark": rng.choice(MARKS),
                "column": column + 1,
                "row": row + 1,
                "x": column * CELL + CELL // 2 + stray[0],
                "y": row * CELL + CELL // 2 + stray[1],
                "width": rng.choice((76, 84, 92)),
                "height": rng.choice((76, 84, 92)),
            }
        )
    return cards


def _mark(rng: random.Random, cards: list[Card]) -> Posed:
    card = rng.choice(cards)
    colour = card["colour"]
    question = rng.choice((f"What mark is on the {colour} card?", f"Which mark does the {colour} card carry?"))
    return question, card["mark"], "text", {"colour": colour}, [card], ""


def _same(rng: random.Random, cards: list[Card]) -> Posed:
    first, second = rng.sample(cards, 2)
    if rng.random() < 0.5:
        second["mark"] = first["mark"]
    elif first["mark"] == second["mark"]:
        second["mark"] = rng.choice([mark for mark in MARKS if mark != first["mark"]])
    answer = "yes" if first["mark"] == second["mark"] else "no"
    question = f"Do the {first['colour']} card and the {second['colour']} card carry the same mark?"
    conclusion = "same." if answer == "yes" else "different."
    ask: dict[str, Json] = {"first": first["colour"], "second": second["colour"]}
    return question, answer, "yes_no", ask, [first, second], conclusion


def _which(rng: random.Random, cards: list[Card]) -> Posed:
    """Two cards are named, exactly one of them carries the mark."""
    first, second = rng.sample(cards, 2)
    while first["mark"] == second["mark"]:
        second["mark"] = rng.choice(MARKS)
    target = rng.choice((first, second))
    question = f"Which card carries the {target['mark']}, the {first['colour']} or the {second['colour']} one?"
    ask: dict[str, Json] = {"mark": target["mark"], "first": first["colour"], "second": second["colour"]}
    return question, target["colour"], "text", ask, [first, second], ""


POSERS: dict[str, Callable[[random.Random, list[Card]], Posed]] = {"mark": _mark, "same": _same, "which": _which}


def _checklist(cards: list[Card], looked_at: list[Card]) -> tuple[Fact, ...]:
    facts = [Fact("How many cards lie on the table?", len(cards), "integer")]
    for card in looked_at:
        place = f"column {card['column']}, row {card['row']} of a {GRID} by {GRID} grid"
        facts.append(Fact(f"What colour is the card at {place}?", card["colour"], "text"))
        facts.append(Fact(f"What mark is on the {card['colour']} card?", card["mark"], "text"))
    return tuple(facts)
