"""Pictures inside a page: WebP as data addresses, small enough that a page stays a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from PIL import Image

SIDE = 640
"""The longest side of a picture that is looked at, in pixels."""

THUMB = 288
"""The longest side of a picture that is only recognised."""

QUALITY = 82

COLOURS = 4096
"""A picture with more colours than this is a photograph."""


@dataclass(frozen=True)
class Shown:
    """A picture for an `<img>`: its data address, the size it is stored in, and the size of the original."""

    src: str
    width: int
    height: int
    original: tuple[int, int]


def shown(image: Image.Image, side: int = SIDE) -> Shown:
    """A picture, made smaller where it is larger than `side`. Drawings stay exact; photographs are compressed."""
    small = image.convert("RGB")
    if max(small.size) > side:
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
    data = _webp(small, lossless=small.getcolors(COLOURS) is not None)
    address = "data:image/webp;base64," + base64.b64encode(data).decode("ascii")
    return Shown(address, small.width, small.height, image.size)


def _webp(image: Image.Image, *, lossless: bool) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=lossless, quality=QUALITY, method=4)
    return buffer.getvalue()
