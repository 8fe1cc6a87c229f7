"""Parquet parts: equal rows give equal bytes, and a file stands under its final name only when it is whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.lake import files
from schemas.arrow import TABLES

PACKS = "packs"
ARTIFACTS = "artifacts"


@dataclass(frozen=True)
class PartFile:
    """One file that a stage wrote. `name` is relative to the lake; `table` is a table, `packs` or `artifacts`."""

    table: str
    name: str
    rows: int
    bytes: int
    hash: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Damaged(RuntimeError):
    """A file of the lake is missing or is not what its manifest says."""


def part_name(table: str, key: str, part: int) -> str:
    """Where part number `part` of a table stands, relative to the lake."""
    return f"{table}/key={key}/part-{part:05d}.parquet"


def pack_name(key: str, part: int) -> str:
    """Where the pictures of part number `part` stand, relative to the lake."""
    return f"images/pack-{key}-{part:05d}.parquet"


def describe(path: Path, table: str, name: str, rows: int) -> PartFile:
    return PartFile(table, name, rows, path.stat().st_size, files.hash_file(path))


def write_table(path: Path, table: pa.Table, row_group_size: int = 65_536) -> None:
    """One way of writing Parquet: no clock, no host, no thread order in the bytes."""
    pq.write_table(table, path, compression="zstd", compression_level=3, version="2.6", row_group_size=row_group_size)


def check_size(root: Path, part: PartFile) -> Path:
    """The part's path. Raises `Damaged` when it is missing or of another size."""
    path = root / part.name
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise Damaged(f"{part.name} is missing from the lake") from None
    if size != part.bytes:
        raise Damaged(f"{part.name} holds {size} bytes; its manifest says {part.bytes}")
    return path


def check_hash(root: Path, part: PartFile) -> Path:
    """The part's path. Raises `Damaged` when its bytes are not those that were committed."""
    path = check_size(root, part)
    found = files.hash_file(path)
    if found != part.hash:
        raise Damaged(f"{part.name} has hash {found}; its manifest says {part.hash}")
    return path


def read_parts(paths: Sequence[Path], table: str) -> pa.Table:
    """Rows of several parts in the given order, with today's columns: what an older file lacks is null."""
    schema = TABLES[table]
    pieces = [schema.empty_table()]
    for path in paths:
        piece = pq.ParquetFile(path).read()
        columns = [
            piece[field.name].cast(field.type) if field.name in piece.column_names else pa.nulls(len(piece), field.type)
            for field in schema
        ]
        pieces.append(pa.Table.from_arrays(columns, schema=schema))
    return pa.concat_tables(pieces)
