"""Captions of `views`: the first picture."""

from __future__ import annotations

from typing import Any

from pipelines.captions import Caption
from pipelines.captions.claims import Teller
from pipelines.captions.words import COLOURS


def caption(program: dict[str, Any], seed: str) -> Caption:
    """How many towers there are, how high each of up to four is, who is highest, and how they lie to each other."""
    teller, towers = Teller(program, seed), program["towers"]
    teller.tell(
        "Seen slantwise from above, {0} towers of cubes stand on a chequered board.|"
        "On a small chequered board somebody has built {0} towers from cubes of one size.|"
        "A building of cubes: {0} towers, each of one colour, on a board of tiles.",
        teller.length(("towers",), 1, 7),
    )
    for index in range(min(4, len(towers))):
        place = ("farthest back", "next in front of that", "third from the back", "fourth from the back")[index]
        teller.tell(
            f"Counted from the back, tower {index + 1} has the colour {{0}}, and its cubes number {{1}}.|"
            f"Tower {index + 1}, that is the one {place}, is {{0}}; stacked in it are {{1}} of the cubes.",
            teller.word(("towers", index, "colour"), COLOURS, "colour"),
            teller.number(("towers", index, "height"), 1, 4),
        )
    pairs = zip(range(len(towers)), range(1, len(towers)), strict=False)
    differ = [pair for pair in pairs if towers[pair[0]]["height"] != towers[pair[1]]["height"]]
    for one, other in differ[:1]:
        teller.tell(
            f"Of towers {one + 1} and {other + 1}, the former is the {{0}} one.|"
            f"Set beside tower {other + 1}, tower {one + 1} is {{0}}.",
            teller.order(("towers", one, "height"), ("towers", other, "height"), "lower", "higher"),
        )
    teller.tell(
        "Towers that are exactly 3 high: {0}.|Count the towers of height 3, and you find {0}.",
        teller.count(("towers",), {"height": 3}),
    )
    teller.tell(
        "The front edge of the board points downwards in the picture.|One corner of the board points to the viewer."
    )
    teller.tell("Each cube is as high as it is wide.|All cubes are of the same size.")
    return teller.caption()
