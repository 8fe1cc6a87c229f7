"""Parquet files, with pictures as struct<bytes, path>, as bytes, or as paths in a text column.

Rows are listed without their picture columns. These are read again in order, a few rows at a time, so that a row group
of any size is held in small pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sources.pictures import mapped_pictures, names_picture
from pipelines.sources.record import BadField, Read, Source, SourceError, Unreadable, plain

LISTED_BYTES = 8 * 1024 * 1024
"""About how much of a table is held at once while its rows are listed or its pictures read."""


def rows(source: Source, file: str) -> Iterator[Read]:
    """Every row. A part of the file that cannot be read costs the rows in it. Raises `SourceError` for no Parquet."""
    parquet = _opened(source.base / file)
    schema = parquet.schema_arrow
    heavy = heavy_columns(schema)
    light = [name for name in schema.names if name not in heavy]
    number = 0
    for group in range(parquet.num_row_groups):
        count = parquet.metadata.row_group(group).num_rows
        read = 0
        try:
            for batch in parquet.iter_batches(_batch_rows(parquet, group, light), row_groups=[group], columns=light):
                for fields in _rows_of(batch):
                    read += 1
                    at = f"{group}:{read - 1}"
                    if isinstance(fields, BadField):
                        yield Read(number + read, at, None, str(fields))
                    else:
                        yield Read(number + read, at, fields, heavy=tuple(heavy))
        except (pa.ArrowException, OSError, ValueError) as error:
            problem = f"the file is broken in row group {group + 1}: {' '.join(str(error).split())}"
            for missing in range(read, count):
                yield Read(number + missing + 1, "", None, problem)
        number += count


def load(source: Source, file: str, at: str) -> dict[str, Any]:
    """The columns of one row that may hold pictures. Raises `Unreadable`."""
    path = source.base / file
    group, index = map(int, at.split(":"))
    key = (path, path.stat().st_mtime_ns, group, mapped_pictures(source.columns))
    for _ in range(2):
        cursor = _cursors.get(key)
        if cursor is None or cursor.start > index:
            while len(_cursors) >= 2:
                _cursors.pop(next(iter(_cursors)))
            cursor = _cursors[key] = _Cursor(path, group, key[-1])
        try:
            return cursor.row(index)
        except (pa.ArrowException, OSError, ValueError) as error:
            _cursors.pop(key, None)
            if isinstance(error, Unreadable):
                raise
            message = f"{path.name} is broken in row group {group + 1}: {' '.join(str(error).split())}"
            raise Unreadable("undecodable", message) from error
    raise AssertionError("unreachable")


def heavy_columns(schema: pa.Schema) -> list[str]:
    """Columns that hold pictures by their type: struct<bytes, …> or binary, or lists of them."""
    found = []
    for field in schema:
        kind = field.type
        while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            kind = kind.value_type
        struct = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
        binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
        if struct or binary:
            found.append(field.name)
    return found


def may_hold_pictures(schema: pa.Schema, mapped: tuple[str, ...]) -> list[str]:
    """Columns that hold pictures by their type, by their name, or because the recipe says so."""
    heavy = heavy_columns(schema)
    named = (name for name in schema.names if names_picture(name) or name in mapped)
    return list(dict.fromkeys([*heavy, *named]))


class _Cursor:
    """Reads the picture columns of one row group forwards. `start` is the first row that it still can give."""

    def __init__(self, path: Path, group: int, mapped: tuple[str, ...]) -> None:
        parquet = _opened(path)
        columns = may_hold_pictures(parquet.schema_arrow, mapped)
        self.start = 0
        self._batch: pa.RecordBatch | None = None
        self._coming = parquet.iter_batches(_batch_rows(parquet, group, columns), row_groups=[group], columns=columns)

    def row(self, index: int) -> dict[str, Any]:
        while self._batch is None or index >= self.start + len(self._batch):
            self.start += len(self._batch) if self._batch is not None else 0
            self._batch = next(self._coming, None)
            if self._batch is None:
                self.start = index + 1
                raise Unreadable("missing_row", "the file has fewer rows than when it was listed")
        row: dict[str, Any] = self._batch.slice(index - self.start, 1).to_pylist()[0]
        return row


_cursors: dict[tuple[Path, int, int, tuple[str, ...]], _Cursor] = {}


def _rows_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | BadField]:
    """What each row says: missing values are left out."""
    try:
        found = batch.to_pylist()
    except ValueError:  # some text is no UTF-8: look at every cell alone
        for index in range(len(batch)):
            yield _cells(batch, index)
        return
    for row in found:
        yield {name: item for name, value in row.items() if (item := plain(value)) is not None}


def _cells(batch: pa.RecordBatch, index: int) -> dict[str, Any] | BadField:
    found = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            found[name] = plain(column[index].as_py())
        except ValueError as error:
            return BadField(f"field {name!a}: {error}")
    return {name: value for name, value in found.items() if value is not None}


def _batch_rows(parquet: pq.ParquetFile, group: int, columns: list[str]) -> int:
    """How many rows of a row group make about `LISTED_BYTES` of the given columns."""
    about = parquet.metadata.row_group(group)
    parts = (about.column(index) for index in range(about.num_columns))
    wanted = set(columns)
    size = sum(part.total_uncompressed_size for part in parts if part.path_in_schema.split(".")[0] in wanted)
    return max(1, min(1024, int(LISTED_BYTES * about.num_rows // max(size, 1))))


def _opened(path: Path) -> pq.ParquetFile:
    return _open(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _open(path: Path, _changed: int) -> pq.ParquetFile:
    try:
        opened = pq.ParquetFile(path, buffer_size=1 << 20)
        names = opened.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path.name}: not a Parquet file: {' '.join(str(error).split())}") from error
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SourceError(f"{path.name}: two columns are called {twice!r}; every column needs its own name")
    return opened
