"""Captions of `transit`."""

from __future__ import annotations

from typing import Any

from pipelines.captions import Caption
from pipelines.captions.claims import Teller


def caption(program: dict[str, Any], seed: str) -> Caption:
    """How many lines and interchanges there are; of up to three lines the ends, the length and a neighbour."""
    teller = Teller(program, seed)
    names = [station["name"] for station in program["stations"]]
    teller.tell(
        "This is the map of a transit network with {0} coloured lines.|"
        "The map shows {0} lines, each in a colour of its own, as thick strokes with round stations.|"
        "A schematic network plan; it has {0} lines, told apart by colour.",
        teller.length(("lines",), 2, 7),
    )
    for index, line in enumerate(program["lines"][:3]):
        colour, stops = line["colour"], line["stops"]
        inner = [name for name in names if name not in (stops[0], stops[-1])]
        teller.tell(
            f"One end of the {colour} line is {{0}}.|The {colour} line has {{0}} as one of its two ends.",
            teller.word(("lines", index, "stops", 0), [stops[0], *inner]),
        )
        teller.tell(
            f"Stations on the {colour} line: {{0}}.|Whoever rides the whole {colour} line sees {{0}} stations.",
            teller.length(("lines", index, "stops"), 3, 12),
        )
        teller.tell(
            f"From that end, the second station of the {colour} line is {{0}}.|"
            f"On the {colour} line, the station next to its end at {stops[0]} is called {{0}}.".replace(
                "From that end, the second", f"Counted from {stops[0]}, the second"
            ),
            teller.word(("lines", index, "stops", 1), names),
        )
    teller.tell(
        "Number of stations where exactly two lines meet: {0}.|At {0} of the stations one can change lines.",
        teller.count(("stations",), {"lines": 2}),
    )
    first, second = program["lines"][0]["stops"][0], program["lines"][0]["stops"][-1]
    at = [names.index(name) for name in (first, second)]
    axis = "column" if program["stations"][at[0]]["column"] != program["stations"][at[1]]["column"] else "row"
    words = ("left", "right") if axis == "column" else ("up", "down")
    teller.tell(
        f"{first} lies further {{0}} on the page than {second}.|Compared with {second}, {first} is further {{0}}.",
        teller.order(("stations", at[0], axis), ("stations", at[1], axis), *words),
    )
    teller.tell("Stations of more than one line are drawn as larger rings.|Larger rings mark where lines meet.")
    return teller.caption()
