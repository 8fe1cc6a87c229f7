"""What an image file says beside its pixels, taken out: EXIF with its GPS position, XMP, comments, previews, trailers.

Why: a photograph names its place, its camera and often its owner, and none of that is wanted in what leaves the lake.
JPEG, PNG and WebP are cut segment by segment, so no pixel is compressed anew; only what decides colours stays, and
where the picture has to be turned, an EXIF of one entry that says so. Any other format is written anew as PNG.

Sources: ITU-T T.81 (JPEG) B.1, JFIF 1.02, PNG 3rd edition 4.7 and 11, RFC 9649 (WebP), Exif 3.0 4.6.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from pipelines.lake.decode import TURNS, decode, orientation_of
from pipelines.lake.images import encode

ORIENTATION = 0x0112
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = frozenset(
    b"IHDR PLTE tRNS IDAT IEND gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT bKGD pHYs acTL fcTL fdAT".split()
)
WEBP_KEPT = frozenset([b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"ANIM", b"ANMF"])
WEBP_ICC, WEBP_ALPHA, WEBP_EXIF, WEBP_ANIMATED = 0x20, 0x10, 0x08, 0x02

_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The next marker after entropy-coded data: not a stuffed byte, not a restart, not a fill byte."""


class _Malformed(ValueError):
    """A file whose segments do not follow each other as its format says."""


def strip(data: bytes) -> bytes:
    """An image file without metadata: equal pixels once it is decoded and turned upright.

    Raises `pipelines.lake.decode.BadPicture` for bytes that are no picture.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            kind, turned = opened.format, orientation_of(opened)
        if kind in _CUT:
            return _CUT[kind](data, turned if turned in TURNS else 1)
    except (OSError, ValueError, SyntaxError, struct.error, IndexError):
        pass  # Pillow reads more than the standards allow; or it is no picture, as decoding will say
    return encode(decode(data))


def _orientation_exif(orientation: int) -> bytes:
    """The smallest TIFF block that states an orientation: one entry, big-endian."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, ORIENTATION, 3, 1, orientation, 0, 0)


def _jpeg(data: bytes, orientation: int) -> bytes:
    out = [b"\xff\xd8"]
    if orientation != 1:
        block = b"Exif\0\0" + _orientation_exif(orientation)
        out.append(b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block)
    place = 2
    while True:
        while data[place : place + 2] == b"\xff\xff":
            place += 1
        marker = data[place : place + 2]
        if len(marker) < 2 or marker[0] != 0xFF:
            raise _Malformed("no marker where one is needed")
        if marker[1] == 0xD9:
            return b"".join([*out, marker])  # whatever follows the end is dropped: previews, films, makers' trailers
        (length,) = struct.unpack_from(">H", data, place + 2)
        segment = data[place + 4 : place + 2 + length]
        kept = _jpeg_segment(marker[1], segment)
        if kept is not None:
            out.append(marker + struct.pack(">H", len(kept) + 2) + kept)
        place += 2 + length
        if marker[1] == 0xDA:
            found = _SCAN_END.search(data, place)
            if found is None:
                raise _Malformed("the scan never ends")
            out.append(data[place : found.start()])
            place = found.start()


def _jpeg_segment(marker: int, segment: bytes) -> bytes | None:
    """What stays of a segment: tables, frames and scans whole; of applications' only what decides how it looks."""
    if marker == 0xFE:
        return None
    if not 0xE0 <= marker <= 0xEF:
        return segment
    if marker == 0xE0 and segment.startswith(b"JFIF\0") and len(segment) >= 12:
        return segment[:12] + b"\0\0"  # without its thumbnail
    if marker == 0xE2 and segment.startswith(b"ICC_PROFILE\0"):
        return segment
    if marker == 0xEE and segment.startswith(b"Adobe") and len(segment) >= 12:
        return segment[:12]  # says whether the colours are YCbCr, RGB, CMYK or YCCK
    return None


def _png(data: bytes, orientation: int) -> bytes:
    out, place = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while True:
        length, name = struct.unpack_from(">I4s", data, place)
        whole = data[place : place + 12 + length]
        if len(whole) != 12 + length:
            raise _Malformed("a chunk is cut off")
        if name in PNG_KEPT:
            out.append(whole)
        if name == b"IHDR" and orientation != 1:
            block = b"eXIf" + _orientation_exif(orientation)
            out.append(struct.pack(">I", len(block) - 4) + block + struct.pack(">I", zlib.crc32(block)))
        place += len(whole)
        if name == b"IEND":
            return b"".join(out)


def _webp(data: bytes, orientation: int) -> bytes:
    (size,) = struct.unpack_from("<I", data, 4)
    chunks = [(name, body) for name, body in _riff(data[12 : 8 + size]) if name in WEBP_KEPT]
    if orientation != 1:
        if chunks[0][0] != b"VP8X":
            raise _Malformed("only an extended file can say how it is turned")
        chunks.append((b"EXIF", _orientation_exif(orientation)))
    body = b"".join(_riff_chunk(name, _webp_body(name, body, orientation)) for name, body in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _webp_body(name: bytes, body: bytes, orientation: int) -> bytes:
    if name == b"VP8X":
        kept = WEBP_ICC | WEBP_ALPHA | WEBP_ANIMATED
        return bytes([body[0] & kept | (WEBP_EXIF if orientation != 1 else 0)]) + body[1:]
    if name == b"ANMF":  # sixteen bytes of place and time, then the chunks of one frame
        inside = [(each, held) for each, held in _riff(body[16:]) if each in WEBP_KEPT]
        return body[:16] + b"".join(_riff_chunk(each, held) for each, held in inside)
    return body


def _riff(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        body = data[place + 8 : place + 8 + length]
        if len(body) != length:
            raise _Malformed("a chunk is cut off")
        yield name, body
        place += 8 + length + length % 2


def _riff_chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


_CUT = {"JPEG": _jpeg, "MPO": _jpeg, "PNG": _png, "WEBP": _webp}
"""Formats, by Pillow's names, whose segments are known here."""
