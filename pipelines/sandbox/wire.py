"""What crosses the border of the sandbox, as bytes; both sides import this file, so it needs the standard library only.

A frame is the length of a header (four bytes, big-endian), the header (JSON), and the blobs that the header announces.
Nothing is ever unpickled. What comes out of the sandbox is a claim: `read_answer` believes no length, type or count.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LENGTH = struct.Struct(">I")
MAX_HEADER = 1 << 16
MAX_MESSAGE = 2000
"""Characters of an error's message."""

CALL = struct.Struct("<d8Q")
"""Wall seconds; processor seconds; bytes of address space, temporary folder and one file; files; threads; open files;
the user to become (0 to stay)."""

DONE = struct.Struct("<iBd")
"""How the process of a call ended: its wait status, whether its time was up, the processor seconds it used."""


class Malformed(ValueError):
    """Bytes that no honest run could have sent."""


Bytes = bytes | memoryview


@dataclass(frozen=True)
class Raw:
    """An RGB picture as its size and its bytes, row by row."""

    width: int
    height: int
    data: Bytes


@dataclass(frozen=True)
class Answer:
    """What a run says of itself. `error` is the kind (`exception` or `memory`) and message of what it raised."""

    images: tuple[Raw, ...] = ()
    error: tuple[str, str] | None = None


def request(code: str, images: Sequence[Raw], room: tuple[int, int]) -> list[Bytes]:
    """A program, the pictures it sees, and how many pictures of how many pixels together it may show."""
    return _frame({"code": code, "room": room}, images)


def read_request(data: Bytes) -> tuple[str, tuple[Raw, ...], tuple[int, int]]:
    """What `request` wrote; the host is believed."""
    header, images = _parts(data, None)
    return header["code"], tuple(images), tuple(header["room"])


def answer(of: Answer) -> list[Bytes]:
    """The frame of a run's own account."""
    error = None if of.error is None else (of.error[0], of.error[1][:MAX_MESSAGE])
    return _frame({"error": error}, of.images)


def read_answer(data: Bytes, room: tuple[int, int]) -> Answer:
    """The account that a run left, within `room` (pictures, pixels of all together). Raises `Malformed`."""
    try:
        header, images = _parts(data, room)
        if header.keys() != {"images", "error"}:
            raise Malformed("the header holds something else")
        error = header["error"]
        if error is not None:
            kind, message = error
            if kind not in ("exception", "memory") or not isinstance(message, str) or len(message) > MAX_MESSAGE:
                raise Malformed("the error is of no known kind")
            error = kind, message.encode("utf-8", "replace").decode()
    except Malformed:
        raise
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError, struct.error):
        raise Malformed("it is no frame") from None
    return Answer(tuple(images), error)


def _frame(header: dict[str, Any], images: Sequence[Raw]) -> list[Bytes]:
    """In parts, to be written one after the other: pictures are copied as seldom as can be."""
    text = json.dumps(header | {"images": [(image.width, image.height) for image in images]}).encode()
    return [LENGTH.pack(len(text)), text, *(image.data for image in images)]


def _parts(data: Bytes, room: tuple[int, int] | None) -> tuple[dict[str, Any], list[Raw]]:
    """The header and the pictures; with `room`, nothing about them is believed."""
    (length,) = LENGTH.unpack_from(data)
    start = LENGTH.size + length
    if room is not None and length > MAX_HEADER:
        raise Malformed(f"its header is {length} bytes long")
    view = memoryview(data)
    header = json.loads(bytes(view[LENGTH.size : start]))
    sizes = header["images"]
    if room is not None:
        _check(sizes, *room)
    images = []
    for width, height in sizes:
        end = start + 3 * width * height
        images.append(Raw(width, height, view[start:end]))
        start = end
    if start != len(data):
        raise Malformed(f"it has {len(data)} bytes and announces {start}")
    return header, images


def _check(sizes: Any, pictures: int, pixels: int) -> None:
    if not isinstance(sizes, list) or len(sizes) > pictures:
        raise Malformed(f"it has more than {pictures} pictures")
    for width, height in sizes:
        if type(width) is not int or type(height) is not int or not (0 < width < 1 << 16 and 0 < height < 1 << 16):
            raise Malformed("a picture has no size")
    if sum(width * height for width, height in sizes) > pixels:
        raise Malformed(f"it has more than {pixels} pixels")
