"""Stripping: the same upright pixels, and nothing that was written beside them, in every format and orientation."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from pipelines.exif import ORIENTATION, strip
from pipelines.export.pictures import shot
from pipelines.lake.decode import BadPicture, decode
from pipelines.lake.images import encode
from pipelines.tools import picture_id
from tests.pipelines.jobs import picture

SECRET = b"owner@example.com"
PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "examples" / "photographs"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>' + SECRET + b"</dc:creator></x:xmpmeta>"


def exif(orientation: int) -> Image.Exif:
    """What a telephone writes: maker, owner, position, maker's note, how it was held."""
    block = Image.Exif()
    block[0x010F], block[0x0110], block[0x8298] = "SecretMaker", "SecretModel", SECRET.decode()
    block[ORIENTATION] = orientation
    block.get_ifd(0x8769).update({0x927C: b"makernote:" + SECRET, 0x9286: SECRET, 0xA431: "serial-0042"})
    block.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.345), 3: "E", 4: (13.0, 24.0, 17.6)})
    return block


def written(image: Image.Image, kind: str, orientation: int) -> bytes:
    buffer = io.BytesIO()
    block = exif(orientation)
    if kind == "PNG":
        notes = PngImagePlugin.PngInfo()
        notes.add_text("Author", SECRET.decode())
        notes.add_text("Comment", SECRET.decode(), zip=True)
        notes.add_itxt("XML:com.adobe.xmp", XMP.decode())
        image.save(buffer, kind, exif=block, pnginfo=notes)
    elif kind == "JPEG":
        image.save(buffer, kind, exif=block, comment=SECRET, quality=80, progressive=image.width % 2 == 0, xmp=XMP)
    else:
        image.save(buffer, kind, exif=block, xmp=XMP, lossless=image.width % 2 == 0)
    return buffer.getvalue()


def check(before: bytes, after: bytes) -> None:
    """Equal pixels once upright; no word of the secrets, packed or plain; stripping again changes nothing."""
    assert decode(after).tobytes() == decode(before).tobytes() and decode(after).size == decode(before).size
    for word in (SECRET, b"SecretMaker", b"SecretModel", b"serial-0042", b"makernote", b"xmpmeta", b"tEXt", b"zTXt"):
        assert word not in after
    with Image.open(io.BytesIO(after)) as opened:
        block = opened.getexif()
        assert set(block) <= {ORIENTATION} and not block.get_ifd(0x8825) and not block.get_ifd(0x8769)
        assert not {"comment", "xmp", "XML:com.adobe.xmp", "Author"} & set(opened.info)
    assert strip(after) == after


@settings(max_examples=60)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    mode=st.sampled_from(["RGB", "L", "RGBA", "P", "CMYK"]),
    orientation=st.integers(0, 9),
    seed=st.integers(0, 9),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    trailer=st.sampled_from([b"", SECRET, b"\0\0\0\x18ftypmp42" + SECRET]),
)
def test_any_picture(kind, mode, orientation, seed, size, trailer) -> None:
    known = {"JPEG": ("RGB", "L", "CMYK"), "PNG": ("RGB", "L", "RGBA", "P"), "WEBP": ("RGB", "RGBA")}[kind]
    image = picture(seed).resize(size).convert(mode if mode in known else "RGB")
    before = written(image, kind, orientation) + trailer
    after = strip(before)
    check(before, after)
    with Image.open(io.BytesIO(after)) as opened:
        assert opened.format == kind
    assert len(after) < len(before)


@settings(max_examples=150)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.binary(max_size=12)), min_size=1, max_size=3),
)
def test_whatever_can_be_decoded_shows_the_same_after(kind, edits) -> None:
    """Bytes cut out and put in anywhere: files that Pillow reads and the standards do not allow."""
    data = written(picture(1, 24), kind, 6)
    for place, cut, put in edits:
        start = int(place * len(data))
        data = data[:start] + put + data[start + cut :]
    try:
        before = decode(data)
    except BadPicture:
        return
    assert decode(strip(data)).tobytes() == before.tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_colour_profiles_stay(kind) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    buffer = io.BytesIO()
    picture(1).save(buffer, kind, icc_profile=profile, exif=exif(6))
    after = strip(buffer.getvalue())
    check(buffer.getvalue(), after)
    with Image.open(io.BytesIO(after)) as opened:
        assert opened.info["icc_profile"] == profile


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_animations_keep_their_first_picture_and_lose_their_notes(kind) -> None:
    buffer = io.BytesIO()
    frames = [picture(seed, 24) for seed in (1, 2)]
    more = {"comment": SECRET} if kind == "GIF" else {"exif": exif(3)}
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], **more)
    after = strip(buffer.getvalue())
    check(buffer.getvalue(), after)
    with Image.open(io.BytesIO(after)) as opened:
        assert getattr(opened, "n_frames", 1) == (1 if kind == "GIF" else 2)


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "GIF", "PPM"])
def test_other_formats_become_png(kind) -> None:
    buffer = io.BytesIO()
    picture(5).save(buffer, kind, **({"exif": exif(6)} if kind == "TIFF" else {}))
    after = strip(buffer.getvalue())
    check(buffer.getvalue(), after)
    assert after.startswith(b"\x89PNG")


def test_a_preview_inside_and_a_second_picture_behind_are_dropped() -> None:
    """JFIF thumbnails and the previews of multi-picture files may show what was cut from the picture."""
    buffer = io.BytesIO()
    picture(1).save(buffer, "MPO", save_all=True, append_images=[picture(2)])
    after = strip(buffer.getvalue())
    check(buffer.getvalue(), after)
    with Image.open(io.BytesIO(after)) as opened:
        assert opened.format == "JPEG"
    jpeg = io.BytesIO()
    picture(1).save(jpeg, "JPEG")
    plain = jpeg.getvalue()
    thumbnail = plain[6:18] + bytes([1, 1]) + b"RGB"
    fat = plain[:2] + b"\xff\xe0" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + plain[20:]
    assert decode(fat).tobytes() == decode(plain).tobytes()
    assert strip(fat) == strip(plain)


def test_chunks_that_nobody_knows_are_dropped() -> None:
    plain = encode(picture(1))
    chunk = b"prIv" + SECRET
    odd = struct.pack(">I", len(SECRET)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    assert strip(plain[:33] + odd + plain[33:]) == strip(plain) == plain


def test_our_own_photographs_stay_as_they_look() -> None:
    for path in PHOTOGRAPHS.glob("*.jpg"):
        data = path.read_bytes()
        assert decode(strip(data)).tobytes() == decode(data).tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_what_an_export_gives_away_carries_no_notes(kind, orientation) -> None:
    buffer = io.BytesIO()
    picture(1, 32).save(buffer, kind, exif=exif(orientation))
    pixels = decode(buffer.getvalue())
    given_away = shot(picture_id(pixels), buffer.getvalue(), lambda _: pixels).data
    assert b"Secret" in buffer.getvalue() and b"Secret" not in given_away and SECRET not in given_away
    assert decode(given_away).tobytes() == pixels.tobytes()


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(BadPicture, match="no format that is read"):
        strip(b"no picture")


def test_decoded_pictures_carry_no_notes() -> None:
    """So that no file that is written from one repeats them."""
    image = decode(written(picture(1), "JPEG", 6))
    assert image.info == {} and not image.getexif()
