"""What the request cache holds, and taking out of it what has not been used for long."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pipelines.workers.store import ROW_BYTES, connect, sessions, transaction

_CHUNK = 2000
"""Rows that one transaction takes out: whoever writes meanwhile waits no longer than that."""

_DOOMED = (
    f"WITH ranked AS (SELECT rowid AS row, used, length(value) + {ROW_BYTES} AS bytes,"
    f" sum(length(value) + {ROW_BYTES}) OVER (ORDER BY used DESC, rowid DESC) AS held FROM answers)"
    " SELECT row, bytes, used < ? FROM ranked WHERE used < ? OR held > ?"
)


@dataclass(frozen=True)
class Held:
    """What one worker's answers come to: how many, bytes, and days since the oldest was made and the last was used."""

    worker: str
    answers: int
    bytes: int
    oldest_days: float
    unused_days: float


@dataclass(frozen=True)
class Pruned:
    """What went, or would go; `spared` is what would have gone as well, but a living run has used it."""

    answers: int
    bytes: int
    spared: int


def held(path: Path) -> list[Held]:
    """What a file of answers holds, the largest worker first; nothing where it is not. Raises `sqlite3.Error`."""
    if not path.exists():
        return []
    asked = (
        f"SELECT worker, count(*), sum(length(value) + {ROW_BYTES}), min(made), max(used) FROM answers"
        " GROUP BY worker ORDER BY 3 DESC, 1"
    )
    with closing(connect(path)) as connection:
        rows = connection.execute(asked).fetchall()
    return [Held(worker, count, size, _days(made), _days(used)) for worker, count, size, made, used in rows]


def bytes_on_disk(path: Path) -> int:
    """The size of a file of answers, with its journal."""
    files = [path, path.with_name(f"{path.name}-wal")]
    return sum(file.stat().st_size for file in files if file.exists())


def prune(path: Path, *, unused_seconds: float | None, most_bytes: int | None, dry_run: bool = False) -> Pruned:
    """Take out what was not used for so long, then what was used longest ago until no more than `most_bytes` are held.

    What a living session has used stays, even where more is held then. Raises `sqlite3.Error`.
    """
    if not path.exists():
        return Pruned(0, 0, 0)
    oldest = time.time() - unused_seconds if unused_seconds is not None else 0.0
    most = most_bytes if most_bytes is not None else 2**62
    with closing(connect(path)) as connection:
        found = connection.execute(_DOOMED, (_spared_from(connection), oldest, most)).fetchall()
        doomed = [(row, size) for row, size, free in found if free]
        if not dry_run:
            for first in range(0, len(doomed), _CHUNK):
                with transaction(connection):
                    spared_from = _spared_from(connection)  # a run may have begun since
                    rows = [(row, spared_from) for row, _ in doomed[first : first + _CHUNK]]
                    connection.executemany("DELETE FROM answers WHERE rowid = ? AND used < ?", rows)
            ended = [process for process, _, lives in sessions(connection) if not lives]
            with transaction(connection):
                connection.executemany("DELETE FROM sessions WHERE host = ? AND pid = ? AND born = ?", ended)
            connection.executescript("PRAGMA incremental_vacuum")  # `execute` would give back one page
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return Pruned(len(doomed), sum(size for _, size in doomed), len(found) - len(doomed))


def _days(since: float) -> float:
    return (time.time() - since) / 86400


def _spared_from(connection: sqlite3.Connection) -> float:
    """When the oldest living session began: what was used since may be its own."""
    return min((since for _, since, lives in sessions(connection) if lives), default=float("inf"))
