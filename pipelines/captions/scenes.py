"""Captions of `counting` scenes. No wording depends on a number, so a swapped number leaves no trace in the grammar."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipelines.captions import Caption, Writer
from pipelines.captions.words import NUMBERS
from schemas.ids import Json


def caption(objects: list[dict[str, Any]]) -> Caption:
    """Total, how many of the commonest colours, what stands first and last in reading order, and one relation.

    Colours are left out where their numbers would add up to the total: a swapped number must not be found by adding.
    """
    total = len(objects)
    writer = Writer().say("Coloured shapes on a light background, ")
    writer.claim(NUMBERS[total], "count", {"claim": "total", "value": total}).say(" in all. ")
    colours = sorted(Counter(item["colour"] for item in objects).items(), key=lambda pair: (-pair[1], pair[0]))
    for colour, count in colours[: max(1, min(2, len(colours) - 1))]:
        fact: dict[str, Json] = {"claim": "colour_count", "colour": colour, "value": count}
        writer.say(f"Number of {colour} ones: ").claim(NUMBERS[count], "count", fact).say(". ")
    places = (("first", objects[0]), ("last", objects[-1])) if total > 1 else (("only", objects[0]),)
    for place, item in places:
        writer.say(f"Read from the top left, the {place} one is ")
        writer.claim(item["colour"], "colour", {"claim": "colour_at", "place": place, "value": item["colour"]})
        writer.say(" and is a ")
        writer.claim(item["shape"], "object", {"claim": "shape_at", "place": place, "value": item["shape"]}).say(". ")
    if total > 1 and objects[0]["column"] != objects[-1]["column"]:
        side = "left" if objects[0]["column"] < objects[-1]["column"] else "right"
        writer.say("The first stands further to the ").claim(side, "relation", {"claim": "side", "value": side})
        writer.say(" than the last.")
    return writer.caption()
