"""Real tables for the `charts` family: the files that ship inside the vega_datasets package.

Read with the standard library, because importing vega_datasets costs seconds (pandas). Values are aggregated here and
rounded to four significant digits; what is drawn and what is asked use the rounded values.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Source:
    """One way to read one file: `measure` aggregated by (`x`, `by`) after `where`; `title` names it on the chart."""

    dataset: str
    measure: str
    by: str
    x: str
    title: str
    aggregation: str = "mean"


@dataclass(frozen=True)
class Cube:
    """A source and its values: `values[x][by]`, both in order of first appearance."""

    source: Source
    values: dict[str, dict[str, float]]


SOURCES = (
    Source("cars", "Miles_per_Gallon", "Origin", "Year", "Mean miles per gallon of cars"),
    Source("cars", "Horsepower", "Origin", "Year", "Mean horsepower of cars"),
    Source("cars", "Weight_in_lbs", "Origin", "Year", "Mean weight of cars, lb"),
    Source("cars", "Acceleration", "Origin", "Year", "Mean acceleration of cars, s"),
    Source("cars", "Displacement", "Origin", "Year", "Mean displacement of cars"),
    Source("barley", "yield", "variety", "site", "Mean barley yield"),
    Source("barley", "yield", "site", "variety", "Mean barley yield"),
    Source("seattle-weather", "temp_max", "year", "month", "Seattle, mean daily high, °C"),
    Source("seattle-weather", "precipitation", "year", "month", "Seattle, rain, mm", "sum"),
    Source("seattle-weather", "precipitation", "month", "year", "Seattle, rain, mm", "sum"),
    Source("seattle-weather", "temp_max", "month", "year", "Seattle, mean daily high, °C"),
    Source("seattle-weather", "wind", "month", "year", "Seattle, mean wind, m/s"),
    Source("seattle-weather", "temp_min", "month", "year", "Seattle, mean daily low, °C"),
    Source("stocks", "price", "symbol", "date", "Share price, dollars"),
    Source("iowa-electricity", "net_generation", "source", "year", "Iowa electricity, GWh"),
    Source("us-employment", "jobs", "sector", "month", "US jobs, thousands"),
    Source("crimea", "deaths", "cause", "date", "Deaths in the Crimean War"),
    Source("airports", "airports", "state", "country", "Airports in a state", "count"),
    Source("iris", "centimetres", "species", "part", "Mean size of iris flowers, cm"),
)


def folder() -> Path:
    """Where vega_datasets keeps its files; found without importing the package."""
    spec = find_spec("vega_datasets")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("charts need the package vega_datasets")
    return Path(next(iter(spec.submodule_search_locations))) / "_data"


@cache
def cube(index: int) -> Cube:
    """The values of `SOURCES[index]`."""
    source = SOURCES[index]
    groups: dict[str, dict[str, list[float]]] = {}
    for record in _records(source.dataset):
        amount = record.get(source.measure, 1 if source.aggregation == "count" else None)
        if amount in (None, ""):
            continue
        cell = groups.setdefault(str(record[source.x]), {}).setdefault(str(record[source.by]), [])
        cell.append(float(str(amount)))
    values = {x: {by: _aggregate(cell, source.aggregation) for by, cell in row.items()} for x, row in groups.items()}
    return Cube(source, values)


def _aggregate(cell: list[float], how: str) -> float:
    total = {"mean": fmean(cell), "sum": sum(cell), "count": len(cell)}[how]
    return float(f"{total:.4g}")


@cache
def _read(name: str) -> list[dict[str, Any]]:
    path = folder() / f"{name}.json"
    if path.exists():
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return rows
    with (folder() / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _records(name: str) -> Iterator[dict[str, Any]]:
    """Rows of a file in long form, with dates cut down to what a chart can print."""
    for row in _read(name):
        if name == "cars":
            yield {**row, "Year": row["Year"][:4]}
        elif name == "seattle-weather":
            year, month, _ = row["date"].split("/")
            yield {**row, "year": year, "month": MONTHS[int(month) - 1]}
        elif name == "stocks":
            month, _, year = row["date"].split(" ")
            yield {**row, "date": f"{month} {year}"}
        elif name == "iowa-electricity":
            yield {**row, "year": row["year"][:4]}
        elif name == "us-employment":
            month = f"{MONTHS[int(row['month'][5:7]) - 1]} {row['month'][:4]}"
            for sector in (
                "construction",
                "manufacturing",
                "wholesale_trade",
                "retail_trade",
                "utilities",
                "information",
            ):
                yield {"month": month, "sector": sector.replace("_", " "), "jobs": row[sector]}
        elif name == "crimea":
            month = f"{MONTHS[int(row['date'][5:7]) - 1]} {row['date'][:4]}"
            for cause in ("wounds", "disease", "other"):
                yield {"date": month, "cause": cause, "deaths": row[cause]}
        elif name == "iris":
            for part in ("sepalLength", "sepalWidth", "petalLength", "petalWidth"):
                words = part.replace("L", " l").replace("W", " w")
                yield {"species": row["species"], "part": words, "centimetres": row[part]}
        else:
            yield row
