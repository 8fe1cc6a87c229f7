"""Kinds of broken pictures, and of paths that lead to none or to where nobody may read."""

from __future__ import annotations

import gzip
import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.hostile.build import PNG, THIRD, Kind, encoded, good, jsonl, pictured, png_claiming
from tests.pipelines.jobs import picture

ROW = "metadata.jsonl, row 2"
ASKS = {"question": "Bad?", "answer": "yes"}


def names(path: str, prepare: Callable[[Path], object] = lambda root: None) -> Callable[[Path], None]:
    """A line that names `path`; `prepare(folder)` puts there what it leads to."""

    def build(root: Path) -> None:
        prepare(root)
        jsonl({"file_name": path, **ASKS})(root)

    return build


def outside(root: Path) -> Path:
    """A good picture that lies beside the source's folder, where nothing may be read."""
    (root.parent / "secret.png").write_bytes(PNG["third.png"])
    return root.parent / "secret.png"


def absolute(root: Path) -> None:
    jsonl({"file_name": str(outside(root)), **ASKS})(root)


def link_out(root: Path) -> None:
    (root / "link.png").symlink_to(outside(root))


def folder_link_out(root: Path) -> None:
    outside(root)
    (root / "up").symlink_to(root.parent)


def loop(root: Path) -> None:
    (root / "a.png").symlink_to("b.png")
    (root / "b.png").symlink_to("a.png")
    (root / "round").symlink_to(".")  # a folder inside itself: walking it must end


def twins(root: Path) -> None:
    """Two names that some file systems take for one; each must give its own picture."""
    (root / "Twin.png").write_bytes(PNG["first.png"])
    (root / "twin.png").write_bytes(PNG["third.png"])
    (root / "caf\u00e9.png").write_bytes(PNG["second.png"])
    (root / "cafe\u0301.png").write_bytes(encoded(picture(4, 16)))
    jsonl(good("Twin?", "twin.png"), good("Composed?", "caf\u00e9.png"), good("Decomposed?", "cafe\u0301.png"))(root)


def broken_exif() -> bytes:
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIHH", 1, 0x0112, 3, 0xFFFFFFFF, 99, 0) + b"\xff" * 8
    return encoded(THIRD, "JPEG", exif=exif)


def truncated(kind: str, share: float = 0.5) -> bytes:
    data = encoded(picture(9, 64), kind)
    return data[: int(len(data) * share)]


def bomb(kind: str, side: int) -> bytes:
    """A picture of one colour that is small on disk and large in memory."""
    return encoded(Image.new("L", (side, side)), kind, **({"compression": "tiff_deflate"} if kind == "TIFF" else {}))


