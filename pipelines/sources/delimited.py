"""CSV and TSV with a header line, as spreadsheets, pandas and VLMEvalKit write them.

A quoted cell may hold ends of lines. A quotation mark that is never closed would swallow the rows that follow, so rows
are put together here, and a line that fits no row costs only itself; the csv module takes each row apart.
"""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from pipelines.sources import lines
from pipelines.sources.record import RECORD_BYTES, BadField, Read, Source, SourceError, piece, place

ROW_LINES = 1000
"""A quoted cell that goes on for more lines is taken for a quotation mark that nobody closed."""

STRUCTURED = frozenset(
    "conversations messages prompt completion options questions captions texts history reward_model extra_info "
    "images image_paths file_names region verifier objects choices".split()
)
"""Columns whose cells may be JSON."""


def rows(source: Source, file: str) -> Iterator[Read]:
    """Every row below the header. Raises `SourceError` where the header names a column twice or none at all."""
    path = source.base / file
    if lines.starts_with(path, *lines.UTF16_MARKS):
        yield Read(1, "", None, lines.WRONG_ENCODING)
        return
    header, sign = _header(path, path.stat().st_mtime_ns)
    coming = lines.pieces(path)
    next(coming, None)
    waiting: deque[lines.Line] = deque(islice(coming, 1))
    while waiting:
        number, _, data = waiting[0]
        if data is None:
            yield Read(number, "", None, f"the line is longer than {lines.MIB} MiB")
        elif data.strip():
            yield _row(waiting, coming, header, sign)
        waiting.popleft()
        waiting.extend(islice(coming, 0 if waiting else 1))


def _row(waiting: deque[lines.Line], coming: Iterator[lines.Line], header: tuple[str, ...], sign: str) -> Read:
    """The row that begins with the first line that waits. Of its lines only the last is left waiting."""
    number, offset, data = waiting[0]
    assert data is not None
    gathered, taken = data, 1
    while gathered.count(b'"') % 2 and taken < ROW_LINES and len(gathered) < RECORD_BYTES:
        if len(waiting) == taken:
            waiting.extend(islice(coming, 1))
        following = waiting[taken][2] if len(waiting) > taken else None
        if following is None:
            break
        gathered, taken = gathered + following, taken + 1
    problem = ""
    for text, count in [(gathered, taken), (data, 1)][taken == 1 :]:  # if all do not fit, perhaps the first line alone
        try:
            fields = _fields(text, header, sign)
        except BadField as error:
            problem = str(error)
            continue
        for _ in range(count - 1):
            waiting.popleft()
        return Read(number, place(offset, len(text)), fields)
    return Read(number, "", None, problem)


def load(source: Source, file: str, at: str) -> dict[str, Any]:
    """One row again. Raises `Unreadable`."""
    path = source.base / file
    return _fields(piece(path, at), *_header(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=8)
def _header(path: Path, _changed: int) -> tuple[tuple[str, ...], str]:
    """The names of the columns, and the sign between cells."""
    first = next(lines.pieces(path), None)
    if first is None or first[2] is None:
        raise SourceError(f"{path.name}: the file is empty; a first line with the names of the columns is needed")
    try:
        text = first[2].decode("utf-8")
    except UnicodeDecodeError:
        raise SourceError(f"{path.name}: the first line, of the names of the columns, is no UTF-8") from None
    sign = "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=text.count)
    names = tuple(name.strip() for name in _cells(text, sign))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SourceError(f"{path.name}: the first line names column {twice!r} twice; every column needs its own name")
    return names, sign


def _fields(data: bytes, header: tuple[str, ...], sign: str) -> dict[str, Any]:
    """The cells that are not empty. Raises `BadField`."""
    try:
        cells = _cells(data.decode("utf-8"), sign)
    except UnicodeDecodeError as error:
        raise BadField(f"byte {data[error.start]:#04x} at place {error.start} is no UTF-8; save it as UTF-8") from None
    if len(cells) != len(header):
        raise BadField(f"the row has {len(cells)} cells and the first line {len(header)}; is a quotation mark missing?")
    return {name: _cell(name, cell) for name, cell in zip(header, cells, strict=True) if cell and name}


def _cells(text: str, sign: str) -> list[str]:
    csv.field_size_limit(2 * RECORD_BYTES)
    try:
        found = list(csv.reader([text], delimiter=sign))
    except csv.Error as error:
        raise BadField(f"this is no row of a table: {error}") from None
    if len(found) != 1:
        raise BadField("a quotation mark is never closed")
    return found[0]


def _cell(name: str, cell: str) -> Any:
    """A cell: JSON where the column may hold it and it is, text otherwise."""
    if name in STRUCTURED and cell[:1] in ("[", "{"):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell
