"""Captions of `stilllife`."""

from __future__ import annotations

from typing import Any

from pipelines.captions import Caption
from pipelines.captions.claims import Teller

SHAPES = ("sphere", "cube", "cylinder", "cone")
MATERIALS = ("clay", "metal", "glass", "wood")
CONDITIONS = ("intact", "cracked", "spotted")
COLOURS = ("red", "green", "blue", "yellow", "white", "purple")


def caption(program: dict[str, Any], seed: str) -> Caption:
    """How many things stand there, the light, and of up to four of them shape, material, colour and condition."""
    teller, things = Teller(program, seed), program["things"]
    teller.tell(
        "On a table in front of a plain wall stand {0} things.|"
        "A still life: a table, a wall behind it, and {0} simple bodies.|"
        "Somebody has set up {0} bodies on a table top.",
        teller.length(("things",), 1, 8),
    )
    teller.tell(
        "Shadows show that the light comes from the {0}.|A lamp stands outside the picture, on the {0} hand side.",
        teller.word(("light",), ("left", "right"), "relation"),
    )
    for index in range(min(4, len(things))):
        place = ("First from the left", "Second from the left", "Third from the left", "Fourth from the left")[index]
        path = ("things", index)
        teller.tell(
            f"{place} stands a {{0}}, and its colour is {{1}}.|{place}: a {{0}}, coloured {{1}}.",
            teller.word((*path, "shape"), SHAPES),
            teller.word((*path, "colour"), COLOURS, "colour"),
        )
        teller.tell(
            f"{place}, the material is {{0}}, and the surface looks {{1}}.|"
            f"{place} one finds {{0}}; as to its condition, it is {{1}}.",
            teller.word((*path, "material"), MATERIALS, "colour"),
            teller.word((*path, "condition"), CONDITIONS, "colour"),
        )
    if len(things) > 1 and abs(things[0]["foot"] - things[-1]["foot"]) > 6:
        teller.tell(
            "Of the outermost two, the left one stands {0} the other.|The leftmost body is {0} the rightmost one.",
            teller.order(("things", 0, "foot"), ("things", len(things) - 1, "foot"), "behind", "in front of"),
        )
    teller.tell("The table has no cloth, and nothing hangs on the wall.|Wall and table are bare otherwise.")
    return teller.caption()
