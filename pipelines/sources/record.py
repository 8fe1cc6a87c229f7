"""What every reader gives: rows of a file as plain fields, and where each can be found again."""

from __future__ import annotations

import datetime
import decimal
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from schemas.ids import canonical_json
from schemas.rows import UNKNOWN_LICENSE

RECORD = pa.schema(
    {
        "record_id": pa.string(),  # readable: name, revision, file, row
        "source": pa.string(),
        "file": pa.string(),  # relative to the source's folder; the split of a dataset
        "row": pa.int64(),  # from 1: the line of a text file, the place in any other
        "at": pa.string(),  # where the reader finds the row again
        "format": pa.string(),
        "convention": pa.string(),
        "pictures": pa.string(),  # JSON list of [column, path]
        "again": pa.bool_(),  # whether the row must be read again for its pictures
        "fields": pa.string(),  # the rest, as canonical JSON
        "error": pa.string(),  # why the row cannot be read
    }
)
"""Columns of a record, the input row of ingest: everything but pixels."""

RECORD_BYTES = 64 * 1024 * 1024
"""A longer line, list element or tar member of text is refused: it would be held in memory whole."""


class SourceError(ValueError):
    """A source that cannot be read at all; the message names it and says what would be right."""


class BadField(ValueError):
    """A field that is not what it must be; the message names it."""


class Unreadable(ValueError):
    """A picture that cannot be read; `kind` is stable, the message names the field and what would be right."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Source(BaseModel):
    """One body of real data, and which of its rows are wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Stands in column `source` of every sample.")
    path: Path = Field(
        exclude=True,  # the fingerprint says what is read; where it lies is no part of the stage key
        description="A folder or a file; with format `datasets` also the name of a dataset on the hub.",
    )
    fingerprint: str = Field(description="`pipelines.sources.fingerprint`: changed files are another stage key.")
    format: str | None = Field(None, description="How rows are stored; found by looking where it is absent.")
    convention: str | None = Field(None, description="What columns mean; found by looking where it is absent.")
    license: str = Field(UNKNOWN_LICENSE, description="Licence of records that state none.")
    revision: str | None = Field(None, description="Which state of the data this is; a commit or tag on the hub.")
    config: str | None = Field(None, description="Configuration of a dataset.")
    split: str | None = Field(None, description="Only this split of a dataset.")
    images: str = Field("", description="Folder of the pictures, relative to the source, where paths start there.")
    columns: dict[str, str] = Field({}, description="Our field name → the source's name for it; dots go inside.")
    limit: int | None = Field(None, ge=1, description="Read only so many records, the first.")
    fraction: float | None = Field(None, gt=0, le=1, description="Take this share of them, drawn by `seed`.")
    count: int | None = Field(None, ge=1, description="Take this many of them, drawn by `seed`.")
    seed: int = Field(0, description="Of `fraction`, `count` and the mixture.")
    weight: float | None = Field(None, gt=0, description="Share in the mixture of all sources that state one.")

    @property
    def base(self) -> Path:
        """The folder outside of which nothing is opened."""
        return self.path if self.path.is_dir() else self.path.parent

    @property
    def label(self) -> str:
        """Name and revision."""
        return f"{self.name}@{self.revision}" if self.revision else self.name


class Read(NamedTuple):
    """One row as a reader found it: `fields`, or `error`. `at` finds it again; `heavy` are columns left out."""

    number: int
    at: str
    fields: dict[str, Any] | None
    error: str = ""
    heavy: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reader:
    """One format. None of its functions holds more than a few rows at a time, and none raises for one bad row.

    `files(source)`: the files of the source that it reads, sorted, relative to its folder.
    `rows(source, file)`: the rows of one of them, without pixels. Raises `SourceError` when it is no such file at all.
    `load(source, file, at)`: one row again, pictures included. Raises `Unreadable`.
    """

    says: str
    files: Callable[[Source], list[str]]
    rows: Callable[[Source, str], Iterator[Read]]
    load: Callable[[Source, str, str], dict[str, Any]]
    prefers: Literal["columns", "paths"] = "columns"


def written(fields: Mapping[str, Any]) -> str:
    """The fields as JSON text. Raises `BadField` that names the one which cannot be written."""
    try:
        text = canonical_json(fields)
        text.encode()
    except (TypeError, ValueError):
        for name, value in fields.items():
            check(name, value)
        raise BadField("the record cannot be written as JSON") from None
    except RecursionError:
        raise BadField("the record is nested too deep to be read") from None
    return text


def check(name: str, value: Any) -> None:
    """Raises `BadField` when JSON cannot hold a field."""
    try:
        canonical_json({name: value}).encode()
    except UnicodeEncodeError as error:  # JSON may escape half of a surrogate pair, which is no character
        half = error.object[error.start]
        raise BadField(f"field {name!a}: {half!a} is half a character, and no text holds that") from None
    except (TypeError, ValueError) as error:
        raise BadField(f"field {name!a}: {error}") from None


def parsed(data: bytes) -> dict[str, Any]:
    """A JSON object. Raises `BadField` that says what is wrong."""
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_distinct)
    except UnicodeDecodeError as error:
        raise BadField(f"byte {data[error.start]:#04x} at place {error.start} is no UTF-8; save it as UTF-8") from None
    except RecursionError:
        raise BadField("the record is nested too deep to be read") from None
    except BadField:
        raise
    except ValueError as error:
        raise BadField(f"this is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadField(f"a JSON object is needed, not {type(found).__name__}")
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names differ; JSON itself would let the last of two win without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise BadField(f"field {next(name for name in names if names.count(name) > 1)!a} stands twice; once is needed")
    return found


def plain(value: Any) -> Any:
    """A cell of a table as JSON holds it: NaN is a missing value, times and decimals are texts, bytes are left out."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta | decimal.Decimal):
        return str(value)
    return None if isinstance(value, bytes) else value


def place(offset: int, size: int) -> str:
    """Where a piece of a file lies, as `Read.at`."""
    return f"{offset}:{size}"


def piece(file: Path, at: str) -> bytes:
    """The bytes at a place. Raises `Unreadable` when the file has changed since it was listed."""
    offset, size = map(int, at.split(":"))
    try:
        with file.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(size)
    except OSError as error:
        raise Unreadable("missing_file", f"{file.name} cannot be read again ({error.strerror})") from error
    if len(data) < size:
        raise Unreadable("missing_row", f"{file.name} is shorter than when it was listed")
    return data
