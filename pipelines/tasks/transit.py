"""Family `transit`: a network map; stops, lines, interchanges, changes, whole routes and the shortest ride.

A route is asked for only where exactly one has the fewest changes, so it is a fact like any other.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

from pipelines.captions.transit import caption
from pipelines.tasks.draw import COLOURS, INK, blank, font
from pipelines.tasks.lettering import SIZE, TEXT, labels, place, station_boxes
from pipelines.tasks.made import Fact, Made, Region, tries
from pipelines.tasks.network import NAMES, distances, fewest_changes, itineraries, network
from pipelines.tasks.world import Asked, act, finish, frame, listed, pad, pick, spot, think
from schemas.ids import Json

NAME = "transit"
VERSION = 1
RELATIONS = ("stops", "lines", "interchange", "changes", "route", "shortest")


@dataclass(frozen=True)
class Dial:
    """How many lines, stations of each, changes that are asked about, what may be asked."""

    lines: tuple[int, int]
    stops: tuple[int, int]
    changes: tuple[int, int]
    relations: tuple[str, ...]


DIALS = (
    Dial((2, 3), (4, 5), (0, 1), ("stops", "lines", "interchange")),
    Dial((4, 4), (4, 6), (0, 2), ("stops", "lines", "changes", "route")),
    Dial((5, 6), (5, 7), (0, 2), ("changes", "route", "shortest")),
)

Lines = dict[str, list[str]]
"""By colour, the names of the stations in order."""
Posed = tuple[str, Json, str, dict[str, Json], list[str], list[str], str]
"""Question, answer, answer type, ask, stations to look at, stations to mark, conclusion."""


def make(seed: int, dial: int) -> Made:
    """One network and one question; a network that cannot carry the drawn answer is drawn again."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    wanted = rng.random()
    posed = None
    drawings = tries(NAME, dial, seed)
    while posed is None:
        next(drawings)
        drawn = network(rng, rng.randint(*setting.lines), setting.stops, drawings)
        nodes = list(dict.fromkeys(node for line in drawn for node in line))
        names = dict(zip(nodes, rng.sample(NAMES, len(nodes)), strict=True))
        colours = rng.sample(list(COLOURS), len(drawn))
        lines = {colour: [names[node] for node in line] for colour, line in zip(colours, drawn, strict=True)}
        posed = POSERS[relation](rng, setting, lines, wanted)
    stations: list[dict[str, Any]] = [
        {"name": names[x, y], "column": x + 1, "row": y + 1, "lines": len(_serving(lines, names[x, y]))}
        for x, y in nodes
    ]
    program: dict[str, Json] = {
        "size": SIZE,
        "lines": [{"colour": colour, "stops": stops} for colour, stops in lines.items()],
        "stations": stations,
    }
    question, answer, kind, ask, looked_at, marked, conclusion = posed
    boxes = station_boxes(program)
    places = {station["name"]: place(station) for station in stations}
    steps, shown = [], 1
    for name in looked_at:
        steps.append(think(f"Look at {name}."))
        steps.append(act("crop", 1, bbox_2d=frame(pad(boxes[name], 12, SIZE, SIZE), SIZE, SIZE)))
        steps.append(think(f"{name} is on {listed(_serving(lines, name))}."))
        shown += 1
    for index, name in enumerate(marked):
        steps.append(
            act("mark_point", 1 if index == 0 else shown, point=spot(*places[name], SIZE, SIZE), color="black")
        )
        shown += 1
    colour = rng.choice(list(lines))
    facts = [
        Fact("How many lines does the map show?", len(lines), "integer"),
        Fact(f"How many stations has the {colour} line?", len(lines[colour]), "integer"),
        *(Fact(f"Which lines call at {name}?", _serving(lines, name), "list") for name in looked_at[:2]),
    ]
    asked = Asked(
        question,
        answer,
        kind,
        ask,
        [*steps, think(conclusion)],
        [Region(name, boxes[name]) for name in looked_at],
        facts,
        verifier={"name": "typed", "ordered": True} if relation == "route" else {"name": "typed"},
    )
    return finish(relation, program, asked, render(program), caption(program, f"{NAME}:{dial}:{seed}"))


def _serving(lines: Lines, name: str) -> list[str]:
    return [colour for colour, stops in lines.items() if name in stops]


def render(program: dict[str, Any]) -> Image.Image:
    """The picture of a program."""
    picture = blank(SIZE * 2, SIZE * 2, (252, 252, 250))
    draw = ImageDraw.Draw(picture)
    at = {station["name"]: tuple(2 * value for value in place(station)) for station in program["stations"]}
    for line in program["lines"]:
        draw.line([at[name] for name in line["stops"]], fill=COLOURS[line["colour"]], width=14, joint="curve")
        for name in (line["stops"][0], line["stops"][-1]):
            x, y = at[name]
            draw.ellipse((x - 7, y - 7, x + 7, y + 7), fill=COLOURS[line["colour"]])
    for station in program["stations"]:
        x, y = at[station["name"]]
        many = station["lines"] > 1
        reach = 15 if many else 9
        draw.ellipse(
            (x - reach, y - reach, x + reach, y + reach), fill=(255, 255, 255), outline=INK, width=5 if many else 3
        )
    for name, box in labels(program).items():
        middle = (box[0] + box[2], box[1] + box[3])
        draw.text(middle, name, font=font(2 * TEXT), fill=INK, anchor="mm", stroke_width=4, stroke_fill=(252, 252, 250))
    return picture.reduce(2)


