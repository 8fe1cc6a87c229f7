"""Charts are drawn from the tables that vega_datasets ships, not from invented numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.tasks import charts, tables
from pipelines.tasks.draw import COLOURS


def _long(dataset: str) -> Any:
    """The table as vega_datasets itself loads it, with the columns that the sources name."""
    import pandas as pd
    from vega_datasets import local_data

    frame = getattr(local_data, dataset.replace("-", "_"))()
    for column in {"date", "month", "year"} & set(frame.columns):
        frame[column] = pd.to_datetime(frame[column])
    months = dict(enumerate(tables.MONTHS, start=1))
    if dataset == "cars":
        frame["Year"] = frame["Year"].dt.year
    elif dataset == "seattle-weather":
        frame["year"], frame["month"] = frame["date"].dt.year, frame["date"].dt.month.map(months)
    elif dataset == "iowa-electricity":
        frame["year"] = frame["year"].dt.year
    elif dataset == "stocks":
        frame["date"] = frame["date"].dt.strftime("%b %Y")
    elif dataset == "us-employment":
        frame = frame.melt("month", var_name="sector", value_name="jobs")
        frame["sector"] = frame["sector"].str.replace("_", " ")
        frame["month"] = frame["month"].dt.strftime("%b %Y")
    elif dataset == "crimea":
        frame = frame.melt("date", var_name="cause", value_name="deaths")
        frame["date"] = frame["date"].dt.strftime("%b %Y")
    elif dataset == "iris":
        frame = frame.melt("species", var_name="part", value_name="centimetres")
        frame["part"] = frame["part"].str.replace("L", " l").str.replace("W", " w")
    elif dataset == "airports":
        frame["airports"] = 1
        frame["state"] = frame["state"].fillna("NA")  # the file says NA, which pandas takes for nothing
    return frame


@pytest.mark.parametrize("index", range(len(tables.SOURCES)))
def test_every_value_is_what_pandas_gets_from_the_published_table(index: int) -> None:
    cube = tables.cube(index)
    source = cube.source
    frame = _long(source.dataset)
    keys = [frame[source.x].astype(str), frame[source.by].astype(str)]
    expected = frame.groupby(keys)[source.measure].agg(source.aggregation)
    drawn = [(x, by, value) for x, row in cube.values.items() for by, value in row.items()]
    assert drawn
    for x, by, value in drawn:
        assert value == pytest.approx(expected[(x, by)], rel=6e-4)


@given(st.integers(0, 2**40), st.integers(0, 2))
def test_rows_of_a_program_are_rows_of_its_table(seed: int, dial: int) -> None:
    program: dict[str, Any] = charts.make(seed, dial).program
    keys = ("dataset", "measure", "by", "aggregation", "title")
    (index,) = [
        i
        for i, s in enumerate(tables.SOURCES)
        if [getattr(s, key) for key in keys] == [program[key] for key in keys] and s.x == program["over"]
    ]
    values = tables.cube(index).values
    for entry in program["series"]:
        assert entry["values"] == [values[x][entry["name"]] for x in program["x"]]


@given(st.integers(0, 2**40), st.integers(0, 1))
def test_bars_are_as_tall_as_their_values(seed: int, dial: int) -> None:
    made = charts.make(seed, dial)
    program: dict[str, Any] = made.program
    for entry, box in zip(program["series"], charts.mark_boxes(program), strict=True):
        middle = (box[0] + box[2]) // 2
        column = [made.images[0].getpixel((middle, y)) for y in range(charts.TOP, charts.BOTTOM)]
        height = column.count(COLOURS[entry["colour"]])
        assert abs(height - entry["values"][0] / program["axis"][0] * len(column)) <= 1.5


@given(st.floats(1e-3, 1e7))
def test_an_axis_has_few_round_ticks_and_ends_above_the_largest_value(largest: float) -> None:
    top, step = charts.axis_for(largest)
    assert largest < top < 2.1 * largest
    assert 2 <= round(top / step) <= 6
    assert float(f"{step:.0e}") == pytest.approx(step)


def test_only_values_are_judged_with_tolerance() -> None:
    for seed in range(60):
        made = charts.make(seed, 1)
        assert (made.verifier.get("tolerance") == 0.05) == (made.relation == "value")
