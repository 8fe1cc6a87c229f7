"""Whether a clause is true of a program, and which swaps make it provably false."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.captions import claims
from pipelines.captions.words import CARD_COLOURS, COLOURS, MARKS, NUMBERS, ROWS, SHAPES
from schemas.ids import Json

Facts = Mapping[str, Any]


def told(fact: Facts, program: Facts) -> Json:
    """The value that makes `fact` true of `program`. Raises `ValueError` for a claim nobody knows."""
    claim = fact["claim"]
    if "path" in fact:
        return claims.told(fact, program)
    if "series" in program:
        return _chart(claim, fact, program["series"])
    objects = program["objects"]
    if claim == "total":
        return len(objects)
    if claim == "colour_count":
        return sum(bool(item["colour"] == fact["colour"]) for item in objects)
    if claim in ("colour_at", "shape_at"):
        return str(objects[-1 if fact["place"] == "last" else 0][claim.removesuffix("_at")])
    if claim == "side":
        return "left" if objects[0]["column"] < objects[-1]["column"] else "right"
    if claim == "colour_of_card":
        return str(objects[fact["index"]]["colour"])
    if claim in ("row_of", "mark_of"):
        card = next(item for item in objects if item["colour"] == fact["colour"])
        return ROWS[card["row"] - 1] if claim == "row_of" else str(card["mark"])
    raise ValueError(f"no claim is called {claim!r}")


def _chart(claim: str, fact: Facts, series: list[dict[str, Any]]) -> Json:
    values = {entry["name"]: entry["values"][fact.get("point", 0)] for entry in series}
    if claim == "total":
        return len(series)
    if claim == "colour_of":
        return next(str(entry["colour"]) for entry in series if entry["name"] == fact["name"])
    if claim in ("highest", "lowest"):
        return str((max if claim == "highest" else min)(values, key=values.__getitem__))
    if claim == "order":
        return "above" if values[fact["first"]] > values[fact["second"]] else "below"
    raise ValueError(f"no claim is called {claim!r}")


def holds(fact: Facts, program: Facts) -> bool:
    """Whether the fact is true of the program's latent state."""
    return bool(told(fact, program) == fact["value"])


def swaps(fact: Facts, program: Facts) -> list[tuple[str, dict[str, Json]]]:
    """Phrases that may stand in the clause's place, each with its fact, all proven false of the program.

    Numbers move by one or two, names stay within what the picture shows, so that a swap is never absurd on its face.
    """
    if "path" in fact:
        return claims.swaps(fact, program)
    candidates: list[tuple[str, Json]]
    claim, value = fact["claim"], fact["value"]
    if claim in ("total", "colour_count"):
        least = 1 if claim == "colour_count" or len(program.get("objects", "12")) < 3 else 2
        numbers = [value + step for step in (-2, -1, 1, 2)]
        candidates = [(NUMBERS[number], number) for number in numbers if least <= number < len(NUMBERS)]
    else:
        taken = {item["colour"] for item in program["objects"]} if claim == "colour_of_card" else set()
        candidates = [(word, word) for word in _words(claim, program) if word not in taken]
    changed = [(text, {**fact, "value": other}) for text, other in candidates if other != value]
    return [(text, other) for text, other in changed if not holds(other, program)]


def entry_of(fact: Facts, program: Facts) -> Facts | None:
    """The thing of the program that a fact speaks of: what its path leads through, or the object or card it names."""
    if "path" in fact:
        entry: Any = program
        last = None
        for key in fact["path"]:
            entry = entry[key]
            last = entry if isinstance(entry, Mapping) else last
        return last
    if fact["claim"] in ("colour_at", "shape_at"):
        item: Facts = program["objects"][-1 if fact["place"] == "last" else 0]
        return item
    if fact["claim"] in ("row_of", "mark_of", "colour_of_card"):
        colour = fact["value"] if fact["claim"] == "colour_of_card" else fact["colour"]
        return next((item for item in program["objects"] if item["colour"] == colour), None)
    return None


def _words(claim: str, program: Facts) -> tuple[str, ...]:
    if claim in ("highest", "lowest"):
        return tuple(str(entry["name"]) for entry in program["series"])
    return {
        "colour_at": COLOURS,
        "colour_of": COLOURS,
        "colour_of_card": CARD_COLOURS,
        "shape_at": SHAPES,
        "mark_of": MARKS,
        "row_of": ROWS,
        "side": ("left", "right"),
        "order": ("above", "below"),
    }[claim]
