"""Captions of `counting` scenes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipelines.captions import Caption, Writer

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def caption(objects: list[dict[str, Any]]) -> Caption:
    """Total, number of each colour, what stands first and last in reading order, and one relation."""
    writer = Writer().say("The picture shows ")
    total = len(objects)
    writer.claim(WORDS[total], "count", {"claim": "total", "value": total}).say(
        f" coloured shape{'s' * (total != 1)} on a light background. "
    )
    for colour, count in sorted(Counter(i["colour"] for i in objects).items()):
        fact = {"claim": "colour_count", "colour": colour, "value": count}
        writer.say("Exactly ").claim(WORDS[count], "count", fact).say(
            f" of them {'is' if count == 1 else 'are'} {colour}. "
        )
    places = (("first", objects[0]), ("last", objects[-1])) if total > 1 else (("only", objects[0]),)
    for place, item in places:
        writer.say(f"Read from the top left, the {place} one is ")
        writer.claim(item["colour"], "colour", {"claim": "colour_at", "place": place, "value": item["colour"]}).say(
            " and is a "
        )
        writer.claim(item["shape"], "object", {"claim": "shape_at", "place": place, "value": item["shape"]}).say(". ")
    if total > 1 and objects[0]["column"] != objects[-1]["column"]:
        side = "left" if objects[0]["column"] < objects[-1]["column"] else "right"
        writer.say("The first stands further to the ").claim(side, "relation", {"claim": "side", "value": side})
        writer.say(" than the last.")
    return writer.caption()
