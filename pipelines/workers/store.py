"""Answers on disk: one SQLite file that every process of a host reads and writes at once.

Keys and values are bytes that mean nothing here. A write is on disk before its caller hears of it, so what anybody was
told survives `kill -9`; a power cut may cost the last seconds, never the file. Values carry a checksum: one that does
not match is not there. A broken file is set aside, a disk that cannot be written is done without, each with one
warning, and no caller ever sees an error of the store.

A *session* is a process that a user started, with the processes that it started in turn. What a living session has read
or written is never pruned.
"""

from __future__ import annotations

import fcntl
import hashlib
import multiprocessing
import os
import queue
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil

from pipelines.lake import leases

BUSY_SECONDS = 30.0
"""How long a process waits for others that write."""

UNSEEN_SECONDS = 3600.0
"""After what silence a session that cannot be seen from here (another container, an earlier boot) counts as ended."""

ROW_BYTES = 160
"""What a row costs beyond its value: key, checksum, name, times, and its places in two indexes."""

_BATCH = 512
_REST_SECONDS = 60.0
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, worker TEXT NOT NULL, value BLOB NOT NULL,"
    " checksum BLOB NOT NULL, made REAL NOT NULL, used REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS answers_by_use ON answers (used)",
    "CREATE TABLE IF NOT EXISTS sessions (host TEXT, pid INTEGER, born REAL, since REAL NOT NULL, seen REAL NOT NULL,"
    " PRIMARY KEY (host, pid, born)) WITHOUT ROWID",
)
_WRITE = (
    "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
    " value = excluded.value, checksum = excluded.checksum, used = max(used, excluded.used)"
)
_SAID: set[tuple[Path, str]] = set()
Value = TypeVar("Value")


@dataclass(frozen=True)
class Entry:
    """What stands under a key. `mine` says that this session has read or written it before."""

    worker: str
    value: bytes
    made: float
    mine: bool


@dataclass(frozen=True)
class _Write:
    key: bytes
    entry: Entry
    done: Callable[[], None]


class Store:
    """One file of answers, for all threads of a process. A forked child goes on with connections of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._left: list[_Link] = []  # a parent's: to close them here would harm the parent
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._since = self._seen = 0.0
        self._reader, self._writer = (_Link(self.path, self._register) for _ in range(2))
        self._writes: queue.SimpleQueue[_Write] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def get(self, key: bytes) -> Entry | None:
        """What was put under a key, if it is whole. Whoever writes, this does not wait for it."""

        def read(connection: sqlite3.Connection) -> Entry | None:
            asked = "SELECT worker, value, checksum, made, used FROM answers WHERE key = ?"
            for worker, value, checksum, made, used in connection.execute(asked, (key,)).fetchall():
                if checksum == _checksum(key, value):
                    return Entry(worker, value, made, mine=used >= self._since)
            return None

        self._check_fork()
        return self._reader.use(read)

    def put(self, key: bytes, worker: str, value: bytes, done: Callable[[], None]) -> None:
        """Keep a new answer; `done` is called, in another thread, once it is kept or cannot be."""
        self._queue(_Write(key, Entry(worker, value, time.time(), mine=True), done))

    def claim(self, key: bytes, entry: Entry, done: Callable[[], None]) -> None:
        """Make what was got this session's own, so that it is not pruned; `done` as in `put`."""
        if entry.mine:
            done()
        else:
            self._queue(_Write(key, entry, done))

    def close(self) -> None:
        """Let the file go; the next use opens it again."""
        self._reader.close()
        self._writer.close()

    def _queue(self, write: _Write) -> None:
        self._check_fork()
        self._writes.put(write)
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._write_for_ever, name="answers", daemon=True)
                    self._thread.start()

    def _check_fork(self) -> None:
        if self._pid != os.getpid():
            self._left += [self._reader, self._writer]
            self._begin()

    def _write_for_ever(self) -> None:
        while True:
            batch = [self._writes.get()]
            while len(batch) < _BATCH and not self._writes.empty():
                batch.append(self._writes.get())
            self._writer.use(partial(self._write, batch))
            for write in batch:
                write.done()

    def _write(self, batch: Sequence[_Write], connection: sqlite3.Connection) -> None:
        now = max(time.time(), self._since)  # a clock set back must not make us look as if we were not there
        with transaction(connection):
            for each in batch:
                entry = each.entry
                checksum = _checksum(each.key, entry.value)
                connection.execute(_WRITE, (each.key, entry.worker, entry.value, checksum, entry.made, now))
        if now > self._seen + UNSEEN_SECONDS / 10:
            self._register(connection)

    def _register(self, connection: sqlite3.Connection) -> None:
        """Note that this session lives, and since when."""
        self._seen = now = time.time()
        noted = (
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (host, pid, born) DO UPDATE SET seen = excluded.seen RETURNING since"
        )
        with transaction(connection):
            ((self._since,),) = connection.execute(noted, (*session(), now, now)).fetchall()


