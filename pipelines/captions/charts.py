"""Captions of `charts`."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from pipelines.captions import Caption, Writer
from pipelines.captions.words import NUMBERS


def clearest(values: list[list[float]]) -> int:
    """The point at which the two closest series lie furthest apart; the first such, if several."""
    gaps = [min(high - low for low, high in pairwise(sorted(column))) for column in zip(*values, strict=True)]
    return gaps.index(max(gaps))


def caption(program: dict[str, Any]) -> Caption:
    """Kind of chart, number of marks, what each colour stands for, the extremes and one comparison.

    Lines are compared where they lie furthest apart; the family draws none that are everywhere close.
    """
    series, noun = program["series"], program["kind"]
    writer = Writer().say("A chart titled “" + program["title"] + "” with ")
    writer.claim(NUMBERS[len(series)], "count", {"claim": "total", "value": len(series)}).say(f" {noun}. ")
    for entry in series[:3]:
        fact = {"claim": "colour_of", "name": entry["name"], "value": entry["colour"]}
        writer.say(f"{entry['name']} is drawn in ").claim(entry["colour"], "colour", fact).say(". ")
    point = clearest([entry["values"] for entry in series])
    ordered = sorted(series, key=lambda entry: entry["values"][point])
    where = f" at {program['x'][point]}" if noun == "lines" else ""
    for word, entry in (("highest", ordered[-1]), ("lowest", ordered[0])):
        fact = {"claim": word, "point": point, "value": entry["name"]}
        writer.say(f"The {word}{where} is ").claim(entry["name"], "object", fact).say(". ")
    first, second = series[:2]
    value = "above" if first["values"][point] > second["values"][point] else "below"
    fact = {"claim": "order", "point": point, "first": first["name"], "second": second["name"], "value": value}
    writer.say(f"There, {first['name']} lies " if where else f"{first['name']} lies ").claim(value, "relation", fact)
    return writer.say(f" {second['name']}.").caption()
