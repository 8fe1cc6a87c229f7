"""Family `mazes`: a maze on squared ground; how far, which exit, where a walk ends, how often one turns.

Every two squares are joined by at most one way without a detour, so distances and routes are facts and no choice. The
oracle draws the route leg by leg.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

from pipelines.captions.mazes import THEMES, caption
from pipelines.tasks.draw import around, blank, font
from pipelines.tasks.labyrinth import BACK, Cell, Maze, go, grow, join, legs, part, routes
from pipelines.tasks.made import Fact, Made, Region, Step, tries
from pipelines.tasks.world import Asked, act, finish, pick, spot, think
from schemas.ids import Json

NAME = "mazes"
VERSION = 1
RELATIONS = ("length", "exit", "walk", "turns")

SIZE, MARGIN = 280, 20
WALLS = dict(zip(THEMES, ((38, 70, 140), (30, 105, 80), (120, 78, 40), (96, 60, 140)), strict=True))
MARKS = {"S": (40, 160, 90), "A": (214, 60, 60), "B": (230, 150, 20), "C": (60, 110, 220), "D": (150, 70, 180)}
SIDES = {"up": "N", "right": "E", "down": "S", "left": "W"}

LETTERS = ("A", "B", "C")

Posed = tuple[list[str], str, Json, str, dict[str, Json]]
"""The route, question, answer, conclusion, ask."""
Drawn = tuple[dict[str, Cell], Posed]
"""What lies where, and what is asked."""


@dataclass(frozen=True)
class Dial:
    """Squares along a side, steps of the route that is asked about, most straight legs in it, what may be asked."""

    side: int
    steps: tuple[int, int]
    legs: int
    relations: tuple[str, ...]


DIALS = (
    Dial(4, (2, 6), 3, ("length", "walk")),
    Dial(6, (4, 12), 6, ("length", "exit", "walk", "turns")),
    Dial(8, (8, 20), 9, ("length", "exit", "walk", "turns")),
)


def make(seed: int, dial: int) -> Made:
    """One maze and one question; a maze without a route of the drawn length is drawn again."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    wanted = rng.random()
    drawn = None
    drawings = tries(NAME, dial, seed)
    while drawn is None:
        next(drawings)
        maze = grow(rng, setting.side)
        drawn = POSERS[relation](rng, setting, maze, wanted)
    marks, posed = drawn
    side = range(1, setting.side + 1)
    program: dict[str, Json] = {
        "size": SIZE,
        "theme": rng.choice(THEMES),
        "cells": [["".join(SIDES[way] for way in SIDES if way in maze[x, y]) for x in side] for y in side],
        "marks": {label: list(cell) for label, cell in marks.items()},
    }
    told = caption(program, f"{NAME}:{dial}:{seed}")
    return finish(relation, program, _asked(marks, posed, setting.side), render(program), told)


def middle(cell: Cell | list[int], side: int) -> tuple[float, float]:
    """The middle of a square, in pixels."""
    step = (SIZE - 2 * MARGIN) / side
    return MARGIN + (cell[0] - 0.5) * step, MARGIN + (cell[1] - 0.5) * step


def render(program: dict[str, Any]) -> Image.Image:
    """The picture of a program."""
    cells, wall = program["cells"], WALLS[program["theme"]]
    side = len(cells)
    step = (SIZE - 2 * MARGIN) / side
    picture = blank(SIZE * 2, SIZE * 2, (250, 249, 245))
    draw = ImageDraw.Draw(picture)
    draw.rectangle([2 * MARGIN, 2 * MARGIN, 2 * (SIZE - MARGIN), 2 * (SIZE - MARGIN)], fill=(255, 255, 255))
    for y in range(side):
        for x in range(side):
            left, top = 2 * (MARGIN + x * step), 2 * (MARGIN + y * step)
            if (x + y) % 2:
                draw.rectangle([left, top, left + 2 * step, top + 2 * step], fill=(243, 243, 239))
    for label, cell in program["marks"].items():
        at, reach = [2 * value for value in middle(cell, side)], step * 0.62
        draw.ellipse([at[0] - reach, at[1] - reach, at[0] + reach, at[1] + reach], fill=MARKS[label])
        draw.text((at[0], at[1]), label, font=font(int(step * 0.85)), fill=(255, 255, 255), anchor="mm")
    for y in range(side):
        for x in range(side):
            left, top = 2 * (MARGIN + x * step), 2 * (MARGIN + y * step)
            ends = {"N": (0, 0, 1, 0), "E": (1, 0, 1, 1), "S": (0, 1, 1, 1), "W": (0, 0, 0, 1)}
            for ways, (x0, y0, x1, y1) in ends.items():
                if ways not in cells[y][x]:
                    line = [left + 2 * step * x0, top + 2 * step * y0, left + 2 * step * x1, top + 2 * step * y1]
                    draw.line(line, fill=wall, width=8)
                    for knob in (line[:2], line[2:]):
                        draw.ellipse([knob[0] - 4, knob[1] - 4, knob[0] + 3, knob[1] + 3], fill=wall)
    return picture.reduce(2)


def _drawn(side: int, start: Cell, route: list[str]) -> list[Step]:
    """One thought and one line for each leg."""
    steps: list[Step] = []
    at = start
    for picture, (way, count) in enumerate(legs(route), start=1):
        end = go(at, way, count)
        x0, y0, x1, y1 = *middle(at, side), *middle(end, side)
        steps.append(think(f"{way} {count}, to column {end[0]}, row {end[1]}."))
        line = {"start": spot(x0, y0, SIZE, SIZE), "end": spot(x1, y1, SIZE, SIZE)}
        steps.append(act("draw_line", picture, **line))
        at = end
    return steps


