"""Looks for a secret in every byte of a folder, and in what its databases and compressed tables say when read."""

from __future__ import annotations

import base64
import gzip
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def places(folder: Path, secrets: tuple[str, ...]) -> list[str]:
    """Where one of the secrets stands, in words: file, and for tables where in it. Plain, in base64, or in hex."""
    signs = [form for secret in secrets for form in _forms(secret.encode())]
    paths = sorted(each for each in folder.rglob("*") if each.is_file() and not each.is_symlink())
    found = []
    for read in (_raw, _read):  # all bytes first: a database that is opened tidies up after itself
        for path in filter(Path.is_file, paths):
            name = path.relative_to(folder)
            found += [f"{name}: {where}" for where, data in read(path) if any(sign in data for sign in signs)]
    return found


def _raw(path: Path) -> Iterator[tuple[str, bytes]]:
    yield "name", str(path).encode()
    yield "bytes", path.read_bytes()


def _read(path: Path) -> Iterator[tuple[str, bytes]]:
    data = path.read_bytes()
    if data[:4] == b"PAR1":
        table = pq.read_table(path)
        for name in table.column_names:
            yield f"column {name}", b"\0".join(_bytes(value) for value in table[name].to_pylist())
    elif data[:15] == b"SQLite format 3":
        yield from _sqlite(path)
    elif data[:2] == b"\x1f\x8b":
        yield "unzipped", gzip.decompress(data)


def _sqlite(path: Path) -> Iterator[tuple[str, bytes]]:
    connection = sqlite3.connect(path)  # it reads the write-ahead log beside it, too
    connection.text_factory = bytes
    try:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        for (name,) in tables.fetchall():
            for row in connection.execute(f'SELECT * FROM "{name.decode()}"'):
                yield f"table {name.decode()}", b"\0".join(_bytes(value) for value in row)
    finally:
        connection.close()


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        return repr(value).encode()
    try:
        return value + b"\0" + zlib.decompress(value)
    except zlib.error:
        return value


def _forms(secret: bytes) -> list[bytes]:
    """The secret as it is, in hex, and in base64 at each of its three alignments."""
    shifted = [base64.b64encode(b"\0" * shift + secret)[4 if shift else 0 : -4] for shift in range(3)]
    return [secret, secret.hex().encode(), *shifted]
