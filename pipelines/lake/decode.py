"""From the bytes of a picture file to RGB pixels: what is read, what is refused, what becomes of every kind."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from PIL import ExifTags, Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""What is read, MPO as the JPEG that it begins with. Pillow knows more: what runs programs (EPS), or has no pixels."""

LARGEST = 64 * 1024 * 1024
"""Pixels of the largest picture that is decoded; of a larger one only the header is read."""

TURNS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture of each EXIF orientation is turned upright."""


class BadPicture(ValueError):
    """Bytes that are no picture we read; `kind` is stable, the message says what would be right."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def decode(data: bytes) -> Image.Image:
    """Bytes of a picture file as RGB pixels, without its metadata; `format` says what it was. Raises `BadPicture`.

    It is turned as its EXIF orientation says; of an animation or of several pages the first counts; what is transparent
    shows white; of 16 bits a channel the upper 8 stay; CMYK is converted without its colour profile. docs/ingest.md has
    the whole list.
    """
    if not data:
        raise BadPicture("empty_picture", "it has no bytes")
    try:
        with quietly(), Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > LARGEST:
                size = f"{opened.width} × {opened.height}"
                raise BadPicture("too_large", f"it has {size} pixels; at most {LARGEST:,} are decoded")
            image, kind = _rgb(opened), opened.format
            orientation = orientation_of(opened)  # after the pixels: Pillow's TIFF reader turns them and says so
    except BadPicture:
        raise
    except Image.DecompressionBombError:
        raise BadPicture("too_large", f"its header claims more than the {LARGEST:,} pixels that are decoded") from None
    except Exception as error:  # Pillow's readers raise whatever broken bytes make them raise
        said = " ".join(str(error).split())
        said = (
            "its bytes are of no format that is read" if "cannot identify" in said else said or "its bytes are broken"
        )
        raise BadPicture("undecodable", f"{said} ({type(error).__name__})") from error
    turn = TURNS.get(orientation)
    image = image if turn is None else image.transpose(turn)
    image.info, image.format = {}, kind
    return image


@contextmanager
def quietly() -> Iterator[None]:
    """Without Pillow's warnings: what it warns of is refused here, or costs no picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _rgb(opened: Image.Image) -> Image.Image:
    """The pixels of the first frame as 8-bit RGB."""
    opened.load()
    if opened.mode.startswith("I"):  # 16-bit grey, or 32-bit numbers that hold it
        levels = np.asarray(opened).astype(np.int64)
        if levels.min() < 0 or levels.max() > 0xFFFF:
            raise BadPicture("undecodable", "its numbers have more than 16 bits; save it with 8 or 16 bits a channel")
        return Image.fromarray((levels >> 8).astype(np.uint8)).convert("RGB")
    if opened.mode == "F":
        raise BadPicture("undecodable", "its pixels are fractions of no stated range; save it with 8 bits a channel")
    if opened.has_transparency_data:
        shown = opened.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")
    if opened.mode == "RGB":
        return opened._new(opened.im)  # the same pixels without the file: `convert` would copy them
    return opened.convert("RGB")


def orientation_of(opened: Image.Image) -> int:
    """The EXIF orientation; 1 where there is none, or where the EXIF is broken, which costs no picture."""
    try:
        return int(opened.getexif().get(ExifTags.Base.Orientation, 1))
    except (ValueError, TypeError, KeyError, OSError, SyntaxError, ArithmeticError, struct.error):
        return 1
