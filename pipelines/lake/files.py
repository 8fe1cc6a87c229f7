"""Atomic files: whole or absent under their final name, whatever kills the writer.

Temporary files stand in the folder of their target as `.tmp-<tag>-…`, so that a rename or a link never crosses file
systems and the debris of a dead writer is found by its tag.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterable
from pathlib import Path

_COUNTER = itertools.count()


def temporary(target: Path, tag: str) -> Path:
    """A fresh temporary name beside `target`, without its suffix, so that no `*.json` finds it; makes the folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.parent / f".tmp-{tag}-{os.getpid()}-{next(_COUNTER)}"


def replace(target: Path, data: bytes, tag: str = "file", *, durable: bool = True) -> None:
    """Write `target` whole; a reader sees the old file or the new one. `durable` outlives a power cut."""
    temp = temporary(target, tag)
    try:
        _write(temp, data, durable)
        temp.replace(target)
    finally:
        temp.unlink(missing_ok=True)


def create(target: Path, data: bytes, tag: str = "file") -> bool:
    """Write `target` only if nobody has: True for the one writer who made it."""
    temp = temporary(target, tag)
    try:
        _write(temp, data, durable=True)
        target.hardlink_to(temp)
    except FileExistsError:
        return False
    finally:
        temp.unlink(missing_ok=True)
    return True


def publish(temp: Path, target: Path) -> None:
    """Give a finished temporary file its final name.

    A file of the same bytes that an interrupted attempt left under that name stays as it is.
    """
    if target.exists() and hash_file(target) == hash_file(temp):
        temp.unlink()
        return
    temp.replace(target)


def sweep(folders: Iterable[Path], tag: str) -> None:
    """Remove the temporary files of dead writers with this tag."""
    for folder in folders:
        for debris in folder.glob(f".tmp-{tag}-*"):
            debris.unlink(missing_ok=True)


def hash_file(path: Path) -> str:
    """blake2b-128 of a file's bytes as 32 hexadecimal characters."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _write(path: Path, data: bytes, durable: bool) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        if durable:
            stream.flush()
            os.fsync(stream.fileno())