def _asked(marks: dict[str, Cell], posed: Posed, side: int) -> Asked:
    route, question, answer, conclusion, ask = posed
    opening, *drawn = _drawn(side, marks["S"], route)
    where = " ".join(f"{label} is at column {x}, row {y}." for label, (x, y) in marks.items())
    facts = [Fact("How many squares wide is the maze?", side, "integer")]
    for label, cell in marks.items():
        facts.append(Fact(f"In which row from the top is {label}?", cell[1], "integer"))
        facts.append(Fact(f"In which column from the left is {label}?", cell[0], "integer"))
    reach = (SIZE - 2 * MARGIN) / side / 2
    return Asked(
        question=question,
        answer=answer,
        answer_type="choice" if answer in LETTERS else "integer",
        ask=ask,
        steps=[think(f"{where} {opening.text}"), *drawn, think(conclusion)],
        region=[Region(label, around(*middle(cell, side), reach, SIZE, SIZE)) for label, cell in marks.items()],
        checklist=facts[:6],
        options=LETTERS if answer in LETTERS else (),
    )


def _length(rng: random.Random, setting: Dial, maze: Maze, wanted: float) -> Drawn | None:
    low, high = setting.steps
    target = low + int(wanted * (high - low + 1))
    start = rng.choice(list(maze))
    ends = [(cell, way) for cell, way in routes(maze, start).items() if len(way) == target]
    ends = [(cell, way) for cell, way in ends if len(legs(way)) <= setting.legs]
    if not ends:
        return None
    end, route = rng.choice(ends)
    marks = {"S": start, "A": end}
    question = rng.choice(
        (
            "How many steps is it from S to A? One step goes to a neighbouring square.",
            "Moving one square at a time, how many moves take you from S to A?",
        )
    )
    sums = " + ".join(str(count) for _, count in legs(route))
    return marks, (route, question, target, f"{sums} = {target} steps.", {})


def _turns(rng: random.Random, setting: Dial, maze: Maze, wanted: float) -> Drawn | None:
    target = 1 + int(wanted * min(setting.legs - 1, 6))
    start = rng.choice(list(maze))
    low, high = setting.steps
    ends = [(cell, way) for cell, way in routes(maze, start).items() if len(legs(way)) == target + 1]
    ends = [(cell, way) for cell, way in ends if low - 2 <= len(way) <= high]
    if not ends:
        return None
    end, route = rng.choice(ends)
    marks = {"S": start, "A": end}
    question = rng.choice(
        ("How often must you change direction on the way from S to A?", "How many corners has the way from S to A?")
    )
    return marks, (route, question, target, f"{target + 1} straight legs, so turns: {target}.", {})


def _exit(rng: random.Random, setting: Dial, maze: Maze, wanted: float) -> Drawn | None:
    """Three letters, one of them in the part of the maze that S is in: two passages are walled up."""
    start = rng.choice(list(maze))
    found = routes(maze, start)
    low, high = setting.steps
    ends = [cell for cell, way in found.items() if low <= len(way) <= high and len(legs(way)) <= setting.legs]
    if not ends:
        return None
    end = rng.choice(ends)
    others: list[Cell] = []
    for cell, way in rng.sample([(cell, way[-1]) for cell, way in found.items() if way], len(found) - 1):
        before = go(cell, BACK[way])
        if len(others) == 2 or way not in maze[before]:
            continue
        part(maze, before, way)
        behind = routes(maze, cell)
        if len(behind) < 3 or {end, *others} & set(behind):
            join(maze, before, way)
            continue
        others.append(list(behind)[-1])
    if len(others) < 2:
        return None
    letters = _letters(pick(wanted, LETTERS), end, others)
    answer = next(letter for letter in letters if letters[letter] == end)
    question = rng.choice(
        ("Which letter can be reached from S?", "Starting at S, to which of A, B and C does a way lead?")
    )
    conclusion = f"The way from S ends at {answer}; the others are walled off."
    marks = {"S": start, **letters}
    return marks, (found[end], question, answer, conclusion, {})


def _letters(answer: str, end: Cell, others: list[Cell]) -> dict[str, Cell]:
    placed = {answer: end, **dict(zip([letter for letter in LETTERS if letter != answer], others, strict=True))}
    return {letter: placed[letter] for letter in LETTERS}


def _walk(rng: random.Random, setting: Dial, maze: Maze, wanted: float) -> Drawn | None:
    """A walk in words ends on one of three letters."""
    low, high = setting.steps
    start = rng.choice(list(maze))
    found = routes(maze, start)
    ends = [cell for cell, way in found.items() if low <= len(way) <= high and 2 <= len(legs(way)) <= setting.legs]
    if not ends:
        return None
    end = rng.choice(ends)
    answer = pick(wanted, LETTERS)
    marks = {"S": start, **_letters(answer, end, rng.sample([cell for cell in maze if cell not in (start, end)], 2))}
    moves = ", ".join(f"{way} {count}" for way, count in legs(found[end]))
    question = rng.choice(
        (f"You stand on S and go {moves}. On which letter do you stop?", f"Where does this walk from S end: {moves}?")
    )
    ask: dict[str, Json] = {"moves": [[way, count] for way, count in legs(found[end])]}
    return marks, (found[end], question, answer, f"That is {answer}.", ask)


POSERS: dict[str, Callable[[random.Random, Dial, Maze, float], Drawn | None]] = {
    "length": _length,
    "exit": _exit,
    "walk": _walk,
    "turns": _turns,
}
