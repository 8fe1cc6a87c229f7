"""JSON files that hold one list of objects, as LLaVA's do, read one object after another however long the list is.

The list is cut at its commas by brackets and strings alone, so that an object which is no JSON costs only itself. One
that is never closed would swallow all that follow; where objects begin on lines of their own, as `json.dump(indent=…)`
writes them, the next such line ends it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pipelines.sources import lines
from pipelines.sources.files import named
from pipelines.sources.record import RECORD_BYTES, BadField, Read, Source, parsed, piece, place

TOKEN = re.compile(rb'"(?:[^"\\\n]++|\\.)*+(["\n]?)|[\[\]{},]', re.DOTALL)
"""A string, which never holds a raw end of line, or a sign that gives structure. Strings may be cut at the end."""

CHUNK = 1 << 16
CUT_OFF = "the list is cut off in this object: a closing bracket is missing, and what follows it cannot be read"


def rows(source: Source, file: str) -> Iterator[Read]:
    """Every object of the list; of a file of lines, every line."""
    path = source.base / file
    if not is_list(path):
        yield from lines.rows(source, file)
        return
    with path.open("rb") as stream:
        for number, (offset, data, problem) in enumerate(_elements(stream), start=1):
            if problem:
                yield Read(number, "", None, problem)
                continue
            try:
                yield Read(number, place(offset, len(data)), parsed(data))
            except BadField as error:
                yield Read(number, "", None, str(error))


def load(source: Source, file: str, at: str) -> dict[str, Any]:
    """One object again. Raises `Unreadable`."""
    return parsed(piece(source.base / file, at))


def files(source: Source) -> list[str]:
    """Files of the source that end with .json and hold rows: a list, or lines that are objects each."""
    return [name for name in named(source, ".json") if holds_rows(source.base / name)]


def holds_rows(path: Path) -> bool:
    """Whether a file is a list, or lines that are objects each, rather than settings or notes."""
    return is_list(path) or _is_lines(path)


def is_list(path: Path) -> bool:
    """Whether a file begins with the bracket of a list."""
    with path.open("rb") as stream:
        return stream.read(4096).removeprefix(lines.UTF8_MARK).lstrip().startswith(b"[")


def _is_lines(path: Path) -> bool:
    first = next((line for _, _, line in lines.pieces(path) if line is None or line.strip()), None)
    try:
        return first is not None and bool(parsed(first))
    except BadField:
        return False


def _elements(stream: BinaryIO) -> Iterator[tuple[int, bytes, str]]:
    """Offset and bytes of each element of the list, or why it cannot be read."""
    buffer, base = b"", 0  # buffer[0] stands at `base` in the file
    start = at = depth = 0  # where the element begins and where to look on, in the buffer
    indent: bytes | None = None  # what stands between the first bracket and the first object, if that is a new line
    while True:
        token = TOKEN.search(buffer, at)
        if token is None or (token[0][:1] == b'"' and not token[1]):
            at = token.start() if token else len(buffer)
            if at - start > RECORD_BYTES or len(buffer) - start > 2 * RECORD_BYTES:
                yield base + start, b"", CUT_OFF
                return
            more = stream.read(max(CHUNK, len(buffer) - at))
            if not more:
                break
            buffer, base, at, start = buffer[start:] + more, base + start, at - start, 0
            continue
        sign, here, at = token[0], token.start(), token.end()
        if sign in (b"[", b"{"):
            if depth == 1 and indent is None:
                between = buffer[start:here]
                indent = between if between.startswith((b"\n", b"\r")) else b""
            elif depth > 1 and indent and buffer[max(here - len(indent), 0) : here] == indent:
                yield base + start, b"", "the object is not closed: a bracket or a quotation mark is missing"
                start, depth = here, 1
            depth += 1
            if depth == 1:
                start = at
        elif sign == b",":
            if depth == 1:
                yield base + start, buffer[start:here], ""
                start = at
        elif sign in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                if buffer[start:here].strip():
                    yield base + start, buffer[start:here], ""
                start = at
                break
    rest = buffer[start:] + (stream.read(CHUNK) if depth == 0 else b"")
    if depth == 1:
        if rest.strip():
            yield base + start, rest, ""
        yield base + start, b"", "the list is cut off after this place: its closing bracket is missing"
    elif rest.strip():
        yield base + start, b"", CUT_OFF if depth else "there is more after the end of the list, and it is not read"