def animated() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("P", (8, 8), number) for number in range(4)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def text_bomb() -> bytes:
    """A PNG with a compressed comment that grows a thousandfold."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", "x" * 64_000_000, zip=True)
    return encoded(THIRD, "PNG", pnginfo=info)


PICTURES: list[Kind] = [
    Kind(
        "truncated_jpeg", pictured(lambda: truncated("JPEG")), rule="undecodable", says=(ROW, "'bad.jpg'", "truncated")
    ),
    Kind("truncated_png", pictured(lambda: truncated("PNG"), "bad.png"), rule="undecodable", says=(ROW, "'bad.png'")),
    Kind(
        "truncated_webp", pictured(lambda: truncated("WEBP"), "bad.webp"), rule="undecodable", says=(ROW, "'bad.webp'")
    ),
    Kind("truncated_gif", pictured(lambda: truncated("GIF"), "bad.gif"), rule="undecodable", says=(ROW, "'bad.gif'")),
    Kind(
        "jpeg_cut_in_its_header", pictured(lambda: truncated("JPEG", 0.05)), rule="undecodable", says=(ROW, "'bad.jpg'")
    ),
    Kind("zero_bytes", pictured(lambda: b""), rule="empty_picture", says=(ROW, "'bad.jpg'", "no bytes")),
    Kind(
        "only_zeros",
        pictured(lambda: b"\0" * 4096),
        rule="undecodable",
        says=(ROW, "'bad.jpg'", "no format that is read"),
    ),
    Kind(
        "text_named_png",
        pictured(lambda: b"this is no picture\n", "bad.png"),
        rule="undecodable",
        says=(ROW, "'bad.png'"),
    ),
    Kind(
        "html_named_jpg", pictured(lambda: b"<html>404 Not Found</html>"), rule="undecodable", says=(ROW, "'bad.jpg'")
    ),
    Kind(
        "svg_named_png",
        pictured(lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "bad.png"),
        rule="undecodable",
        says=(ROW, "'bad.png'"),
    ),
    Kind(
        "postscript",
        pictured(lambda: b"%!PS-Adobe-3.0 EPSF\n%%BoundingBox: 0 0 9 9\n"),
        rule="undecodable",
        says=(ROW,),
    ),
    Kind(
        "gzipped_picture",
        pictured(lambda: gzip.compress(PNG["third.png"])),
        rule="undecodable",
        says=(ROW, "'bad.jpg'"),
    ),
    Kind(
        "header_claims_a_bomb",
        pictured(lambda: png_claiming(100_000, 100_000), "bad.png"),
        rule="too_large",
        says=(ROW, "'bad.png'", "pixels", "are decoded"),
    ),
    Kind("real_bomb_png", pictured(lambda: bomb("PNG", 9_000), "bad.png"), rule="too_large", says=(ROW, "9000 × 9000")),
    Kind(
        "real_bomb_tiff", pictured(lambda: bomb("TIFF", 9_000), "bad.tif"), rule="too_large", says=(ROW, "9000 × 9000")
    ),
    Kind("comment_bomb", pictured(text_bomb, "bad.png"), rule="undecodable", says=(ROW, "'bad.png'")),
    Kind(
        "claims_no_size", pictured(lambda: png_claiming(0, 0), "bad.png"), rule="undecodable", says=(ROW, "'bad.png'")
    ),
    Kind("claims_a_little_more", pictured(lambda: png_claiming(64, 64), "bad.png"), rule="undecodable", says=(ROW,)),
    Kind("wrong_suffix", pictured(lambda: PNG["third.png"], "bad.jpg"), way="kept", more=1),
    Kind("animated_gif", pictured(animated, "bad.gif"), way="kept", more=1),
    Kind("cmyk", pictured(lambda: encoded(THIRD.convert("CMYK"), "JPEG")), way="kept", more=1),
    Kind("sixteen_bits", pictured(lambda: encoded(Image.new("I;16", (8, 8), 40_000)), "bad.png"), way="kept", more=1),
    Kind(
        "palette_with_transparency",
        pictured(lambda: encoded(THIRD.convert("P"), transparency=0), "bad.png"),
        way="kept",
        more=1,
    ),
    Kind("one_pixel", pictured(lambda: encoded(Image.new("1", (1, 1))), "bad.png"), way="kept", more=1),
    Kind("broken_exif", pictured(broken_exif), way="kept", more=1),
    Kind("missing_file", names("gone.png"), rule="missing_file", says=(ROW, "'gone.png'", "relative to the folder")),
    Kind(
        "path_up",
        names("../secret.png", outside),
        rule="path_escapes",
        says=(ROW, "'../secret.png'", "only files inside"),
    ),
    Kind("path_up_from_below", names("x/../../secret.png", outside), rule="path_escapes", says=(ROW,)),
    Kind("absolute_path", absolute, rule="path_escapes", says=(ROW, "secret.png", "only files inside")),
    Kind("link_out", names("link.png", link_out), rule="path_escapes", says=(ROW, "'link.png'", "only files inside")),
    Kind("folder_link_out", names("up/secret.png", folder_link_out), rule="path_escapes", says=(ROW, "only files")),
    Kind("link_loop", names("a.png", loop), rule="missing_file", says=(ROW, "'a.png'")),
    Kind(
        "directory_named_jpg",
        names("dir.jpg", lambda root: (root / "dir.jpg").mkdir()),
        rule="missing_file",
        says=(ROW, "'dir.jpg'", "no regular file"),
    ),
    Kind(
        "pipe",  # reading one waits for ever
        names("pipe.png", lambda root: os.mkfifo(root / "pipe.png")),
        rule="missing_file",
        says=(ROW, "'pipe.png'", "no regular file"),
    ),
    Kind(
        "device",  # reading it never ends
        names("zero.png", lambda root: (root / "zero.png").symlink_to("/dev/zero")),
        rule="path_escapes",
        says=(ROW, "'zero.png'", "only files inside"),
    ),
    Kind("long_name", names("x" * 500 + ".png"), rule="missing_file", says=(ROW, "xxx", "too long")),
    Kind("endless_name", names("x" * 5_000 + ".png"), rule="bad_picture", says=(ROW, "xxx", "neither a path nor")),
    Kind("null_in_path", names("nul\0l.png"), rule="missing_file", says=(ROW, "null")),
    Kind("address", names("https://example.org/a.png"), rule="remote_file", says=(ROW, "nothing is fetched")),
    Kind("windows_path", names("C:\\photos\\a.png"), rule="missing_file", says=(ROW, "relative to the folder")),
    Kind("home_path", names("~/a.png"), rule="missing_file", says=(ROW, "relative to the folder")),
    Kind("empty_path", names(""), rule="missing_picture", says=(ROW, "'file_name'", "a path in the source")),
    Kind("path_is_the_folder", names("."), rule="missing_file", says=(ROW, "no regular file")),
    Kind("twin_names", twins, way="kept", more=3),
    Kind(
        "one_of_two_pictures_broken",
        jsonl({"file_names": ["third.png", "gone.png"], **ASKS}),
        rule="missing_file",
        says=(ROW, "'gone.png'"),
    ),
]
