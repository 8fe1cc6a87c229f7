"""Family `charts`: bars and lines drawn from real tables; every answer is computed from the table."""

from __future__ import annotations

import math
import random
from typing import Any

from PIL import Image, ImageDraw

from pipelines.captions.charts import caption, clearest
from pipelines.tasks.chart_questions import POSERS, Chart, Dial, Series, closest, hundredths
from pipelines.tasks.draw import COLOURS, INK, blank, font
from pipelines.tasks.made import Box, Fact, Made, Region, Step, tries
from pipelines.tasks.tables import SOURCES, cube
from schemas.ids import Json

NAME = "charts"
VERSION = 1
RELATIONS = ("largest", "smallest", "count_above", "compare", "value")

SIZE = 224
LEFT, TOP, RIGHT, BOTTOM = 30, 20, 218, 168


DIALS = (
    Dial("bars", (3, 3), (1, 1), 0.10, ("largest", "smallest", "compare")),
    Dial("bars", (4, 6), (1, 1), 0.05, RELATIONS),
    Dial("lines", (2, 3), (4, 5), 0.04, RELATIONS),
)


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
    listing = " ".join(f"{s['colour']} {' '.join(hundredths(chart, v) for v in s['values'])};" for s in chart.series)
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
    if closest(chart, [entry["values"][point] for entry in series]) < setting.gap:
        return None
    return source, chart


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
