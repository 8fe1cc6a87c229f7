"""JSON lines: one object a line. Also the `.json` files that hold lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from pipelines.sources.record import RECORD_BYTES, BadField, Read, Source, parsed, piece, place

UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
WRONG_ENCODING = "the file is UTF-16; save it as UTF-8"
MIB = RECORD_BYTES >> 20


Line: TypeAlias = tuple[int, int, bytes | None]
"""Number, offset and bytes of a line; None for one longer than `RECORD_BYTES`."""


def pieces(file: Path) -> Iterator[Line]:
    """The lines of a file, without its mark of UTF-8."""
    with file.open("rb") as stream:
        number = offset = 0
        while line := stream.readline(RECORD_BYTES + 1):
            number, start = number + 1, offset
            offset += len(line)
            whole = len(line) <= RECORD_BYTES
            last = line
            while not last.endswith(b"\n") and (last := stream.readline(RECORD_BYTES)):
                offset, whole = offset + len(last), False
            if not whole:
                yield number, start, None
                continue
            if start == 0:
                skipped = len(UTF8_MARK) if line.startswith(UTF8_MARK) else 0
                start, line = skipped, line[skipped:]
            yield number, start, line


def rows(source: Source, file: str) -> Iterator[Read]:
    """Every line of a file; a broken one costs only itself."""
    path = source.base / file
    if starts_with(path, *UTF16_MARKS):
        yield Read(1, "", None, WRONG_ENCODING)
        return
    for number, offset, line in pieces(path):
        if line is not None and not line.strip():
            continue
        if line is None:
            yield Read(number, "", None, f"the line is longer than {MIB} MiB; keep pictures in files of their own")
            continue
        try:
            yield Read(number, place(offset, len(line)), parsed(line))
        except BadField as error:
            yield Read(number, "", None, str(error))


def load(source: Source, file: str, at: str) -> dict[str, Any]:
    """One line again. Raises `Unreadable`."""
    return parsed(piece(source.base / file, at))


def starts_with(path: Path, *marks: bytes) -> bool:
    """Whether a file begins with one of the marks."""
    with path.open("rb") as stream:
        return stream.read(max(map(len, marks))).startswith(marks)
