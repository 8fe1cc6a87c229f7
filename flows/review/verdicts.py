"""What people said, read from the page's file or a filled CSV, and kept in the lake as rows that nothing removes.

One file a batch, named by its content: the same answers brought twice are there once. A row that cannot be used is told
and left out; the others are kept.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from flows.review.queue import QUEUES
from pipelines.lake import Lake, files
from pipelines.lake.catalog import REVIEWS
from schemas.arrow import REVIEW
from schemas.ids import canonical_json, digest

if TYPE_CHECKING:
    from flows.report.source import Source

VERDICTS = ("right", "wrong", "unsure")


class BadVerdict(ValueError):
    """A row, or a whole file, that says nothing that can be used."""


@dataclass(frozen=True)
class Batch:
    """`read` rows of a file: those without any verdict (`empty`), those kept, and why the others were not."""

    read: int
    empty: int
    kept: list[dict[str, Any]]
    rejected: list[str]


def read(path: Path, source: Source, reviewer: str | None = None) -> Batch:
    """The verdicts of one file. `reviewer` names the person where the file does not. Raises `BadVerdict`."""
    rows, said_at = _rows(path), datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    ids = {str(row.get("sample_id") or "") for row in rows}
    known = source.about("SELECT sample_id FROM samples WHERE sample_id IN (SELECT unnest(?::VARCHAR[]))", sorted(ids))
    kept, rejected, empty = [], [], 0
    for number, row in enumerate(rows, 1):
        if not row.get("label") and not row.get("shown"):
            empty += 1
            continue
        try:
            kept.append(_checked(row, known, reviewer, said_at))
        except BadVerdict as error:
            rejected.append(f"{path.name}, row {number}, {error}")
    return Batch(len(rows), empty, kept, rejected)


def write(lake: Lake, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Keep verdicts in the lake; returns their file. The catalog shows them when it is built next."""
    listed = sorted({row["review_id"]: dict(row) for row in rows}.values(), key=lambda row: str(row["review_id"]))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(listed, schema=REVIEW), sink)
    path = lake.root / REVIEWS / f"{digest(canonical_json([row['review_id'] for row in listed]).encode())}.parquet"
    files.create(path, sink.getvalue().to_pybytes())
    return path


def _rows(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        missing = sorted({"queue", "sample_id", "label"} - set(reader.fieldnames or ()))
        if missing:
            raise BadVerdict(
                f"{path}: the columns {', '.join(missing)} are missing; fill what `evolens review export` wrote"
            )
        return [dict(row) for row in reader]
    try:
        told = json.loads(text)
        return [{"reviewer": told.get("reviewer"), **row} for row in told["verdicts"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadVerdict(f"{path}: neither a file that the review page saved nor a .csv ({error})") from error


def _checked(row: Mapping[str, Any], known: Mapping[str, Any], reviewer: str | None, said_at: str) -> dict[str, Any]:
    person = str(row.get("reviewer") or reviewer or "").strip()
    if not person:
        raise BadVerdict("field reviewer: nobody is named; give --reviewer NAME")
    if row.get("queue") not in QUEUES:
        raise BadVerdict(f"field queue: {row.get('queue')!r} is none of {', '.join(QUEUES)}")
    if row.get("sample_id") not in known:
        raise BadVerdict(f"field sample_id: no sample {row.get('sample_id')!r} in the run that is reviewed")
    said: dict[str, str | None] = {}
    for name in ("label", "shown"):
        value = str(row.get(name) or "").strip().lower() or None
        if value is not None and value not in VERDICTS:
            raise BadVerdict(f"field {name}: {row[name]!r} is none of {', '.join(VERDICTS)}")
        said[name] = value
    if said["shown"] and not row.get("shown_id"):
        raise BadVerdict("field shown: a verdict on steps, but shown_id says that none were shown")
    facts = {name: row.get(name) or None for name in ("run_id", "queue", "sample_id", "shown_id", "note")}
    made = {**facts, **said, "reviewer": person, "reviewed_at": row.get("reviewed_at") or said_at}
    return {"review_id": digest(canonical_json(made).encode()), **made}
