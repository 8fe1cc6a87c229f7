"""Captions of `functions`."""

from __future__ import annotations

from typing import Any

from pipelines.captions import Caption
from pipelines.captions.claims import Teller
from pipelines.captions.words import COLOURS

KINDS = ("line", "parabola", "corner", "wave", "cubic")


def caption(program: dict[str, Any], seed: str) -> Caption:
    """How many curves there are; of each its kind, its colour and where it passes."""
    teller, curves = Teller(program, seed), program["curves"]
    teller.tell(
        "A coordinate system runs from minus five to five both ways; curves drawn in it: {0}.|"
        "On squared paper with an x-axis and a y-axis one sees {0} of the functions that could be plotted.|"
        "The plot has two axes with a grid of unit squares behind, and the number of graphs is {0}.",
        teller.length(("curves",), 1, 4),
    )
    for index, curve in enumerate(curves):
        path: tuple[str | int, ...] = ("curves", index)
        called = f"graph {'fg'[index]}"
        teller.tell(
            f"To see {called}, follow the {{0}} stroke.|As for colour, {called} is {{0}}.",
            teller.word((*path, "colour"), COLOURS, "colour"),
        )
        teller.tell(
            f"By its form, {called} is a {{0}}.|The form of {called} is that of a {{0}}.",
            teller.word((*path, "kind"), KINDS),
        )
        seen = [x for x in range(-4, 5) if isinstance(curve["values"][x + 4], int) and abs(curve["values"][x + 4]) <= 5]
        for x in seen[index :: max(1, len(seen) // 3)]:
            teller.tell(
                f"Where x is {x}, {called} has the height {{0}}.|Above or below the place {x} on the x-axis, "
                f"{called} stands at {{0}}.",
                teller.number((*path, "values", x + 4), -5, 5),
            )
    if len(curves) == 2:
        for x in (-4, 4, 0):
            first, second = (curve["values"][x + 4] for curve in curves)
            if abs(first - second) >= 1:
                teller.tell(
                    f"At x = {x}, graph f lies {{0}} graph g.|Compare both at x = {x}: f is {{0}} g.",
                    teller.order(("curves", 0, "values", x + 4), ("curves", 1, "values", x + 4), "below", "above"),
                )
                break
    teller.tell(
        "Along the axes, the step from one printed number to the next is {0}.|Numbers are printed in steps of {0}.",
        teller.number(("numbered",), 1, 6),
    )
    teller.tell("Both axes end in small arrows.|An arrow at its end shows where each axis grows.")
    teller.tell("Thin grey lines mark whole numbers.|Each square of the grid is one unit wide and one unit high.")
    return teller.caption()
