"""What family `charts` asks of a chart: each poser finds a question whose answer the drawing shows plainly, or none."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from schemas.ids import Json, canonical


@dataclass(frozen=True)
class Dial:
    """Kind of chart, number of series, number of points of each, least gap (share of the axis), what may be asked."""

    kind: str
    series: tuple[int, int]
    points: tuple[int, int]
    gap: float
    relations: tuple[str, ...]


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


def hundredths(chart: Chart, value: float) -> str:
    return f"{min(99, round(100 * chart.share(value))):02d}"


def closest(chart: Chart, values: list[float]) -> float:
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
        if closest(chart, values) < chart.dial.gap:
            return None
        best = pick(range(len(values)), key=values.__getitem__)
        if chart.dial.kind == "bars":
            question = rng.choice((f"Which colour is the {tall} bar?", f"What is the colour of the {tall} bar?"))
        else:
            question = f"Which line is {word}{where}?"
        conclusion = f"{tall} {hundredths(chart, values[best])}: {chart.series[best]['colour']}."
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
    conclusion = f"{level:g} is {hundredths(chart, level)}: {target} above."
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
    conclusion = f"{hundredths(chart, high)} and {hundredths(chart, low)}."
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
    conclusion = f"axis {chart.axis[0]:g}: {hundredths(chart, value)} is {value:g}."
    return question, canonical(value), "number", {"point": point, "series": index}, conclusion, [index]


POSERS: dict[str, Callable[[random.Random, Chart, float], Posed | None]] = {
    "largest": _extreme("highest", "tallest", max),
    "smallest": _extreme("lowest", "shortest", min),
    "count_above": _count_above,
    "compare": _compare,
    "value": _value,
}
