"""What becomes of every kind of picture file, one test for each choice that docs/ingest.md states."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.lake.decode import LARGEST, TURNS, BadPicture, decode
from tests.pipelines.jobs import picture

WIDE = picture(1).resize((40, 20))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def same(found: Image.Image, wanted: Image.Image, within: int = 0) -> bool:
    if (found.mode, found.size) != ("RGB", wanted.size):
        return False
    difference = np.asarray(found).astype(int) - np.asarray(wanted.convert("RGB")).astype(int)
    return int(np.abs(difference).max()) <= within


@pytest.mark.parametrize("orientation", [1, *TURNS])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_turned_camera_is_turned_back(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 98, "subsampling": 0}}.get(kind, {})
    turned = WIDE if orientation == 1 else WIDE.transpose(TURNS[orientation])
    assert same(decode(encoded(WIDE, kind, exif=exif, **options)), turned, 16 if kind == "JPEG" else 0)


def test_a_nonsense_orientation_costs_no_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert same(decode(encoded(WIDE, exif=exif)), WIDE)
    data = encoded(WIDE, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert decode(data).size == WIDE.size


def test_broken_bytes_are_not_warned_about_on_the_terminal(recwarn: pytest.WarningsRecorder) -> None:
    decode(encoded(WIDE, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))
    with pytest.raises(BadPicture):
        decode(bomb(11_000, 11_000))
    assert not recwarn.list


def test_a_palette_becomes_its_colours() -> None:
    palette = WIDE.quantize(32)
    assert same(decode(encoded(palette)), palette)


def test_grey_and_black_and_white_become_rgb() -> None:
    assert same(decode(encoded(WIDE.convert("L"))), WIDE.convert("L"))
    assert same(decode(encoded(WIDE.convert("1"))), WIDE.convert("1"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_shows_white_whatever_lies_under_it(mode: str) -> None:
    clear = Image.new("RGBA", (2, 1), (200, 0, 0, 0))
    clear.putpixel((1, 0), (0, 0, 0, 255))
    data = encoded(
        clear.convert("P").convert("PA") if mode == "PA" else clear.convert(mode), "TIFF" if mode == "PA" else "PNG"
    )
    found = decode(data)
    assert (found.getpixel((0, 0)), found.getpixel((1, 0))) == ((255, 255, 255), (0, 0, 0))


def test_half_transparent_is_mixed_with_white() -> None:
    assert decode(encoded(Image.new("RGBA", (1, 1), (0, 0, 0, 128)))).getpixel((0, 0)) == (127, 127, 127)


def test_a_transparent_colour_of_a_palette_or_of_rgb_shows_white() -> None:
    flat = Image.new("P", (2, 1))
    flat.putpalette([255, 0, 0, 0, 255, 0])
    flat.putpixel((1, 0), 1)
    found = decode(encoded(flat, "GIF", transparency=0))
    assert (found.getpixel((0, 0)), found.getpixel((1, 0))) == ((255, 255, 255), (0, 255, 0))
    keyed = encoded(Image.new("RGB", (1, 1), (9, 9, 9)), transparency=(9, 9, 9))
    assert decode(keyed).getpixel((0, 0)) == (255, 255, 255)


def test_of_sixteen_bits_the_upper_eight_stay() -> None:
    levels = np.array([[0, 255, 256, 0x7FFF, 0xFFFF]], dtype=np.uint16)
    wanted = [0, 0, 1, 127, 255]
    for data in (encoded(Image.fromarray(levels)), encoded(Image.fromarray(levels), "TIFF")):
        assert np.asarray(decode(data))[0, :, 0].tolist() == wanted
    rows = b"".join(b"\0" + struct.pack(">3H", level, 0, 0xFFFF) for level in (0x1234, 0xFF00))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 1, 2, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    deep = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
    assert np.asarray(decode(deep)).tolist() == [[[0x12, 0, 255]], [[0xFF, 0, 255]]]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_cmyk_is_converted() -> None:
    inks = WIDE.convert("CMYK")
    assert same(decode(encoded(inks, "TIFF")), inks)
    assert same(decode(encoded(inks, "JPEG", quality=95)), WIDE, 40)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_or_several_pages_the_first_counts(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert same(decode(data), frames[0])


def test_nothing_but_pixels_is_left() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret"
    assert decode(encoded(WIDE, "JPEG", exif=exif, comment="another")).info == {}


def bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


BAD = {
    "nothing": (b"", "empty_picture", "it has no bytes"),
    "text": (b"this is no picture", "undecodable", "no format that is read"),
    "half a jpeg": (encoded(picture(2), "JPEG")[:600], "undecodable", "runcated"),
    "half a png": (encoded(picture(2))[:600], "undecodable", ""),
    "a program": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "undecodable", "no format that is read"),
    "a drawing": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "undecodable", "no format that is read"),
    "a bomb": (bomb(60_000, 60_000), "too_large", "pixels"),
    "a picture just too large": (bomb(8193, 8192), "too_large", "8193 × 8192 pixels; at most 67,108,864"),
    "fractions": (encoded(Image.new("F", (2, 2), 0.5), "TIFF"), "undecodable", "fractions"),
    "32 bits": (encoded(Image.new("I", (2, 2), 1 << 20), "TIFF"), "undecodable", "more than 16 bits"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_says_why(name: str) -> None:
    data, kind, words = BAD[name]
    with pytest.raises(BadPicture) as caught:
        decode(data)
    assert caught.value.kind == kind and words in str(caught.value)


def test_the_largest_picture_is_read_by_its_size_and_not_by_its_bytes() -> None:
    assert LARGEST == 8192 * 8192
    with pytest.raises(BadPicture) as caught:
        decode(bomb(8192, 8192))
    assert caught.value.kind == "undecodable"  # large enough, but its pixels are missing


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"]), st.data())
def test_broken_bytes_raise_nothing_else(kind: str, data: st.DataObject) -> None:
    good = bytearray(encoded(picture(3, 16), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert decode(bytes(good)[: data.draw(st.integers(1, len(good)))]).mode == "RGB"
    except BadPicture as error:
        assert str(error)
