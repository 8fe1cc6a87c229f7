"""How rows are stored: one reader per format, and how the format of a source is found by looking at it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from pipelines.sources import (
    delimited,
    hub,
    imagefolder,
    lines,
    listed,
    llamafactory,
    table,
    vlmevalkit,
    webdataset,
)
from pipelines.sources.conventions import CONVENTIONS, detect
from pipelines.sources.files import PICTURE_SUFFIXES, named
from pipelines.sources.pictures import holds_bytes, mapped_pictures, picture_columns, take
from pipelines.sources.record import Read, Reader, Source, SourceError, Unreadable
from schemas.recipe import did_you_mean

LOOKED_AT = 200
"""Rows that are read to find out what a source is."""


def _ending(suffix: str, source: Source) -> list[str]:
    return named(source, suffix)


FORMATS: dict[str, Reader] = {
    "imagefolder": Reader(
        "a folder of pictures with metadata.jsonl, .csv or .parquet",
        imagefolder.files,
        imagefolder.rows,
        imagefolder.load,
        prefers="paths",
    ),
    "parquet": Reader("Parquet files", partial(_ending, ".parquet"), table.rows, table.load),
    "jsonl": Reader("JSON lines", partial(_ending, ".jsonl"), lines.rows, lines.load),
    "json": Reader("JSON files of one list", listed.files, listed.rows, listed.load),
    "csv": Reader("CSV files", partial(_ending, ".csv"), delimited.rows, delimited.load),
    "tsv": Reader("TSV files, such as VLMEvalKit's", partial(_ending, ".tsv"), vlmevalkit.rows, delimited.load),
    "webdataset": Reader("tars of WebDataset", partial(_ending, ".tar"), webdataset.rows, webdataset.load),
    "llamafactory": Reader(
        "a folder with LLaMA-Factory's dataset_info.json", llamafactory.files, llamafactory.rows, llamafactory.load
    ),
    "datasets": Reader("whatever datasets.load_dataset opens", hub.files, hub.rows, hub.load),
}

NAMES = ", ".join(FORMATS)

ENDINGS = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tar": "webdataset",
}
"""How the names of files end, and the format that they then are of."""


@dataclass(frozen=True)
class Opened:
    """A source that was looked at. `columns`: name → the kind of what the first rows hold in it, or `picture`."""

    format: str
    convention: str
    files: tuple[str, ...]
    columns: Mapping[str, str]
    warnings: tuple[str, ...]


def open_source(source: Source) -> Opened:
    """What a source is. Raises `SourceError` where it is nothing that can be read, or several things alike."""
    try:
        kind = source.format or _format(source)
        if kind not in FORMATS:
            raise SourceError(f"there is no format {kind!r}{did_you_mean(kind, list(FORMATS))}; known are {NAMES}")
        if kind != "datasets" and not source.path.exists():
            raise SourceError("no such folder or file; for a dataset on the hub say `format: datasets`")
        files = FORMATS[kind].files(source)
        if not files:
            raise SourceError(f"format {kind!r} is {FORMATS[kind].says}, and none is there")
        looked = list(islice(_readable(source, kind, files), LOOKED_AT))
        renamed = [rename(fields, source.columns) for fields, _ in looked]
        convention = source.convention or detect(renamed)
        if convention not in CONVENTIONS:
            known = ", ".join(CONVENTIONS)
            raise SourceError(
                f"there is no convention {convention!r}{did_you_mean(convention, list(CONVENTIONS))}; known are {known}"
            )
        columns: dict[str, str] = {}
        for fields, pictures in looked:
            columns |= dict.fromkeys(pictures, "picture")
            columns |= {name: type(value).__name__ for name, value in fields.items() if name not in columns}
        if renamed and convention in ("plain", "vlmevalkit") and "picture" not in columns.values():
            raise SourceError(f"no image column among {', '.join(columns)}; name it: `columns: {{image: …}}`")
    except SourceError as error:
        raise SourceError(f"{source.path}: {str(error).removeprefix(f'{source.path}: ')}") from error
    warnings = tuple(_unmapped(source, [fields for fields, _ in looked], columns))
    return Opened(kind, convention, tuple(files), columns, warnings)


def rename(fields: dict[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Fields under our names. A name with dots that is no column itself goes inside: `reward_model.ground_truth`."""
    found = dict(fields)
    for theirs in columns.values():
        found.pop(theirs, None)
    for ours, theirs in columns.items():
        value = fields.get(theirs)
        if value is None and "." in theirs:
            value = _inside(fields, theirs.split("."))
        if value is not None:
            found[ours] = value
    return found


