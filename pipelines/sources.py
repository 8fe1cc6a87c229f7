"""Reads what people bring: imagefolders with `metadata.jsonl`, and Parquet files with image columns.

Listing and reading are apart. `list_records` names every record once, in a fixed order, without touching a pixel;
`pixels` reads the pictures of one record when its turn comes. Nothing outside the source's own folder is ever opened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.ids import canonical_json

RECORD = ("record_id", "source", "file", "row", "paths", "fields", "error")
"""A record: its readable id; the source's name; the metadata or Parquet file, relative to the source's folder; the row
in it, from 1; picture files, relative to the source's folder; the rest, as JSON text; why it cannot be read."""

FILE_KEYS = ("file_name", "file_names")
IMAGE_KEYS = ("image", "images", *FILE_KEYS)


class SourceError(ValueError):
    """A source that cannot be read at all; the message names it and says what would be right."""


class Unreadable(ValueError):
    """A picture that cannot be read; `kind` is stable, the message names the field and what would be right."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def list_records(name: str, path: Path, limit: int | None = None) -> list[dict[str, Any]]:
    """Every record of the source at `path` (a folder, or one Parquet file), with the fields of `RECORD`.

    A broken line becomes a record with `error`, so that it is counted. Raises `SourceError`.
    """
    rows = []
    for row in islice(_records(path), limit):
        known = {"source": name, "record_id": f"{name}:{row['file']}:{row['row']:09d}", **row}
        rows.append({field: known.get(field) for field in RECORD})
    return rows


def fingerprint(path: Path) -> str:
    """Hash of the content of a source: names and bytes of its files, except hidden ones."""
    base = path if path.is_dir() else path.parent
    whole = hashlib.blake2b(digest_size=16)
    for file in _visible(base, "*") if path.is_dir() else [path]:
        with file.open("rb") as stream:
            whole.update(f"{file.relative_to(base).as_posix()}:{file.stat().st_size}:".encode())
            whole.update(hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).digest())
    return whole.hexdigest()


def pixels(path: Path, row: dict[str, Any]) -> list[tuple[str, bytes]]:
    """Name and encoded bytes of each picture of a record. Raises `Unreadable`."""
    base = path if path.is_dir() else path.parent
    if row["paths"]:
        return [(name, _read(base, name, row["file"])) for name in row["paths"]]
    cells = _image_cells(base / row["file"], row["row"] - 1)
    found = []
    for number, (column, cell) in enumerate(cells):
        name = f"{row['file']}#{row['row']}.{column}.{number}"
        if isinstance(cell, bytes):
            found.append((name, cell))
        elif isinstance(cell, dict) and cell.get("bytes"):
            found.append((cell.get("path") or name, cell["bytes"]))
        else:
            target = cell.get("path") if isinstance(cell, dict) else cell
            if not target:
                raise Unreadable("missing_file", f"field {column!r} is empty; it needs bytes, or a path in the source")
            beside = (Path(row["file"]).parent / str(target)).as_posix()
            found.append((beside, _read(base, beside, row["file"])))
    return found


def _records(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_file() and path.suffix == ".parquet":
        yield from _parquet(path, path.parent)
        return
    if not path.is_dir():
        raise SourceError(f"{path}: no such folder or Parquet file")
    tables = _visible(path, "*.parquet")
    lists = _visible(path, "metadata.jsonl")
    if not tables and not lists:
        raise SourceError(
            f"{path}: neither a metadata.jsonl (one JSON object a line, with `file_name`) nor a .parquet file is in it"
        )
    for file in lists:
        yield from _jsonl(file, path)
    for file in tables:
        yield from _parquet(file, path)


def _visible(base: Path, pattern: str) -> list[Path]:
    found = (item for item in base.rglob(pattern) if item.is_file())
    return sorted(item for item in found if not any(part.startswith(".") for part in item.relative_to(base).parts))


def _jsonl(file: Path, base: Path) -> Iterator[dict[str, Any]]:
    inside = file.parent.relative_to(base)
    with file.open(encoding="utf-8", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            row: dict[str, Any] = {"file": file.relative_to(base).as_posix(), "row": number}
            try:
                fields = json.loads(line.encode("utf-8", "surrogateescape").decode("utf-8"))
                if not isinstance(fields, dict):
                    raise ValueError(f"a JSON object is needed, not {type(fields).__name__}")
                names = [fields.pop(key) for key in FILE_KEYS if key in fields]
                flat = [item for value in names for item in (value if isinstance(value, list) else [value])]
                if not flat or not all(isinstance(item, str) and item for item in flat):
                    raise ValueError("field 'file_name': the picture's path, relative to this file, is needed")
                _check("file_name", flat)
                written = {"paths": [(inside / item).as_posix() for item in flat], "fields": _written(fields)}
            except ValueError as error:
                yield {**row, "error": str(error)}
            except RecursionError:
                yield {**row, "error": "the record is nested too deep to be read"}
            else:
                yield {**row, **written}


def _written(fields: dict[str, Any]) -> str:
    """The fields as JSON text. Raises `ValueError` that names the field which cannot be written."""
    try:
        text = canonical_json(fields)
        text.encode()
    except (TypeError, ValueError):
        for name, value in fields.items():
            _check(name, value)
        raise
    return text


def _check(name: str, value: Any) -> None:
    try:
        canonical_json({name: value}).encode()
    except UnicodeEncodeError as error:  # JSON may escape half of a surrogate pair, which is no character
        half = error.object[error.start]
        raise ValueError(f"field {name!a}: {half!a} is half a character, and no text holds that") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"field {name!a}: {error}") from None


def _parquet(file: Path, base: Path) -> Iterator[dict[str, Any]]:
    try:
        parquet = pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise SourceError(f"{file}: not a Parquet file: {error}") from error
    images = image_columns(parquet.schema_arrow)
    if not images:
        known = ", ".join(parquet.schema_arrow.names)
        raise SourceError(
            f"{file}: no image column (struct<bytes, path>, binary, or a path in `image` or `file_name`) among {known}"
        )
    others = [name for name in parquet.schema_arrow.names if name not in images]
    name, number = file.relative_to(base).as_posix(), 0
    for group in range(parquet.num_row_groups):
        count = parquet.metadata.row_group(group).num_rows
        cells = parquet.read_row_group(group, columns=others) if others else None
        for index in range(count):
            number += 1
            row = {"file": name, "row": number, "paths": []}
            try:
                written = _written(_cells(cells, index) if cells is not None else {})
            except ValueError as error:
                yield {**row, "error": str(error)}
            else:
                yield {**row, "fields": written}


def _cells(table: pa.Table, index: int) -> dict[str, Any]:
    """What a row says. Raises `ValueError` that names the column whose bytes are no text."""
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            found[name] = column[index].as_py()
        except ValueError as error:
            raise ValueError(f"field {name!a}: {error}") from None
    return {name: value for name, value in found.items() if value is not None}


def image_columns(schema: pa.Schema) -> list[str]:
    """Columns that hold pictures: struct<bytes, path>, binary, or paths in `image`, `file_name` and their plurals."""
    found = []
    for field in schema:
        kind = field.type
        while pa.types.is_list(kind) or pa.types.is_large_list(kind):
            kind = kind.value_type
        struct = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
        binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        if (
            struct
            or binary
            or (field.name in IMAGE_KEYS and (pa.types.is_string(kind) or pa.types.is_large_string(kind)))
        ):
            found.append(field.name)
    return found


@lru_cache(maxsize=2)
def _row_group(file: Path, group: int) -> pa.Table:
    # Records come in reading order, so one row group serves all of its rows before the next is read.
    parquet = pq.ParquetFile(file)
    return parquet.read_row_group(group, columns=image_columns(parquet.schema_arrow))


@lru_cache(maxsize=16)
def _group_sizes(file: Path) -> tuple[int, ...]:
    metadata = pq.ParquetFile(file).metadata
    return tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))


def _image_cells(file: Path, index: int) -> list[tuple[str, Any]]:
    for group, size in enumerate(_group_sizes(file)):
        if index < size:
            cells = _row_group(file, group).slice(index, 1).to_pylist()[0]
            return [
                (name, item)
                for name, value in cells.items()
                for item in (value if isinstance(value, list) else [value])
            ]
        index -= size
    raise Unreadable("missing_row", f"{file.name} has fewer rows than when it was listed")


def _read(base: Path, name: str, listed_in: str) -> bytes:
    target = (base / name).resolve()
    if not target.is_relative_to(base.resolve()):
        raise Unreadable("path_escapes", f"{name!r} points outside the source's folder; only files inside it are read")
    if not target.is_file():
        raise Unreadable("missing_file", f"{name!r} does not exist; paths are relative to the folder of {listed_in}")
    return target.read_bytes()
