"""Hugging Face's imagefolder: pictures, and metadata.jsonl, .csv or .parquet that says what they show.

Paths start at the folder of the metadata. Without metadata every picture is a record whose field `label` is the name of
its folder, as in a folder of classes; map it to `caption` or `answer` to make use of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from pipelines.sources import delimited, lines, table
from pipelines.sources.files import PICTURE_SUFFIXES, visible
from pipelines.sources.record import Read, Source

METADATA = {"metadata.jsonl": lines, "metadata.csv": delimited, "metadata.parquet": table}


def files(source: Source) -> list[str]:
    """The metadata files; without any, the folder itself if pictures are in it."""
    if not source.path.is_dir():
        return []
    found = [item.relative_to(source.path).as_posix() for item in visible(source.path, *METADATA)]
    if not found and next(_pictures(source), None):
        return ["."]
    return found


def rows(source: Source, file: str) -> Iterator[Read]:
    """The rows of a metadata file, or the pictures of a folder without."""
    if file != ".":
        yield from METADATA[PurePosixPath(file).name].rows(source, file)
        return
    for number, name in enumerate(_pictures(source), start=1):
        label = PurePosixPath(name).parent.name
        yield Read(number, name, {"file_name": name, **({"label": label} if label else {})})


def load(source: Source, file: str, at: str) -> dict[str, Any]:
    """A row again, pictures included. Raises `Unreadable`."""
    if file == ".":
        return {"file_name": at}
    row: dict[str, Any] = METADATA[PurePosixPath(file).name].load(source, file, at)
    return row


def _pictures(source: Source) -> Iterator[str]:
    for item in visible(source.path, "*"):
        if item.suffix.lower() in PICTURE_SUFFIXES:
            yield item.relative_to(source.path).as_posix()