def split(read: Read, source: Source, kind: str) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """The fields of a row without pictures, and the pictures that are known already as (column, cell)."""
    assert read.fields is not None
    return take(read.fields, _columns(read.fields, source, kind))


def load(source: Source, record: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The pictures of a record as (column, cell), read again. Raises `Unreadable`."""
    reader = FORMATS[record["format"]]
    light: dict[str, list[Any]] = {}
    for column, cell in record_pictures(record):
        light.setdefault(column, []).append(cell)
    row = {**light, **reader.load(source, record["file"], record["at"])}
    columns = _columns(row, source, record["format"])
    found = take(row, columns)[1]
    if not found:
        named = " and ".join(map(repr, columns)) or "of the pictures"
        raise Unreadable("missing_picture", f"field {named} is empty; it needs bytes, or a path in the source")
    return found


def record_pictures(record: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The paths of a record's pictures as (column, path)."""
    return [(column, cell) for column, cell in json.loads(record["pictures"] or "[]")]


def _columns(fields: Mapping[str, Any], source: Source, kind: str) -> tuple[str, ...]:
    heavy = tuple(name for name, value in fields.items() if holds_bytes(value))
    return picture_columns(tuple(fields), mapped_pictures(source.columns), heavy, FORMATS[kind].prefers == "paths")


def _readable(source: Source, kind: str, files: list[str]) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Rows that can be read: fields, and the columns that hold pictures. Raises `SourceError` for an only file."""
    for file in files:
        try:
            for read in FORMATS[kind].rows(source, file):
                if read.fields is None:
                    continue
                fields, pictures = split(read, source, kind)
                yield fields, list(dict.fromkeys([*(column for column, _ in pictures), *read.heavy]))
        except SourceError:
            if len(files) == 1:
                raise


def _unmapped(source: Source, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> Iterator[str]:
    """A line for each name that the recipe maps and none of the rows has."""
    for ours, theirs in source.columns.items():
        if rows and theirs not in columns and all(_inside(fields, theirs.split(".")) is None for fields in rows):
            near = did_you_mean(theirs, list(columns))
            yield f"columns: {ours}: none of the first {len(rows)} rows has {theirs!r}{near}"


def _inside(fields: Mapping[str, Any], path: list[str]) -> Any:
    value: Any = fields
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _format(source: Source) -> str:
    """The format of a source. Raises `SourceError` where it is none or several."""
    path = source.path
    if not path.exists():
        raise SourceError("no such folder or file; for a dataset on the hub say `format: datasets`")
    if path.is_dir() and hub.is_saved(path):
        return "datasets"
    if path.is_dir() and llamafactory.is_info(path):
        return "llamafactory"
    present: dict[str, str] = {}
    others: set[str] = set()
    for name in named(source):  # one walk: a folder may hold a million pictures
        ending = "." + name.lower().rpartition(".")[2]
        if path.is_dir() and name.rpartition("/")[2] in imagefolder.METADATA:
            present.setdefault("imagefolder", name)
        elif ending in ENDINGS and (ending != ".json" or listed.holds_rows(source.base / name)):
            present.setdefault(ENDINGS[ending], name)
        elif ending in PICTURE_SUFFIXES or ending == ".arrow":
            others.add("pictures" if ending in PICTURE_SUFFIXES else "arrow")
    if len(present) == 1:
        return next(iter(present))
    if present:
        said = "; ".join(f"{kind} ({file})" for kind, file in present.items())
        raise SourceError(f"several formats are in it: {said}; say which is meant with `format`")
    if path.is_dir() and others:
        return "imagefolder" if "pictures" in others else "datasets"
    inside = "; ".join(f"{kind}: {reader.says}" for kind, reader in FORMATS.items())
    raise SourceError(f"it holds none of the formats that are read. They are {inside}")
