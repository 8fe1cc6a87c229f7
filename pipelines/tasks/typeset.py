"""A page set in type: heading, table, small print, and where each of them stands."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageDraw

from pipelines.tasks.draw import INK, blank, font
from pipelines.tasks.made import Box

SIZE = 448
PAPERS = ((255, 255, 252), (250, 247, 238), (246, 249, 252), (251, 251, 246))
ACCENTS = ((38, 70, 110), (120, 44, 52), (36, 92, 72), (88, 62, 120))

Cell = tuple[int, int]
"""Row, from 0 below the heading, and column."""


def widths_of(program: dict[str, Any]) -> list[int]:
    """Width of each column, in pixels."""
    face = font(program["text"])
    lines = [program["columns"], *program["rows"]]
    least = [int(max(face.getlength(line[at]) for line in lines)) + 14 for at in range(len(program["columns"]))]
    spare = max(0, SIZE - 2 * program["left"] - sum(least)) // len(least)
    return [width + min(spare, 44) for width in least]


def fits(program: dict[str, Any]) -> bool:
    wide: int = program["left"] + sum(program["widths"])
    return wide <= SIZE - 12


def lines_of(program: dict[str, Any]) -> tuple[int, int]:
    """Where the first row below the heading begins, and the height of a row."""
    high = program["text"] + 12
    return program["top"] + 62 + high, high


def cell_box(program: dict[str, Any], row: int, column: int) -> Box:
    """A cell of the table, in pixels."""
    widths, (first, high) = program["widths"], lines_of(program)
    left = program["left"] + sum(widths[:column])
    return left, first + row * high, left + widths[column], first + (row + 1) * high


def note_box(program: dict[str, Any]) -> Box:
    """The small print below the table, in pixels."""
    first, high = lines_of(program)
    top = first + len(program["rows"]) * high + 8
    return program["left"], top, min(SIZE, program["left"] + 330), top + 20


def strips(program: dict[str, Any], cells: list[Cell]) -> list[tuple[str, Box]]:
    """What is cut out to read these cells: a column with its row names, whole rows, or the note."""
    if not cells:
        return [("the note below the table", note_box(program))]
    last, (first, high) = len(program["rows"]) - 1, lines_of(program)
    if len({row for row, _ in cells}) > 2:
        left, _, right, _ = cell_box(program, 0, cells[0][1])
        return [
            (f"the column {program['columns'][cells[0][1]]}", (left, first - high, right, first + (last + 1) * high))
        ]
    rows = dict.fromkeys(row for row, _ in cells)
    right = cell_box(program, 0, len(program["columns"]) - 1)[2]
    return [
        (f"the row {program['rows'][row][0]}", (program["left"], first + row * high, right, first + (row + 1) * high))
        for row in rows
    ]


def render(program: dict[str, Any]) -> Image.Image:
    """The picture of a program."""
    picture = blank(SIZE, SIZE, PAPERS[program["paper"]])
    draw = ImageDraw.Draw(picture)
    accent, left, top = ACCENTS[program["accent"]], program["left"], program["top"]
    face, widths, (first, high) = font(program["text"]), program["widths"], lines_of(program)
    draw.text((left, top), program["title"], font=font(24), fill=accent)
    draw.text((left, top + 34), f"A table of the {program['source']} data set.", font=font(12), fill=(110, 110, 114))
    right = left + sum(widths)
    draw.rectangle((left, first - high, right, first - 1), fill=accent)
    for row in range(len(program["rows"])):
        y = first + row * high
        if program["striped"] and row % 2:
            draw.rectangle((left, y, right, y + high - 1), fill=tuple(value - 14 for value in PAPERS[program["paper"]]))
        draw.line((left, y + high - 1, right, y + high - 1), fill=(206, 208, 212))
    for number, line in enumerate([program["columns"], *program["rows"]]):
        at = left
        for column, text in enumerate(line):
            middle = first + (number - 1) * high + high / 2
            fill = (255, 255, 255) if number == 0 else INK
            if program["numeric"][column]:
                draw.text((at + widths[column] - 7, middle), text, font=face, fill=fill, anchor="rm")
            else:
                draw.text((at + 7, middle), text, font=face, fill=fill, anchor="lm")
            at += widths[column]
    note = note_box(program)
    said = f"Proofs read by {program['note']['by']} on {program['note']['day']} May."
    draw.text((left, note[1] + 3), said, font=font(11), fill=(90, 90, 94))
    return picture
