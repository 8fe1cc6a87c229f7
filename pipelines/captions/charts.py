"""Captions of `charts`."""

from __future__ import annotations

from typing import Any

from pipelines.captions import Caption, Writer
from pipelines.captions.words import NUMBERS


def caption(program: dict[str, Any]) -> Caption:
    """Kind of chart, number of marks, what each colour stands for, the extremes and one comparison at the first x."""
    series, noun = program["series"], program["kind"]
    writer = Writer().say("A chart titled “" + program["title"] + "” with ")
    writer.claim(NUMBERS[len(series)], "count", {"claim": "total", "value": len(series)}).say(f" {noun}. ")
    for entry in series[:3]:
        fact = {"claim": "colour_of", "name": entry["name"], "value": entry["colour"]}
        writer.say(f"{entry['name']} is drawn in ").claim(entry["colour"], "colour", fact).say(". ")
    ordered = sorted(series, key=lambda entry: entry["values"][0])
    where = f" at {program['x'][0]}" if noun == "lines" else ""
    for word, entry in (("highest", ordered[-1]), ("lowest", ordered[0])):
        fact = {"claim": word, "value": entry["name"]}
        writer.say(f"The {word}{where} is ").claim(entry["name"], "object", fact).say(". ")
    first, second = series[:2]
    value = "above" if first["values"][0] > second["values"][0] else "below"
    fact = {"claim": "order", "first": first["name"], "second": second["name"], "value": value}
    writer.say(f"There, {first['name']} lies " if where else f"{first['name']} lies ").claim(value, "relation", fact)
    return writer.say(f" {second['name']}.").caption()
