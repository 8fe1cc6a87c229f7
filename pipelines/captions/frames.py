"""Captions of `frames`: the first picture of the sequence."""

from __future__ import annotations

from typing import Any

from pipelines.captions import Caption
from pipelines.captions.claims import Teller
from pipelines.captions.words import COLOURS, SHAPES


def caption(program: dict[str, Any], seed: str) -> Caption:
    """How many pictures and bodies there are, and where the bodies are in the picture that is shown first."""
    teller, bodies = Teller(program, seed), program["bodies"]
    first = program["shown"][0]
    teller.tell(
        "This is one of {0} pictures taken one after the other from above.|"
        "A short sequence of {0} pictures; described here is the one shown first.|"
        "Somebody filmed a table from above, and {0} pictures of the film are kept; here is the one shown first.",
        teller.length(("shown",), 2, 8),
    )
    teller.tell(
        "Number of coloured bodies on the table: {0}.|On the table one can count {0} bodies.",
        teller.length(("bodies",), 1, 6),
    )
    for index in range(len(bodies)):
        named = ("one body", "another body", "a further body", "the last body of the list")[index]
        teller.tell(
            f"The colour of {named} is {{0}}, and its outline is that of a {{1}}.|"
            f"By colour {named} is {{0}}; by shape it is a {{1}}.",
            teller.word(("bodies", index, "colour"), COLOURS, "colour"),
            teller.word(("bodies", index, "shape"), SHAPES),
        )
    for one, other in zip(range(len(bodies)), range(1, len(bodies)), strict=False):
        for axis, below, above in ((0, "left", "right"), (1, "up", "down")):
            places = [bodies[index]["path"][first][axis] for index in (one, other)]
            if abs(places[0] - places[1]) >= 10:
                names = [f"the {bodies[index]['colour']} {bodies[index]['shape']}" for index in (one, other)]
                teller.tell(
                    f"Of {names[0]} and {names[1]}, the former is further {{0}}.|"
                    f"Compared with {names[1]}, {names[0]} lies further {{0}}.",
                    teller.order(
                        ("bodies", one, "path", first, axis), ("bodies", other, "path", first, axis), below, above
                    ),
                )
    teller.tell("Between two pictures the same time goes by.|All pictures are taken from the same place.")
    teller.tell("Bodies move in straight lines, each with its own speed.|Whatever moves, moves steadily and straight.")
    return teller.caption()
