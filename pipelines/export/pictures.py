"""The bytes of a picture as they are given away: the original ones less metadata, unless a loader would misread them.

A photograph names its place, its camera and often its owner: `pipelines.exif` cuts that out, and no pixel changes.
Most loaders open a picture and convert it to RGB: they turn nothing upright and lay nothing transparent on a ground.
Where that gives other pixels than those that the picture's id names, and that questions, boxes and traces are about,
the picture is written as PNG from the named pixels: nothing is lost, and every loader sees the same.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from PIL import Image

from pipelines.exif import strip
from pipelines.lake.images import encode
from pipelines.tools import picture_id

ORIENTATION = 0x0112


@dataclass(frozen=True)
class Shot:
    """A picture: its id, the bytes that are given away, and whether they are made from its pixels."""

    image_id: str
    data: bytes
    redrawn: bool = False

    @cached_property
    def suffix(self) -> str:
        """How a file of these bytes ends, without the dot: jpg, png, …"""
        with Image.open(io.BytesIO(self.data)) as opened:
            kind = (opened.format or "png").lower()
        return {"jpeg": "jpg", "mpo": "jpg", "jpeg2000": "jp2"}.get(kind, kind)

    @property
    def name(self) -> str:
        """The file's name: its id says what it shows, so equal pictures are one file."""
        return f"{self.image_id}.{self.suffix}"


def shot(image_id: str, data: bytes, pixels: Callable[[str], Image.Image]) -> Shot:
    """The picture of an id; `pixels` gives what the id names. Raises what Pillow raises for what is no picture."""
    if reads_alike(image_id, data):
        bare = strip(data)
        return Shot(image_id, bare, redrawn=bare[:2] != data[:2])  # formats that cannot be cut become PNG
    return Shot(image_id, encode(pixels(image_id)), redrawn=True)


def reads_alike(image_id: str, data: bytes) -> bool:
    """Whether a plain loader sees the pixels that the id names."""
    with Image.open(io.BytesIO(data)) as opened:
        upright = opened.getexif().get(ORIENTATION, 1) == 1
        if upright and opened.mode in ("RGB", "L") and "transparency" not in opened.info:
            return True  # nothing to turn and nothing to convert: no need to look at pixels
        return upright and picture_id(opened.convert("RGB")) == image_id
