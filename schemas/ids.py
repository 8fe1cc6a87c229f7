"""Content ids: 32 hexadecimal characters of blake2b-128 over canonical JSON.

Equal content gives an equal id on every machine and in every process, so an id can be computed before a row is
written, and two rows with one id are one row.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from PIL import Image

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
"""Anything that JSON can hold."""


def canonical(value: Json) -> Json:
    """The one form of a JSON value: NFC strings, whole floats as integers, tuples as lists.

    Raises `ValueError` for NaN and infinities, `TypeError` for what JSON cannot hold.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no canonical JSON form")
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, Mapping):
        return {unicodedata.normalize("NFC", str(key)): canonical(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [canonical(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")


def canonical_json(value: Json) -> str:
    """Canonical JSON text: NFC, keys sorted, no spaces, no escapes beyond those JSON demands."""
    return json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(data: bytes) -> str:
    """blake2b-128 of bytes as 32 hexadecimal characters."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def content_id(kind: str, value: Json) -> str:
    """Id of a JSON value; `kind` keeps ids of different tables apart."""
    return digest(canonical_json([kind, value]).encode())


def image_id(width: int, height: int, rgb: bytes) -> str:
    """Id of a picture: its size and its RGB pixels (rows from the top, 3 bytes a pixel), not its file format."""
    if len(rgb) != 3 * width * height:
        raise ValueError(f"{len(rgb)} bytes are not {width}x{height} RGB pixels")
    found = hashlib.blake2b(f"image:{width}x{height}:".encode(), digest_size=16)
    found.update(rgb)
    return found.hexdigest()


def picture_id(picture: Image.Image) -> str:
    """The id of a picture's RGB pixels."""
    rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
    return image_id(rgb.width, rgb.height, rgb.tobytes())


def sample_id(image_ids: Sequence[str], question: str, options: Sequence[str], answer: Json, answer_type: str) -> str:
    """Id of a sample: ordered pictures, question, options, canonical answer and its type."""
    return content_id("sample", [list(image_ids), question, list(options), answer, answer_type])


def seed_of(*parts: Json) -> int:
    """A 63-bit seed that depends on nothing but its parts."""
    return int(digest(canonical_json(["seed", *parts]).encode())[:16], 16) >> 1
