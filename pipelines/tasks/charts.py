"""Family `charts`: bars and lines drawn from real tables; every answer is computed from the table."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from PIL import Image, ImageDraw

from pipelines.captions.charts import caption, clearest
from pipelines.tasks.draw import COLOURS, INK, blank, font
from pipelines.tasks.made import Box, Fact, Made, Region, Step, tries
from pipelines.tasks.tables import SOURCES, cube
from schemas.ids import Json, canonical

NAME = "charts"
VERSION = 1
RELATIONS = ("largest", "smallest", "count_above", "compare", "value")

SIZE = 224
LEFT, TOP, RIGHT, BOTTOM = 30, 20, 218, 168


@dataclass(frozen=True)
class Dial:
    """Kind of chart, number of series, number of points of each, least gap (share of the axis), what may be asked."""

    kind: str
    series: tuple[int, int]
    points: tuple[int, int]
    gap: float
    relations: tuple[str, ...]


DIALS = (
    Dial("bars", (3, 3), (1, 1), 0.10, ("largest", "smallest", "compare")),
    Dial("bars", (4, 6), (1, 1), 0.05, RELATIONS),
    Dial("lines", (2, 3), (4, 5), 0.04, RELATIONS),
)

Series = dict[str, Any]
"""{"name", "colour", "values": one number for each x}."""
Posed = tuple[str, Json, str, dict[str, Json], str, list[int]]
"""Question, answer, answer type, ask, conclusion, series to look at."""


@dataclass(frozen=True)
class Chart:
    """What is drawn; `axis` is the top of the value axis and the distance of its ticks, which starts at 0."""

    dial: Dial
    x: list[str]
    series: list[Series]
    axis: tuple[float, float]

    def share(self, value: float) -> float:
        """Height of a value as a share of the axis."""
        return value / self.axis[0]

    def call(self, index: int) -> str:
        """How a question names a series: bars by colour, lines by their name in the legend."""
        entry = self.series[index]
        return f"the {entry['colour']} bar" if self.dial.kind == "bars" else str(entry["name"])

    def answer(self, index: int) -> str:
        """How an answer names a series."""
        return str(self.series[index]["colour" if self.dial.kind == "bars" else "name"])


def make(seed: int, dial: int) -> Made:
    """One chart and one question; rows too close to tell apart are drawn again."""
    rng = random.Random(f"{NAME}:{VERSION}:{dial}:{seed}")
    setting = DIALS[dial]
    relation = rng.choice(setting.relations)
    wanted = rng.random()
    drawings = tries(NAME, dial, seed)
    while True:
        next(drawings)
        drawn = _table(rng, setting)
        posed = POSERS[relation](rng, drawn[1], wanted) if drawn else None
        if drawn and posed:
            break
    source, chart = drawn
    question, answer, answer_type, ask, conclusion, looked_at = posed
    entry = SOURCES[source]
    program: dict[str, Json] = {
        "size": SIZE,
        "kind": setting.kind,
        "dataset": entry.dataset,
        "measure": entry.measure,
        "aggregation": entry.aggregation,
        "by": entry.by,
        "over": entry.x,
        "title": entry.title,
        "x": chart.x,
        "series": chart.series,
        "axis": list(chart.axis),
        "ask": {"relation": relation, **ask},
    }
    listing = " ".join(f"{s['colour']} {' '.join(_hundredths(chart, v) for v in s['values'])};" for s in chart.series)
    boxes = mark_boxes(program)
    return Made(
        images=(render(program),),
        question=question,
        options=(),
        answer=answer,
        answer_type=answer_type,
        relation=relation,
        program=program,
        region=tuple(Region(chart.call(index).removeprefix("the "), boxes[index]) for index in looked_at),
        checklist=_checklist(rng, chart),
        steps=(Step("thought", f"{listing} {conclusion}"), Step("answer", str(answer))),
        caption=caption(program),
        verifier={"name": "typed", "tolerance": 0.05} if relation == "value" else {"name": "typed"},
    )


def _hundredths(chart: Chart, value: float) -> str:
    return f"{min(99, round(100 * chart.share(value))):02d}"


def axis_for(largest: float) -> tuple[float, float]:
    """Top and tick distance: four to six ticks of 1, 2 or 5 times a power of ten above the largest value."""
    power = 10.0 ** math.floor(math.log10(largest) - 0.3)
    for factor in (0.5, 1.0, 2.0, 5.0):
        step = factor * power
        ticks = math.ceil(largest * 1.02 / step)
        if ticks <= 6:
            return float(f"{ticks * step:.6g}"), float(f"{step:.6g}")
    raise AssertionError(f"no axis for {largest}")


def _table(rng: random.Random, setting: Dial) -> tuple[int, Chart] | None:
    source = rng.randrange(len(SOURCES))
    values = cube(source).values
    points = rng.randint(*setting.points)
    if len(values) < points:
        return None
    first = rng.randrange(len(values) - points + 1)
    x = list(values)[first : first + points]
    names = [name for name in values[x[0]] if len(name) <= 16 and all(values[at].get(name, 0.0) > 0 for at in x)]
    count = rng.randint(*setting.series)
    if len(names) < count or (points > 1 and max(map(len, x)) * points > 34):
        return None
    chosen = rng.sample(names, count)
    colours = rng.sample(list(COLOURS), count)
    series: list[Series] = [
        {"name": name, "colour": colour, "values": [values[at][name] for at in x]}
        for name, colour in zip(chosen, colours, strict=True)
    ]
    every = [value for entry in series for value in entry["values"]]
    chart = Chart(setting, x, series, axis_for(max(every)))
    if chart.share(min(every)) < 0.06:
        return None
    point = clearest([entry["values"] for entry in series])
    if _closest(chart, [entry["values"][point] for entry in series]) < setting.gap:
        return None
    return source, chart


def _closest(chart: Chart, values: list[float]) -> float:
    ordered = sorted(values)
    return min(chart.share(high - low) for low, high in pairwise(ordered))


def _at(rng: random.Random, chart: Chart) -> tuple[int, str]:
    """A point of the x axis, and the words that name it ("" for bars, which have only one)."""
    point = rng.randrange(len(chart.x))
    return point, "" if chart.dial.kind == "bars" else f" at {chart.x[point]}"


def _extreme(word: str, tall: str, pick: Callable[..., int]) -> Callable[[random.Random, Chart, float], Posed | None]:
    def pose(rng: random.Random, chart: Chart, wanted: float) -> Posed | None:
        point, where = _at(rng, chart)
        values = [entry["values"][point] for entry in chart.series]
        if _closest(chart, values) < chart.dial.gap:
            return None
        best = pick(range(len(values)), key=values.__getitem__)
        if chart.dial.kind == "bars":
            question = rng.choice((f"Which colour is the {tall} bar?", f"What is the colour of the {tall} bar?"))
        else:
            question = f"Which line is {word}{where}?"
        conclusion = f"{tall} {_hundredths(chart, values[best])}: {chart.series[best]['colour']}."
        if chart.dial.kind == "lines":
            conclusion += f" {chart.answer(best)}."
        return question, chart.answer(best), "text", {"point": point}, conclusion, [best]

    return pose


def _count_above(rng: random.Random, chart: Chart, wanted: float) -> Posed | None:
    """How many marks lie above a line of the axis; the number is drawn first."""
    index = None if chart.dial.kind == "bars" else rng.randrange(len(chart.series))
    values = [s["values"][0] for s in chart.series] if index is None else chart.series[index]["values"]
    top, step = chart.axis
    levels = [round(step * tick, 6) for tick in range(1, round(top / step))]
    # The axis ends at the first tick above the tallest mark, so some bar is always above any inner tick.
    least = 1 if index is None else 0
    target = least + int(wanted * (len(values) + 1 - least))
    fitting = [
        level
        for level in levels
        if sum(v > level for v in values) == target
        and all(abs(chart.share(v - level)) >= chart.dial.gap / 2 for v in values)
    ]
    if not fitting:
        return None
    level = rng.choice(fitting)
    what = "bars are" if index is None else f"points of the {chart.answer(index)} line are"
    question = f"How many {what} above {level:g}?"
    conclusion = f"{level:g} is {_hundredths(chart, level)}: {target} above."
    ask: dict[str, Json] = {"series": index, "level": level}
    return question, target, "integer", ask, conclusion, list(range(len(chart.series))) if index is None else [index]


def _compare(rng: random.Random, chart: Chart, wanted: float) -> Posed | None:
    first, second = rng.sample(range(len(chart.series)), 2)
    point, where = _at(rng, chart)
    high, low = (chart.series[index]["values"][point] for index in (first, second))
    if abs(chart.share(high - low)) < chart.dial.gap:
        return None
    answer = "yes" if wanted < 0.5 else "no"
    if (high > low) != (answer == "yes"):
        first, second, high, low = second, first, low, high
    taller = "taller" if chart.dial.kind == "bars" else "higher"
    question = f"Is {chart.call(first)} {taller} than {chart.call(second)}{where}?"
    conclusion = f"{_hundredths(chart, high)} and {_hundredths(chart, low)}."
    ask: dict[str, Json] = {"point": point, "first": first, "second": second}
    return question, answer, "yes_no", ask, conclusion, [first, second]


def _value(rng: random.Random, chart: Chart, wanted: float) -> Posed | None:
    index = rng.randrange(len(chart.series))
    point, where = _at(rng, chart)
    value = chart.series[index]["values"][point]
    if chart.share(value) < 0.3:
        return None
    question = rng.choice(
        (f"What value does {chart.call(index)} show{where}?", f"How much is {chart.call(index)}{where}?")
    )
    conclusion = f"axis {chart.axis[0]:g}: {_hundredths(chart, value)} is {value:g}."
    return question, canonical(value), "number", {"point": point, "series": index}, conclusion, [index]


POSERS: dict[str, Callable[[random.Random, Chart, float], Posed | None]] = {
    "largest": _extreme("highest", "tallest", max),
    "smallest": _extreme("lowest", "shortest", min),
    "count_above": _count_above,
    "compare": _compare,
    "value": _value,
}


def _checklist(rng: random.Random, chart: Chart) -> tuple[Fact, ...]:
    noun = chart.dial.kind
    facts = [Fact(f"How many {noun} does the chart have?", len(chart.series), "integer")]
    facts.append(Fact("At which number does the value axis end?", chart.axis[0], "number"))
    for entry in rng.sample(chart.series, min(3, len(chart.series))):
        facts.append(Fact(f"What does {entry['colour']} stand for in the legend?", entry["name"], "text"))
    return tuple(facts)


def _place(program: dict[str, Any], index: int, point: int) -> tuple[float, float]:
    """Middle and top of a bar, or a point of a line, in pixels."""
    slots = len(program["series"]) if program["kind"] == "bars" else len(program["x"])
    slot = index if program["kind"] == "bars" else point
    height = program["series"][index]["values"][point] / program["axis"][0] * (BOTTOM - TOP)
    return LEFT + (slot + 0.5) * (RIGHT - LEFT) / slots, BOTTOM - height


def mark_boxes(program: dict[str, Any]) -> list[Box]:
    """The box of each bar or line, in pixels."""
    boxes: list[Box] = []
    for index in range(len(program["series"])):
        places = [_place(program, index, point) for point in range(len(program["x"]))]
        reach = _half_bar(program) if program["kind"] == "bars" else 4
        floor = BOTTOM if program["kind"] == "bars" else math.ceil(max(y for _, y in places) + 4)
        left, right = min(x for x, _ in places) - reach, max(x for x, _ in places) + reach
        boxes.append((math.floor(left), math.floor(min(y for _, y in places)) - 4, math.ceil(right), floor))
    return boxes


def _half_bar(program: dict[str, Any]) -> int:
    return int((RIGHT - LEFT) / len(program["series"]) * 0.34)


def render(program: dict[str, Any]) -> Image.Image:
    """The picture of a program: title, ticks with grid lines, marks, legend."""
    picture = blank(SIZE, SIZE, (255, 255, 255))
    draw = ImageDraw.Draw(picture)
    draw.text((4, 3), program["title"], font=font(11), fill=INK)
    top, step = program["axis"]
    for tick in range(round(top / step) + 1):
        y = BOTTOM - tick * step / top * (BOTTOM - TOP)
        draw.line((LEFT, y, RIGHT, y), fill=(60, 60, 60) if tick == 0 else (222, 222, 222))
        draw.text((LEFT - 3, y), _tick(tick * step), font=font(9), fill=INK, anchor="rm")
    lines = program["kind"] == "lines"
    if not lines and program["x"][0] != "USA":
        draw.text((RIGHT, 4), program["x"][0], font=font(10), fill=INK, anchor="ra")
    for index, entry in enumerate(program["series"]):
        fill = COLOURS[entry["colour"]]
        places = [_place(program, index, point) for point in range(len(program["x"]))]
        if lines:
            draw.line(places, fill=fill, width=3)
            for x, y in places:
                draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=fill)
        else:
            (x, y), half = places[0], _half_bar(program)
            draw.rectangle((x - half, y, x + half, BOTTOM - 1), fill=fill)
        column, row = index % 2, index // 2
        x, y = 8 + column * 108, (186 if lines else 174) + row * 15
        draw.rectangle((x, y, x + 9, y + 9), fill=fill)
        draw.text((x + 13, y + 5), entry["name"], font=font(10), fill=INK, anchor="lm")
    if lines:
        for point, label in enumerate(program["x"]):
            x, _ = _place(program, 0, point)
            draw.text((x, BOTTOM + 3), label, font=font(9), fill=INK, anchor="ma")
    return picture


def _tick(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 10000 else f"{round(value, 6):g}"
