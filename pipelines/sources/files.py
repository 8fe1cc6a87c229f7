"""Files of a source: which there are, their fingerprint, and reading one without ever leaving the source's folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from pipelines.sources.record import Source, Unreadable

PICTURE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .apng .gif .webp .bmp .dib .tif .tiff .avif .jp2 .j2k .ppm .pgm .pbm .mpo".split()
)
FILE_BYTES = 256 * 1024 * 1024
"""A larger picture file is refused before it is read."""


LAKE = frozenset({"_leases", "_manifests", "_runs"})
"""Folders by which a lake is known."""


def visible(base: Path, *patterns: str) -> list[Path]:
    """Files below `base` that match one of the patterns, sorted.

    Left out are hidden ones, links that lead out, and lakes: the one to write to may well stand among one's data.
    """
    root, found = base.resolve(), list[tuple[str, ...]]()
    folders: list[tuple[str, ...]] = [()]
    while folders:
        inside = folders.pop()
        entries = list(_entries(base.joinpath(*inside)))
        if inside and any(name in LAKE for name, _ in entries):
            continue
        for name, entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append((*inside, name))
            elif any(fnmatchcase(name, pattern) for pattern in patterns) and _inside(entry, root):
                found.append((*inside, name))
    return [base.joinpath(*parts) for parts in sorted(found)]


def named(source: Source, *suffixes: str) -> list[str]:
    """Files of a source that end so, or all, relative to its folder; the source itself where it is such a file."""
    if source.path.is_file():
        found = [source.path.name]
    else:
        found = [item.relative_to(source.path).as_posix() for item in visible(source.path, "*")]
    return [name for name in found if name.lower().endswith(suffixes or "")]


def fingerprint(path: Path, images: str = "") -> str:
    """Hash of the content of a source: names and bytes of its files, except hidden ones.

    Of a source that is one file, that file and those of its folder `images`: give the folder as the source where
    pictures lie beside a list of them.
    """
    base = path if path.is_dir() else path.parent
    files = visible(base, "*") if path.is_dir() else [path, *(visible(base / images, "*") if images else [])]
    whole = hashlib.blake2b(digest_size=16)
    for file in files:
        name = file.relative_to(base).as_posix()
        whole.update(f"{name}:".encode("utf-8", "surrogateescape"))
        try:
            with file.open("rb") as stream:
                whole.update(f"{file.stat().st_size}:".encode())
                whole.update(hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).digest())
        except PermissionError:  # one file that may not be read costs the rows that name it, and no more
            whole.update(b"?")
    return whole.hexdigest()


def read_inside(source: Source, name: str, listed_in: str) -> bytes:
    """The bytes of a file that a row names. Raises `Unreadable`.

    `name` starts at the folder of `listed_in`, or else at the source's folder (below `source.images` where that is
    given). The file must lie inside the source's folder once every link is followed.
    """
    if name.startswith(("http://", "https://", "s3://", "gs://", "hf://", "ftp://")):
        raise Unreadable("remote_file", f"{name!a} is an address, and nothing is fetched; download it into the source")
    base = _resolved(source.base)
    starts = [base / source.images] if source.images else list(dict.fromkeys([(base / listed_in).parent, base]))
    problem = Unreadable("missing_file", f"{name!a} does not exist; paths are relative to the folder of {listed_in}")
    for start in starts:
        try:
            target = (start / name).resolve()
            if not target.is_relative_to(base):
                message = f"{name!a} points outside the source's folder; only files inside it are read"
                problem = Unreadable("path_escapes", message)
                continue
            if not target.is_file():
                if target.exists():
                    problem = Unreadable("missing_file", f"{name!a} is no regular file; a picture file is needed")
                continue
            if target.stat().st_size > FILE_BYTES:
                size = f"{target.stat().st_size >> 20} MiB"
                raise Unreadable("too_large", f"{name!a} has {size}; at most {FILE_BYTES >> 20} MiB are read")
            return target.read_bytes()
        except (OSError, RuntimeError, ValueError) as error:  # too long, a loop of links, a null character, no right
            if isinstance(error, Unreadable):
                raise
            reason = getattr(error, "strerror", None) or (
                "a loop of links" if isinstance(error, RuntimeError) else error
            )
            problem = Unreadable("missing_file", f"{name[:200]!a} cannot be opened: {reason}")
    raise problem


def _entries(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(folder) as entries:
            yield from ((entry.name, entry) for entry in entries if not entry.name.startswith("."))
    except PermissionError:
        return


def _inside(item: os.DirEntry[str], root: Path) -> bool:
    try:
        return item.is_file() and (not item.is_symlink() or Path(item.path).resolve().is_relative_to(root))
    except (OSError, RuntimeError):
        return False


@lru_cache(maxsize=8)
def _resolved(base: Path) -> Path:
    return base.resolve()
