"""Real tables for the `documents` family: rows of the files that ship inside the vega_datasets package, as text."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipelines.tasks.tables import MONTHS, folder


@dataclass(frozen=True)
class Source:
    """A file, what its rows are called, the column that names a row, and others: (field, heading, is a number)."""

    dataset: str
    title: str
    noun: str
    key: tuple[str, str]
    fields: tuple[tuple[str, str, bool], ...]


SOURCES = (
    Source(
        "cars.json",
        "Cars of their time",
        "car",
        ("Name", "Model"),
        (
            ("Miles_per_Gallon", "Miles per gallon", True),
            ("Horsepower", "Horsepower", True),
            ("Weight_in_lbs", "Weight (lb)", True),
            ("Acceleration", "0-60 (s)", True),
            ("Cylinders", "Cylinders", True),
            ("Origin", "Made in", False),
        ),
    ),
    Source(
        "seattle-weather.csv",
        "Seattle, day by day",
        "day",
        ("date", "Date"),
        (
            ("temp_max", "High (C)", True),
            ("temp_min", "Low (C)", True),
            ("precipitation", "Rain (mm)", True),
            ("wind", "Wind (m/s)", True),
            ("weather", "Weather", False),
        ),
    ),
    Source(
        "burtin.json",
        "Antibiotics against bacteria",
        "bacterium",
        ("Bacteria", "Bacterium"),
        (
            ("Penicillin", "Penicillin", True),
            ("Streptomycin", "Streptomycin", True),
            ("Neomycin", "Neomycin", True),
            ("Gram_Staining", "Gram", False),
        ),
    ),
    Source(
        "airports.csv",
        "Airports of the country",
        "airport",
        ("name", "Airport"),
        (
            ("iata", "Code", False),
            ("city", "City", False),
            ("state", "State", False),
            ("latitude", "Latitude", True),
            ("longitude", "Longitude", True),
        ),
    ),
    Source(
        "ohlc.json",
        "Prices on the exchange",
        "day",
        ("date", "Day"),
        (
            ("open", "Open", True),
            ("high", "High", True),
            ("low", "Low", True),
            ("close", "Close", True),
            ("signal", "Signal", False),
        ),
    ),
)

Page = dict[str, Any]
"""{"title", "noun", "columns", "numeric": one truth each, "rows": lists of text}; the first column names the row."""


@cache
def _records(index: int) -> list[dict[str, Any]]:
    path = folder() / SOURCES[index].dataset
    text = path.read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = list(csv.DictReader(text.splitlines())) if path.suffix == ".csv" else json.loads(text)
    return rows


def _written(value: Any, numeric: bool) -> str:
    if numeric:
        number = float(value)
        return f"{number:g}" if abs(number) >= 1000 or number == round(number, 3) else f"{number:.2f}"
    text = str(value)
    if len(text) == 10 and text[:4].isdigit() and text[4] in "/-":
        return f"{int(text[8:])} {MONTHS[int(text[5:7]) - 1]} {text[:4]}"
    return text.title() if text.islower() and " " in text else text


def page(rng: random.Random, count: int, width: int) -> Page | None:
    """`count` rows of one source with `width` columns in all; None where the drawn rows cannot be set or told apart."""
    index = rng.randrange(len(SOURCES))
    drawn = (_page(rng, index, count, width) for _ in range(60))
    return next((page for page in drawn if page), None)


def _page(rng: random.Random, index: int, count: int, width: int) -> Page | None:
    source, records = SOURCES[index], _records(index)
    fields = rng.sample(source.fields, min(width - 1, len(source.fields)))
    fields.sort(key=source.fields.index)
    if source.key[0] == "date":
        first = rng.randrange(max(1, len(records) - count))
        drawn = records[first : first + count]
    else:
        drawn = rng.sample(records, min(count, len(records)))
    if len(drawn) < count or any(row[name] in (None, "") for row in drawn for name, _, _ in fields):
        return None
    rows = [
        [_written(row[source.key[0]], False), *(_written(row[name], number) for name, _, number in fields)]
        for row in drawn
    ]
    names = [row[0] for row in rows]
    if len({name.lower() for name in names}) < count or max(map(len, names)) > 22:
        return None
    if any(len(text) > 14 for row in rows for text in row[1:]) or not any(number for _, _, number in fields):
        return None
    return {
        "source": source.dataset.partition(".")[0],
        "title": source.title,
        "noun": source.noun,
        "columns": [source.key[1], *(heading for _, heading, _ in fields)],
        "numeric": [False, *(number for _, _, number in fields)],
        "rows": rows,
    }
