"""Family `documents`: a printed page with a real table; entries, extremes, counts, differences and the small print."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pipelines.captions.documents import PEOPLE, caption
from pipelines.tasks.made import Fact, Made, Region, Step, tries
from pipelines.tasks.pages import Page, page
from pipelines.tasks.typeset import ACCENTS, PAPERS, SIZE, Cell, cell_box, fits, note_box, render, strips, widths_of
from pipelines.tasks.world import Asked, act, finish, frame, pick, think
from schemas.ids import Json, canonical

NAME = "documents"
VERSION = 1
RELATIONS = ("lookup", "extreme", "count", "difference", "note", "which")


@dataclass(frozen=True)
class Dial:
    """How many rows and columns, size of print, what may be asked."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    text: int
    relations: tuple[str, ...]


DIALS = (
    Dial((3, 5), (3, 3), 18, ("lookup", "note", "which")),
    Dial((6, 8), (3, 4), 15, ("lookup", "extreme", "count", "which")),
    Dial((9, 12), (4, 5), 12, ("extreme", "count", "difference", "lookup", "note")),
)

Posed = tuple[str, Json, str, dict[str, Json], list[Cell], str]
"""Question, answer, answer type, ask, cells to look at (none: the note), conclusion."""


def make(seed: int, dial: int) -> Made:
    """One page and one question; a page whose rows cannot carry it is drawn again."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    wanted = rng.random()
    posed = None
    drawings = tries(NAME, dial, seed)
    while posed is None:
        next(drawings)
        drawn = page(rng, rng.randint(*setting.rows), rng.randint(*setting.columns))
        if drawn is None:
            continue
        program: dict[str, Any] = {
            "size": SIZE,
            **drawn,
            "text": setting.text,
            "paper": rng.randrange(len(PAPERS)),
            "accent": rng.randrange(len(ACCENTS)),
            "left": rng.randint(16, 30),
            "top": rng.randint(14, 40),
            "striped": rng.random() < 0.5,
            "note": {"by": rng.choice(PEOPLE), "day": str(rng.randint(2, 29))},
        }
        program["widths"] = widths_of(program)
        if fits(program):
            posed = POSERS[relation](rng, program, wanted)
    question, answer, kind, ask, looked_at, conclusion = posed
    boxes = {cell: cell_box(program, *cell) for cell in looked_at}
    rows, columns = program["rows"], program["columns"]
    region = [Region(f"{rows[row][0]}, {columns[column]}", box) for (row, column), box in boxes.items()]
    steps: list[Step] = []
    for number, (name, box) in enumerate(strips(program, looked_at)):
        steps.append(think(f"{'Read' if number == 0 else 'Then read'} {name}."))
        steps.append(act("crop", 1, bbox_2d=frame(box, SIZE, SIZE)))
    row, column = rng.randrange(len(rows)), rng.randrange(1, len(columns))
    facts = (
        Fact("How many rows has the table below its heading?", len(rows), "integer"),
        Fact("How many columns has the table?", len(columns), "integer"),
        Fact(
            f"What does the table say for {rows[row][0]}, {columns[column]}?",
            rows[row][column],
            "text",
        ),
    )
    asked = Asked(
        question, answer, kind, ask, [*steps, think(conclusion)], region or [Region("note", note_box(program))], facts
    )
    return finish(relation, program, asked, render(program), caption(program, f"{NAME}:{dial}:{seed}"))


def _numeric(rng: random.Random, drawn: Page) -> int:
    return rng.choice([column for column, number in enumerate(drawn["numeric"]) if number])


def _lookup(rng: random.Random, drawn: Page, wanted: float) -> Posed:
    row, column = rng.randrange(len(drawn["rows"])), rng.randrange(1, len(drawn["columns"]))
    text, name, heading = drawn["rows"][row][column], drawn["rows"][row][0], drawn["columns"][column]
    question = rng.choice(
        (f"What does the table give for {name} under {heading}?", f"{name}: what is the entry in the column {heading}?")
    )
    numeric = drawn["numeric"][column]
    answer: Json = canonical(float(text)) if numeric else text
    return (
        question,
        answer,
        "number" if numeric else "text",
        {"row": row, "column": column},
        [(row, column)],
        f"It says {text}.",
    )


def _which(rng: random.Random, drawn: Page, wanted: float) -> Posed | None:
    """The row that has an entry which stands only once in its column."""
    column = rng.randrange(1, len(drawn["columns"]))
    entries = [row[column] for row in drawn["rows"]]
    row = pick(wanted, range(len(entries)))
    if entries.count(entries[row]) > 1:
        return None
    question = f"Which {drawn['noun']} has the entry {entries[row]} under {drawn['columns'][column]}?"
    name = drawn["rows"][row][0]
    return (
        question,
        name,
        "text",
        {"column": column, "entry": entries[row]},
        [(row, 0), (row, column)],
        f"That is {name}.",
    )


def _extreme(rng: random.Random, drawn: Page, wanted: float) -> Posed | None:
    column = _numeric(rng, drawn)
    values = [float(row[column]) for row in drawn["rows"]]
    most = rng.random() < 0.5
    best = (max if most else min)(values)
    row = values.index(best)
    if values.count(best) > 1:
        return None
    word = "highest" if most else "lowest"
    question = f"Which {drawn['noun']} has the {word} number under {drawn['columns'][column]}?"
    name, cells = drawn["rows"][row][0], [(at, column) for at in range(len(values))]
    said = f"The {word} number is {drawn['rows'][row][column]}, in the row of {name}."
    return question, name, "text", {"column": column, "most": most}, cells, said


def _count(rng: random.Random, drawn: Page, wanted: float) -> Posed | None:
    column = _numeric(rng, drawn)
    values = [float(row[column]) for row in drawn["rows"]]
    target = pick(wanted, range(1, min(len(values), 8)))
    level = float(f"{sorted(values)[-target]:.2g}")
    if sum(value > level for value in values) != target or min(abs(value - level) for value in values) == 0:
        return None
    question = f"In how many rows is the number under {drawn['columns'][column]} above {level:g}?"
    cells = [(at, column) for at in range(len(values))]
    return question, target, "integer", {"column": column, "level": level}, cells, f"Above {level:g}: {target}."


def _difference(rng: random.Random, drawn: Page, wanted: float) -> Posed | None:
    column = _numeric(rng, drawn)
    first, second = rng.sample(range(len(drawn["rows"])), 2)
    texts = [drawn["rows"][row][column] for row in (first, second)]
    answer = abs(Fraction(texts[0]) - Fraction(texts[1]))
    if answer == 0:
        return None
    names = [drawn["rows"][row][0] for row in (first, second)]
    question = f"How far apart are {names[0]} and {names[1]} under {drawn['columns'][column]}?"
    number = canonical(float(answer))
    ask: dict[str, Json] = {"column": column, "rows": [first, second]}
    return (
        question,
        number,
        "number",
        ask,
        [(first, column), (second, column)],
        f"{texts[0]} and {texts[1]} differ by {number}.",
    )


def _note(rng: random.Random, drawn: Page, wanted: float) -> Posed:
    of = pick(wanted, ("by", "day"))
    question = {
        "by": "According to the note, who read the proofs?",
        "day": "On which day of May were the proofs read?",
    }[of]
    text = drawn["note"][of]
    answer: Json = text if of == "by" else int(text)
    return question, answer, "text" if of == "by" else "integer", {"of": of}, [], f"The note says {text}."


POSERS: dict[str, Callable[[random.Random, Page, float], Posed | None]] = {
    "lookup": _lookup,
    "which": _which,
    "extreme": _extreme,
    "count": _count,
    "difference": _difference,
    "note": _note,
}
