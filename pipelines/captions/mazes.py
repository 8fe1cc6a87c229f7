"""Captions of `mazes`."""

from __future__ import annotations

from typing import Any

from pipelines.captions import Caption
from pipelines.captions.claims import Teller

THEMES = ("blue", "green", "brown", "violet")


def caption(program: dict[str, Any], seed: str) -> Caption:
    """Its size, the colour of its walls, where the start and the letters lie, and how many ways lead off."""
    teller, marks = Teller(program, seed), program["marks"]
    columns, rows = len(program["cells"][0]), len(program["cells"])
    teller.tell(
        "Seen from above, this is a maze of {0} rows with {1} squares each.|"
        "The picture is a maze on a light floor, {0} squares high and {1} squares wide.|"
        "A plan of a maze: {0} rows from top to bottom, and {1} columns from left to right.",
        teller.length(("cells",), 3),
        teller.length(("cells", 0), 3),
    )
    teller.tell(
        "Its walls are drawn in {0}.|Dark {0} lines stand for the walls.|What blocks the way is painted {0}.",
        teller.word(("theme",), THEMES, "colour"),
    )
    for label, at in marks.items():
        called = "the start, marked S" if label == "S" else f"the letter {label}"
        teller.tell(
            f"In the {{0}} row from the top and the {{1}} column from the left lies {called}.|"
            f"Look for {called} in the {{0}} row down, {{1}} column across.",
            teller.place(("marks", label, 1), rows),
            teller.place(("marks", label, 0), columns),
        )
        if label == "S":
            path = ("cells", at[1] - 1, at[0] - 1)
            teller.tell(
                "Number of neighbouring squares one can step to from the start: {0}.|"
                "Standing on S, the open sides come to {0}.",
                teller.length(path, 1, 4),
            )
    other = next(label for label in marks if label != "S")
    axis = 0 if marks["S"][0] != marks[other][0] else 1
    words = ("left of", "right of") if axis == 0 else ("above", "below")
    teller.tell(
        f"S lies {{0}} the letter {other}.|Compared with the letter {other}, the start is {{0}} it.",
        teller.order(("marks", "S", axis), ("marks", other, axis), *words),
    )
    teller.tell(
        "Squares join wherever no wall is drawn between them.|One may step between squares where no line parts them."
    )
    return teller.caption()
