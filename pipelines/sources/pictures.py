"""Pictures in fields: which columns hold them, and how a cell becomes the bytes of a picture file.

A cell is bytes; a struct of bytes and path; a path; a data URI; or base64, as VLMEvalKit writes it. Never an
address: what is not in the source is not fetched.
"""

from __future__ import annotations

import ast
import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pipelines.sources.files import FILE_BYTES, read_inside
from pipelines.sources.record import Source, Unreadable

COLUMN = re.compile(r"(image|img|picture|photo|jpg|png)s?|(image|img)_?\d+|image_bytes|base64")
"""Columns that hold pictures as bytes, structs, base64 or paths."""

PATH_COLUMN = re.compile(r"(file_name|image_path|img_path|image_file)s?|\w+_file_name")
"""Columns of paths alone. They count only where no column of the other kind is filled, and first in an imagefolder."""

LONGEST_PATH = 1024
"""A longer text is no path; it is left out of the list of records and read again when its turn comes."""

BASE64 = re.compile(r"[A-Za-z0-9+/\-_\s]{32,}={0,2}\s*")


def names_picture(name: str) -> bool:
    """Whether a column holds pictures, going by its name."""
    return bool(COLUMN.fullmatch(name) or PATH_COLUMN.fullmatch(name))


@lru_cache(maxsize=256)
def picture_columns(
    names: tuple[str, ...], mapped: tuple[str, ...], heavy: tuple[str, ...], paths_first: bool
) -> tuple[str, ...]:
    """Which of the columns hold pictures, those that count first in front.

    `mapped` are those that the recipe names; then no other counts. `heavy` hold bytes, whatever their names.
    """
    if mapped:
        return tuple(name for name in mapped if name in names)
    content = [name for name in names if name in heavy or COLUMN.fullmatch(name)]
    paths = [name for name in names if PATH_COLUMN.fullmatch(name) and name not in content]
    return tuple([*paths, *content] if paths_first else [*content, *paths])


def mapped_pictures(columns: Mapping[str, str]) -> tuple[str, ...]:
    """The source's columns that a recipe maps to pictures."""
    return tuple(theirs for ours, theirs in columns.items() if names_picture(ours))


def take(fields: dict[str, Any], columns: Sequence[str]) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """Fields without pictures, and the pictures as (column, cell) in their order.

    Pictures named inside messages come first; of the columns only one kind is used, as `PATH_COLUMN` says.
    """
    rest = {name: value for name, value in fields.items() if name not in columns}
    found: list[tuple[str, Any]] = []
    for name in ("messages", "prompt", "completion"):
        if isinstance(rest.get(name), list):
            rest[name] = [_turn(turn, name, found) for turn in rest[name]]
    kind: bool | None = None
    for name in columns:
        cells = list(_cells(fields.get(name)))
        is_path = bool(PATH_COLUMN.fullmatch(name))
        if any(cell is not None for cell in cells) and kind in (None, is_path):
            kind = is_path
            found += [(name, cell) for cell in cells]
    return rest, found


def holds_bytes(value: Any) -> bool:
    """Whether a field is bytes, a struct of bytes and path, or a list of them."""
    if isinstance(value, list):
        return any(holds_bytes(item) for item in value[:1])
    return isinstance(value, bytes) or (isinstance(value, dict) and "bytes" in value)


def is_light(cell: Any) -> bool:
    """Whether a cell may stand in the list of records: a path or nothing."""
    return cell is None or (isinstance(cell, str) and len(cell) <= LONGEST_PATH and not cell.startswith("data:"))


def content(source: Source, file: str, name: str, column: str, cell: Any) -> tuple[str, bytes]:
    """Name and bytes of the picture in one cell. Raises `Unreadable`. `name` is used where the cell has none."""
    path = ""
    if isinstance(cell, dict):
        if not cell.keys() & {"bytes", "path", "url"}:
            raise Unreadable("bad_picture", f"field {column!r}: an object of `bytes` and `path` is needed")
        path = str(cell.get("path") or "")
        data = cell.get("bytes")
        cell = data if data is not None else path or cell.get("url")
    if isinstance(cell, bytes | bytearray):
        if not cell:
            raise Unreadable("empty_picture", f"field {column!r} holds a picture of no bytes")
        if len(cell) > FILE_BYTES:
            raise Unreadable("too_large", f"field {column!r} has {len(cell) >> 20} MiB; {FILE_BYTES >> 20} are allowed")
        return path or name, bytes(cell)
    if cell is None or cell == "":
        raise Unreadable("missing_picture", f"field {column!r} is empty; it needs bytes, or a path in the source")
    if not isinstance(cell, str):
        kind = type(cell).__name__
        raise Unreadable("bad_picture", f"field {column!r}: a path, bytes or base64 is needed, not {kind}")
    if cell.startswith("data:"):
        return name, _decoded(column, cell.partition(",")[2])
    if len(cell) > LONGEST_PATH or (len(cell) >= 32 and "." not in cell and BASE64.fullmatch(cell)):
        return name, _decoded(column, cell)
    return _inside(source, file, cell), read_inside(source, cell, file)


def _inside(source: Source, file: str, path: str) -> str:
    """A path as a reader would look for it: relative to the source's folder."""
    folder = source.images or file.rpartition("/")[0]
    return f"{folder}/{path}" if folder else path


def _decoded(column: str, text: str) -> bytes:
    if BASE64.fullmatch(text):
        try:
            return base64.b64decode("".join(text.split()), altchars=b"-_" if "-" in text or "_" in text else None)
        except (binascii.Error, ValueError):
            pass
    start = text[:40]
    raise Unreadable("bad_picture", f"field {column!r}: {start!a}… is neither a path nor base64 of a picture file")


def _cells(value: Any) -> Iterator[Any]:
    if isinstance(value, str) and value[:1] == "[":
        value = _list_of(value)
    if isinstance(value, list):
        for item in value:
            yield from _cells(item)
    else:
        yield value


def _list_of(text: str) -> Any:
    """A list that was printed, as JSON or as Python does; else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text) if len(text) < 1 << 24 else text
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text


def _turn(turn: Any, column: str, found: list[tuple[str, Any]]) -> Any:
    """A turn whose pictures are replaced by their mark; what they are is added to `found`."""
    if not isinstance(turn, dict) or not isinstance(turn.get("content"), list):
        return turn
    parts = []
    for part in turn["content"]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in ("image", "image_url"):
            parts.append(part)
            continue
        parts.append({"type": "image"})
        cell = next((part[key] for key in ("image", "image_url", "url", "path", "bytes") if part.get(key)), None)
        if isinstance(cell, dict) and "url" in cell:
            cell = cell["url"]
        if cell is not None:
            found.append((column, cell.removeprefix("file://") if isinstance(cell, str) else cell))
    return {**turn, "content": parts}
