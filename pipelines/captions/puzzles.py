"""Captions of `puzzles`: the landscape of picture 1, whatever has been done to it."""

from __future__ import annotations

from typing import Any

from pipelines.captions import Caption
from pipelines.captions.claims import Teller

TIMES = ("noon", "evening", "morning", "night")
MOUNTAINS = ("grey", "blue", "brown")
MEADOWS = ("green", "yellow", "white")
WALLS = ("red", "white", "orange", "blue")
PLACES = ("first", "second", "third")
DONE = {
    "turn": "The picture has been turned, so that its upper edge need not be above.",
    "order": "It has been cut into squares that were laid down in another order.",
    "swap": "It has been cut into nine squares, not all of which lie where they belong.",
    "flip": "It has been cut into nine squares, not all of which stand the right way up.",
    "hole": "A square in it is covered, with a question mark on the cover.",
    "whole": "The picture is whole; nothing in it has been moved.",
}


def caption(program: dict[str, Any], seed: str) -> Caption:
    """The hour, the colours of mountains and meadow, the houses; the trees are counted where nothing is covered."""
    teller, scene = Teller(program, seed), program["scene"]
    teller.tell(
        "A painted landscape with mountains behind and a meadow in front, as it looks at {0}.|"
        "Mountains, a meadow and a sky: this is a drawn landscape, and the light is that of {0}.|"
        "The scene is a valley below snowy peaks; the sky tells that the time is {0}.",
        teller.word(("scene", "sky"), TIMES, "colour"),
    )
    teller.tell(DONE[program["done"]])
    teller.tell(
        "Below their snow the mountains are {0}.|The rock of the peaks has a {0} tone.",
        teller.word(("scene", "mountain"), MOUNTAINS, "colour"),
    )
    teller.tell(
        "Underneath, the ground is mostly {0}.|The meadow in front of the mountains looks {0}.",
        teller.word(("scene", "meadow"), MEADOWS, "colour"),
    )
    if program["done"] == "hole":
        for axis, side, words in ((0, "left", ("left", "right")), (1, "upper", ("upper", "lower"))):
            teller.tell(
                f"The {side} edge of the cover runs through the {{0}} half of the picture.|"
                f"Look for the {side} edge of the cover in the {{0}} half.",
                teller.order(("hole", axis), ("half",), *words),
            )
        return _end(teller)
    teller.tell(
        "Number of houses: {0}.|As for houses, one counts {0}.|How many houses stand there? The count is {0}.",
        teller.length(("scene", "houses"), 0, 4),
    )
    for kind in ("pine", "round"):
        teller.tell(
            f"Trees of the {kind} kind: {{0}}.|Among the trees, the count of the {kind} kind is {{0}}.",
            teller.count(("scene", "trees"), {"kind": kind}),
        )
    feet = [house["y"] for house in scene["houses"]]
    for index in range(len(feet)):
        if min((abs(feet[index] - other) for at, other in enumerate(feet) if at != index), default=99) < 12:
            continue
        teller.tell(
            f"In the painting as it was made, the {PLACES[index]} house from above has {{0}} walls.|"
            f"Walls of the {PLACES[index]} house, counted from the top of the painting downwards: {{0}}.",
            teller.word(("scene", "houses", index, "colour"), WALLS, "colour"),
        )
    return _end(teller)


def _end(teller: Teller) -> Caption:
    teller.tell("Light falls from a round disc in the sky.|There is a round disc in the sky, for sun or moon.")
    teller.tell("Everything is drawn in flat colours with clear edges.|The style is plain, with flat colours.")
    return teller.caption()
