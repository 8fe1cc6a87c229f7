"""Captions of `transform`: the first of its two pictures."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipelines.captions import Caption
from pipelines.captions.claims import Teller
from pipelines.captions.words import COLOURS, SHAPES

SIZES = ("small", "medium", "large")
PATTERNS = ("plain", "ringed", "dotted")


def caption(program: dict[str, Any], seed: str) -> Caption:
    """How many pieces there are, what four of them look like and where they lie, and what is commonest."""
    teller, pieces = Teller(program, seed), program["before"]
    teller.tell(
        "Seen from above, {0} numbered pieces lie on a squared board.|"
        "The first picture shows a board of four by four fields with {0} pieces on it, each with its number.|"
        "On a board with sixteen fields lie {0} pieces, numbered in the corner of their field.",
        teller.length(("before",), 2),
    )
    for index, piece in enumerate(pieces[:4]):
        looks = [
            teller.word(("before", index, "size"), SIZES, "colour"),
            teller.word(("before", index, "colour"), COLOURS, "colour"),
            teller.word(("before", index, "shape"), SHAPES),
        ]
        number = index + 1
        teller.tell(
            f"Piece {number} is of {{0}} size, its colour is {{1}}, and it is a {{2}}.|"
            f"Number {number}: a {{2}}, coloured {{1}}, {{0}} in size.|"
            f"The piece with the number {number} is {{0}} and {{1}}; its outline is that of a {{2}}.",
            *looks,
        )
        teller.tell(
            f"It is in the {{0}} row that one finds piece {number}, column {piece['column']}.|"
            f"Number {number} lies in column {piece['column']}, in the {{0}} row from the top.",
            teller.place(("before", index, "row"), 4),
        )
    pattern = rarest(pieces)
    teller.tell(
        f"Count of {pattern} pieces: {{0}}.|As to surface, {{0}} of them can be called {pattern}.",
        teller.count(("before",), {"pattern": pattern}),
    )
    first, second = 0, 1
    axis = "column" if pieces[first]["column"] != pieces[second]["column"] else "row"
    words = ("left", "right") if axis == "column" else ("higher", "lower")
    teller.tell(
        "Of the first two pieces, number one lies further {0}.|Number one lies further {0} than number two.",
        teller.order(("before", first, axis), ("before", second, axis), *words),
    )
    return teller.caption()


def rarest(pieces: list[dict[str, Any]]) -> str:
    """The pattern that the fewest pieces carry, of those that are carried."""
    count = Counter(str(piece["pattern"]) for piece in pieces)
    return min(count, key=lambda pattern: (count[pattern], pattern))
