"""Where records go: Parquet shards, lines, lists, tables of text, tar files, and pictures beside them.

A sink takes the records of one split after another and names its files by split. It holds at most one row group.
"""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.export.pictures import Shot

GROUP_ROWS = 100
"""Rows of a Parquet row group: what viewers of picture datasets expect, and read at once."""

SHARD_BYTES = 500_000_000
TAR_BYTES = 1_000_000_000

IMAGES = "images"
"""The folder of picture files."""


class Sink(Protocol):
    """Takes records of one format."""

    def write(self, split: str, record: Any) -> None:
        """Add a record; records of one split come one after another."""

    def close(self) -> None:
        """Finish every file."""


def cell(shot: Shot) -> dict[str, Any]:
    """A picture in a Parquet cell, `struct<bytes, path>`."""
    return {"bytes": shot.data, "path": shot.name}


def path_of(shot: Shot) -> str:
    """Where a picture file lies in an export; the first characters of its id keep folders small."""
    return f"{IMAGES}/{shot.image_id[:2]}/{shot.name}"


def put(folder: Path, shots: Sequence[Shot]) -> int:
    """Write picture files that are not there yet; returns how many."""
    written = 0
    for shot in shots:
        target = folder / path_of(shot)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(shot.data)
            written += 1
    return written


@dataclass
class Shards:
    """Parquet. `data/<split>-00000-of-00003.parquet` are the names that `load_dataset` reads splits from; without
    `{number}` in the name a split is one file.
    """

    folder: Path
    features: Any  # datasets.Features: their Arrow schema tells loaders which columns are pictures; others are counts
    names: str = "data/{split}-{number:05d}-of-{count:05d}.parquet"
    _schema: pa.Schema | None = None
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _split: str | None = None
    _files: dict[str, list[Path]] = field(default_factory=dict)
    _writer: pq.ParquetWriter | None = None
    _bytes: int = 0

    def write(self, split: str, record: dict[str, Any]) -> None:
        if split != self._split:
            self._end_shard()
            self._split = split
        if self._schema is None:
            from datasets import Value

            counted = {name: Value("int64") for name in record if name not in self.features}
            self._schema = type(self.features)({**self.features, **counted}).arrow_schema
        self._rows.append(record)
        if len(self._rows) == GROUP_ROWS:
            self._end_group()

    def close(self) -> None:
        self._end_shard()
        for split, files in self._files.items():
            for number, file in enumerate(files):
                file.rename(self._path(split, number, len(files)))

    def _path(self, split: str, number: int, count: int = 0) -> Path:
        return self.folder / self.names.format(split=split, number=number, count=count)

    def _end_group(self) -> None:
        if not self._rows or self._split is None:
            return
        table = pa.Table.from_pylist(self._rows, schema=self._schema)
        if self._writer is None:
            files = self._files.setdefault(self._split, [])
            files.append(self._path(self._split, len(files)))
            files[-1].parent.mkdir(parents=True, exist_ok=True)
            # Content-defined chunks and the page index: a changed row changes few pages of an upload.
            self._writer = pq.ParquetWriter(
                files[-1], table.schema, use_content_defined_chunking=True, write_page_index=True
            )
        self._writer.write_table(table)
        self._bytes, self._rows = self._bytes + table.nbytes, []
        if self._bytes >= SHARD_BYTES and "{number" in self.names:
            self._end_shard()

    def _end_shard(self) -> None:
        self._end_group()
        if self._writer is not None:
            self._writer.close()
        self._writer, self._bytes = None, 0


@dataclass
class Written:
    """One text file per split. `add(stream, record, count)` writes the record that `count` others stand before."""

    folder: Path
    suffix: str
    add: Callable[[IO[str], Any, int], None]
    end: str = ""
    _stream: IO[str] | None = None
    _split: str | None = None
    _count: int = 0

    def write(self, split: str, record: Any) -> None:
        if split != self._split or self._stream is None:
            self.close()
            target = self.folder / f"{split}{self.suffix}"
            self._stream, self._split, self._count = target.open("w", encoding="utf-8", newline=""), split, 0
        self.add(self._stream, record, self._count)
        self._count += 1

    def close(self) -> None:
        if self._stream is not None:
            self._stream.write(self.end)
            self._stream.close()
        self._stream = None


def lines(folder: Path) -> Written:
    """`<split>.jsonl`: one JSON object a line."""
    return Written(folder, ".jsonl", lambda stream, record, _: print(_json(record), file=stream))


def listed(folder: Path) -> Written:
    """`<split>.json`: one list of objects, an object a line."""

    def add(stream: IO[str], record: Any, count: int) -> None:
        stream.write(("[\n" if count == 0 else ",\n") + _json(record))

    return Written(folder, ".json", add, "\n]\n")


def table(folder: Path, columns: Sequence[str], suffix: str, sign: str) -> Written:
    """`<split>.csv` or `.tsv`: a line of names (`columns`, and what the first record has besides), then a line for each
    record; lists are JSON.
    """

    def add(stream: IO[str], record: dict[str, Any], count: int) -> None:
        names = [*columns, *(name for name in record if name not in columns)]
        cells = [_json(value) if isinstance(value, list) else value for value in map(record.get, names)]
        # Every cell is quoted: the csv module leaves a lone carriage return bare, which readers take for a line's end.
        writer = csv.writer(stream, delimiter=sign, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerows([names, cells] if count == 0 else [cells])

    return Written(folder, suffix, add)


@dataclass
class Tars:
    """`<split>-000000.tar`: members of one record follow each other under one key; owners and times say nothing."""

    folder: Path
    _tar: tarfile.TarFile | None = None
    _split: str | None = None
    _number: int = 0
    _bytes: int = 0

    def write(self, split: str, record: dict[str, bytes]) -> None:
        if split != self._split:
            self.close()
            self._split, self._number = split, 0
        if self._tar is None or self._bytes >= TAR_BYTES:
            self.close()
            self._tar = tarfile.open(self.folder / f"{split}-{self._number:06d}.tar", "w")  # noqa: SIM115 - see close
            self._number, self._bytes = self._number + 1, 0
        for name, data in record.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            self._tar.addfile(member, io.BytesIO(data))
            self._bytes += len(data)

    def close(self) -> None:
        if self._tar is not None:
            self._tar.close()
        self._tar = None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