class _Link:
    """A connection to a file, opened when it is needed, and anew where another file has come into its place."""

    def __init__(self, path: Path, welcome: Callable[[sqlite3.Connection], None]) -> None:
        self._path, self._welcome = path, welcome
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._rest_until = 0.0

    def use(self, work: Callable[[sqlite3.Connection], Value]) -> Value | None:
        """What `work` returns; None where the file cannot be used. A broken file is set aside, and a new one tried."""
        with self._lock:
            for _ in range(2):
                if time.monotonic() < self._rest_until:
                    return None
                try:
                    return work(self._opened())
                except Exception as error:  # whatever it is, whoever waits goes on without the file
                    if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BROKEN:
                        if self._connection is None:
                            self._rest_until = time.monotonic() + _REST_SECONDS
                        _warn(self._path, error, "going on without it")
                        return None
                    self._drop()
                    _set_aside(self._path, self._file)
                    _warn(self._path, error, f"it is set aside as {_broken(self._path).name}, and a new one begun")
        return None

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None and _file_of(self._path) != self._file:
            self._drop()  # another process has set it aside, or somebody has removed it
        if self._connection is None:
            self._file = _file_of(self._path)
            connection = connect(self._path)
            self._file = _file_of(self._path)
            self._welcome(connection)
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, or make it. Raises `sqlite3.Error` or `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(path):  # to change the journal is the one thing for which SQLite does not wait its turn
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            for statement in _SCHEMA:
                connection.execute(statement)
        except sqlite3.Error:
            connection.close()
            raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing; other processes wait to write, and read on."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def session() -> tuple[str, int, float]:
    """The process that the user started: this one, or the one whose pool it belongs to. Host, process id, start."""
    host, pid, born = leases.this_process()
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return host, pid, born
    try:
        return host, parent.pid, psutil.Process(parent.pid).create_time()
    except psutil.NoSuchProcess:
        return host, pid, born


def sessions(connection: sqlite3.Connection) -> list[tuple[tuple[str, int, float], float, bool]]:
    """Each session that is known, since when it is, and whether it lives."""
    rows = connection.execute("SELECT host, pid, born, since, seen FROM sessions").fetchall()
    return [((host, pid, born), since, _lives(host, pid, born, seen)) for host, pid, born, since, seen in rows]


def _lives(host: str, pid: int, born: float, seen: float) -> bool:
    alive = leases.is_alive(host, pid, born)
    return seen > time.time() - UNSEEN_SECONDS if alive is None else alive


def _checksum(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=8, key=key).digest()


def _file_of(path: Path) -> tuple[int, int]:
    """Which file stands under a path now; zeros where none does."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return 0, 0
    return state.st_dev, state.st_ino


def _warn(path: Path, error: Exception, so: str) -> None:
    """Once for each file and what becomes of it."""
    if (path, so) not in _SAID:
        _SAID.add((path, so))
        warnings.warn(f"request cache {path}: {error}; {so}", RuntimeWarning, stacklevel=2)


def _broken(path: Path) -> Path:
    return path.with_name(f"{path.name}.broken")


def _set_aside(path: Path, file: tuple[int, int]) -> None:
    """Rename a broken file, unless another process has already put a new one in its place."""
    with suppress(OSError), _alone(path):
        if _file_of(path) == file:
            path.replace(_broken(path))
            for tail in ("-wal", "-shm"):
                path.with_name(path.name + tail).unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.with_name(f"{path.name}.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
