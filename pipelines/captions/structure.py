"""Captions of `structure`."""

from __future__ import annotations

from typing import Any

from pipelines.captions import Caption
from pipelines.captions.claims import Teller

INKS = ("black", "blue", "brown", "green")


def caption(program: dict[str, Any], seed: str) -> Caption:
    """How many points and segments there are, the ink, and how pairs of points lie to each other."""
    teller, points = Teller(program, seed), program["points"]
    teller.tell(
        "A plane figure drawn with ruler and pen; points that carry a letter: {0}.|"
        "This is a drawing from a lesson in geometry, in which {0} points are named by letters.|"
        "The figure consists of points and straight segments; letters name {0} of the points.",
        teller.length(("points",), 2, 12),
    )
    teller.tell(
        "Number of segments, each counted from end to end: {0}.|Straight segments that were drawn: {0}.",
        teller.length(("segments",), 0, 12),
    )
    teller.tell(
        "The segments are drawn in {0} ink.|For the lines a pen with {0} ink was used.",
        teller.word(("ink",), INKS, "colour"),
    )
    labels = list(points)
    pairs = [(one, other) for at, one in enumerate(labels) for other in labels[:at]]
    far = [
        (one, other, axis)
        for one, other in pairs
        for axis in (0, 1)
        if abs(points[one][axis] - points[other][axis]) >= 60
    ]
    for one, other, axis in far[:: max(1, len(far) // 4)][:4]:
        below, above = (("left", "right"), ("up", "down"))[axis]
        teller.tell(
            f"Point {one} lies further {{0}} than point {other}.|Compared with {other}, point {one} is further {{0}}.",
            teller.order(("points", one, axis), ("points", other, axis), below, above),
        )
    teller.tell(
        "A dot marks each point, with its letter beside it.|Dots mark the points, and letters stand beside them."
    )
    teller.tell("Nothing is written on the paper but letters and numbers.|The paper is otherwise empty.")
    return teller.caption()