def _stops(rng: random.Random, setting: Dial, lines: Lines, wanted: float) -> Posed | None:
    target = pick(wanted, range(1, setting.stops[1]))
    colour = rng.choice(list(lines))
    stops = rng.choice((lines[colour], lines[colour][::-1]))
    if target >= len(stops):
        return None
    first = rng.randrange(len(stops) - target)
    ridden = stops[first : first + target + 1]
    question = (
        f"You board the {colour} line at {ridden[0]}. At which stop do you reach {ridden[-1]}: how many stops is it?"
    )
    ask: dict[str, Json] = {"line": colour, "from": ridden[0], "to": ridden[-1]}
    said = f"{', '.join(ridden[1:])}: {target}."
    return question, target, "integer", ask, [ridden[0], ridden[-1]], ridden[1:], said


def _lines(rng: random.Random, setting: Dial, lines: Lines, wanted: float) -> Posed | None:
    target = 1 if wanted < 0.25 else 2
    names = [
        name
        for name in dict.fromkeys(name for stops in lines.values() for name in stops)
        if len(_serving(lines, name)) == target
    ]
    if not names:
        return None
    name = rng.choice(names)
    question = rng.choice(
        (f"Which lines call at {name}? List their colours.", f"List the colours of the lines at {name}.")
    )
    said = f"{name}: {listed(_serving(lines, name))}."
    return question, sorted(_serving(lines, name)), "list", {"station": name}, [name], [], said


def _interchange(rng: random.Random, setting: Dial, lines: Lines, wanted: float) -> Posed | None:
    one, other = rng.sample(list(lines), 2)
    shared = [name for name in lines[one] if name in lines[other]]
    if len(shared) != 1:
        return None
    question = f"At which station can you change between the {one} and the {other} line?"
    said = f"{one} and {other} meet at {shared[0]}."
    return question, shared[0], "text", {"lines": [one, other]}, shared, shared, said


def _pair(rng: random.Random, lines: Lines) -> list[str]:
    return rng.sample(list(dict.fromkeys(name for stops in lines.values() for name in stops)), 2)


def _changes(rng: random.Random, setting: Dial, lines: Lines, wanted: float) -> Posed | None:
    start, end = _pair(rng, lines)
    target = pick(wanted, range(setting.changes[0], setting.changes[1] + 1))
    if fewest_changes(lines, start, end) != target:
        return None
    way = next(itineraries(lines, start, end, target))
    question = f"How many times must you change lines, at the least, to go from {start} to {end}?"
    said = f"{_told(way)}: changes {target}."
    return question, target, "integer", {"from": start, "to": end}, [start, end], [stop for _, stop in way], said


def _route(rng: random.Random, setting: Dial, lines: Lines, wanted: float) -> Posed | None:
    start, end = _pair(rng, lines)
    target = max(1, setting.changes[1] - (wanted < 0.4))
    if fewest_changes(lines, start, end) != target:
        return None
    ways = list(itineraries(lines, start, end, target))
    if len(ways) != 1:
        return None
    question = (
        f"How do you get from {start} to {end} with the fewest changes? Answer with a list in order, "
        'each entry "colour to station where you leave the line".'
    )
    answer = [f"{colour} to {stop}" for colour, stop in ways[0]]
    looked = [start, *(stop for _, stop in ways[0])]
    return question, answer, "list", {"from": start, "to": end}, looked, looked[1:-1], f"{_told(ways[0])}."


def _told(way: list[tuple[str, str]]) -> str:
    return ", then ".join(f"{colour} to {stop}" for colour, stop in way)


def _shortest(rng: random.Random, setting: Dial, lines: Lines, wanted: float) -> Posed | None:
    start, end = _pair(rng, lines)
    target = pick(wanted, range(2, 8))
    way = distances(lines, start)[end]
    if len(way) - 1 != target:
        return None
    question = f"What is the smallest number of stops from {start} to {end}, changing lines where you like?"
    said = f"{', '.join(way[1:])}: {target}."
    return question, target, "integer", {"from": start, "to": end}, [start, end], way[1:-1], said


POSERS: dict[str, Callable[[random.Random, Dial, Lines, float], Posed | None]] = {
    "stops": _stops,
    "lines": _lines,
    "interchange": _interchange,
    "changes": _changes,
    "route": _route,
    "shortest": _shortest,
}
