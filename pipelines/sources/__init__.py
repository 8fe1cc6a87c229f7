"""Reads what people bring.

Two things are found by looking, or said by the recipe: the *format*, how rows are stored (`formats.FORMATS`:
imagefolder, Parquet, JSON lines, tars, …), and the *convention*, what their columns mean (`conventions.CONVENTIONS`:
question and answer, LLaVA's conversations, verl's nested columns, …).

Listing and reading are apart. `records` names every record once, in a fixed order, without touching a pixel, and holds
a few of them at a time; `pixels` reads the pictures of one record when its turn comes. A row that cannot be read is a
record with `error`, so that it is counted. Nothing outside the source's own folder is ever opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.sources import choose, files
from pipelines.sources.conventions import CONVENTIONS
from pipelines.sources.formats import FORMATS, Opened, load, open_source, record_pictures, rename, split
from pipelines.sources.pictures import content, is_light
from pipelines.sources.record import RECORD, BadField, Read, Source, SourceError, Unreadable, check, written

BATCH = 1024
"""Records that are held at once while they are listed."""


def records(sources: Sequence[Source]) -> pa.RecordBatchReader:
    """Every chosen record of every source. Raises `SourceError` for a source that cannot be read at all."""
    opened = {source.name: open_source(source) for source in sources}
    bounds = _bounds(sources, opened)

    def batches() -> Iterator[pa.RecordBatch]:
        rows: list[dict[str, Any]] = []
        for source in sources:
            found = list_records(source, opened[source.name])
            for row in choose.drawn(source, found, bounds[source.name], lambda row: str(row["record_id"])):
                rows.append(row)
                if len(rows) == BATCH:
                    yield pa.RecordBatch.from_pylist(rows, schema=RECORD)
                    rows = []
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=RECORD)

    return pa.RecordBatchReader.from_batches(RECORD, batches())


def list_records(source: Source, opened: Opened) -> Iterator[dict[str, Any]]:
    """The records of a source up to its `limit`, as rows of `RECORD`."""
    kind = opened.format
    for file, read in islice(_rows(source, opened), source.limit):
        row: dict[str, Any] = {
            "record_id": f"{source.label}:{file}:{read.number:09d}",
            "source": source.name,
            "file": file,
            "row": read.number,
            "at": read.at,
            "format": kind,
            "convention": opened.convention,
            "again": bool(read.heavy),
            "error": read.error or None,
        }
        if read.fields is not None:
            try:
                row |= _light(read, source, kind)
            except BadField as error:
                row["error"] = str(error)
        yield row


def fields_of(record: dict[str, Any], source: Source) -> dict[str, Any]:
    """What a record says, under our names."""
    return rename(json.loads(record["fields"]), source.columns)


def pixels(source: Source, record: dict[str, Any]) -> list[tuple[str, bytes]]:
    """Name and encoded bytes of each picture of a record. Raises `Unreadable`."""
    cells = load(source, record) if record["again"] else record_pictures(record)
    place = f"{record['file']}#{record['row']}"
    return [
        content(source, record["file"], f"{place}.{column}.{number}", column, cell)
        for number, (column, cell) in enumerate(cells)
    ]


def fingerprint(source: Path, *, images: str = "", format: str | None = None, revision: str | None = None) -> str:  # noqa: A002 - as in recipes
    """Hash of what a source holds; of a dataset on the hub, its name and revision. Raises `SourceError`."""
    if source.exists():
        return files.fingerprint(source, images)
    if format == "datasets" and revision:
        return f"hub:{source}@{revision}"
    if format == "datasets":
        raise SourceError(f"{source}: a dataset on the hub changes under its name; state `revision`, a commit or a tag")
    raise SourceError(f"{source}: no such folder or file; for a dataset on the hub say `format: datasets`")


def _rows(source: Source, opened: Opened) -> Iterator[tuple[str, Read]]:
    """Every row of every file. A file that cannot be read is one row that says so."""
    for file in opened.files:
        last = 0
        try:
            for read in FORMATS[opened.format].rows(source, file):
                last = read.number
                yield file, read
        except Exception as error:  # a reader stands on parsers that raise whatever they like about broken files
            said = " ".join(str(error).split()) or type(error).__name__
            yield file, Read(last + 1, "", None, f"the file cannot be read on from here: {said}")


def _light(read: Read, source: Source, kind: str) -> dict[str, Any]:
    """Columns `fields`, `pictures` and `again` of a record. Raises `BadField`."""
    fields, pictures = split(read, source, kind)
    light = [[column, cell] for column, cell in pictures if is_light(cell)]
    for column, cell in light:
        check(column, cell)
    return {
        "fields": written(fields),
        "pictures": json.dumps(light) if light else None,
        "again": bool(read.heavy) or len(light) < len(pictures),
    }


def _bounds(sources: Sequence[Source], opened: dict[str, Opened]) -> dict[str, int]:
    """Source → the chance below which its records are taken."""

    def ids(source: Source) -> Iterator[str]:
        return (str(row["record_id"]) for row in list_records(source, opened[source.name]))

    bounds = {source.name: choose.bound(source, lambda source=source: ids(source)) for source in sources}  # type: ignore[misc]  # mypy does not type defaults
    weighted = [source for source in sources if source.weight is not None]
    sizes = {
        source.name: sum(choose.chance(source.seed, each) < bounds[source.name] for each in ids(source))
        for source in weighted
    }
    for name, share in choose.shares(sources, sizes).items():
        if share < sizes[name]:
            source = next(each for each in weighted if each.name == name)
            bounds[name] = choose.bound(source, lambda source=source: ids(source), share)  # type: ignore[misc]  # mypy does not type defaults
    return bounds


__all__ = [
    "CONVENTIONS",
    "FORMATS",
    "RECORD",
    "BadField",
    "Source",
    "SourceError",
    "Unreadable",
    "fields_of",
    "fingerprint",
    "list_records",
    "open_source",
    "pixels",
    "records",
]
