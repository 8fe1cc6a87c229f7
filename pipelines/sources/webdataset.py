"""WebDataset: tars in which files of one key stand together, `000.jpg` beside `000.json` or `000.txt`.

Nothing is ever unpacked: a picture is read from its place in the tar, so a member's name can lead nowhere. `.json`
gives the fields of a record, `.txt` or `.caption` its caption, `.cls` its label; several pictures of a key stand in the
order of the tar.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from pipelines.sources.files import FILE_BYTES, PICTURE_SUFFIXES
from pipelines.sources.pictures import names_picture
from pipelines.sources.record import RECORD_BYTES, BadField, Read, Source, Unreadable, parsed, piece, place

PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
"""How files begin that gzip, bzip2, xz and zstandard wrote."""

TEXTS = {"txt": "caption", "caption": "caption", "text": "caption", "cls": "label"}


def rows(source: Source, file: str) -> Iterator[Read]:
    """One row per key. A broken tar gives what stands before the break, and a row that names it."""
    path = source.base / file
    number, key = 0, ""
    members: list[tarfile.TarInfo] = []
    for item in chain(_walk(path), [None]):
        here = _split(item.name)[0] if isinstance(item, tarfile.TarInfo) else None
        if members and here != key:
            number += 1
            yield _row(path, number, key, members)
            members = []
        if isinstance(item, tarfile.TarInfo) and here is not None:
            key = here
            members.append(item)
        elif item is not None:
            yield Read(number + 1, "", None, str(item))


def load(source: Source, file: str, at: str) -> dict[str, Any]:
    """The pictures of a key, in order. Raises `Unreadable`."""
    found = []
    for name, offset, size in json.loads(at):
        if size > FILE_BYTES:
            raise Unreadable("too_large", f"{name!a} has {size >> 20} MiB; at most {FILE_BYTES >> 20} MiB are read")
        found.append({"bytes": piece(source.base / file, place(offset, size)), "path": name})
    return {"images": found}


def _row(path: Path, number: int, key: str, members: list[tarfile.TarInfo]) -> Read:
    fields: dict[str, Any] = {}
    pictures: list[tuple[str, int, int]] = []
    seen: set[str] = set()
    try:
        for member in members:
            if not member.isreg():
                raise BadField(f"member {member.name!a} is no regular file; links and devices are not followed")
            if member.name.startswith("/") or ".." in member.name.split("/"):
                raise BadField(f"member {member.name!a} points outside the archive; names must stay inside it")
            if member.name in seen:
                raise BadField(f"member {member.name!a} comes twice")
            seen.add(member.name)
            kind = _split(member.name)[1].rpartition(".")[2].lower()
            if f".{kind}" in PICTURE_SUFFIXES:
                pictures.append((member.name, member.offset_data, member.size))
            elif kind == "json" or kind in TEXTS:
                fields |= _said(path, member, kind)
    except BadField as error:
        return Read(number, "", None, str(error))
    if pictures:  # the pictures stand beside: what the fields call one is where it came from
        fields = {name: each for name, each in fields.items() if not names_picture(name)}
    fields.setdefault("__key__", key)
    return Read(number, json.dumps(pictures), fields, heavy=("images",) if pictures else ())


def _said(path: Path, member: tarfile.TarInfo, kind: str) -> dict[str, Any]:
    if member.size > RECORD_BYTES:
        raise BadField(f"member {member.name!a} is longer than {RECORD_BYTES >> 20} MiB")
    data = piece(path, place(member.offset_data, member.size))
    try:
        return parsed(data) if kind == "json" else {TEXTS[kind]: data.decode("utf-8").strip()}
    except BadField as error:
        raise BadField(f"member {member.name!a}: {error}") from None
    except UnicodeDecodeError:
        raise BadField(f"member {member.name!a} is no UTF-8") from None


def _walk(path: Path) -> Iterator[tarfile.TarInfo | str]:
    """The members of a tar but its folders; last, why it ends where it does if that is not its proper end."""
    whole = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(8)
        if head.startswith(PACKED):
            yield "the tar is compressed; unpack it to a plain .tar, whose members can be read by their place"
            return
        if not head:
            yield "the tar is empty"
            return
        stream.seek(0)
        try:
            with tarfile.open(fileobj=stream, mode="r:") as opened:
                while member := opened.next():
                    opened.members = []  # type: ignore[attr-defined]  # it remembers every member otherwise
                    if member.isreg() and member.offset_data + member.size > whole:
                        yield f"the tar is cut off inside member {member.name!a}"
                        return
                    if not member.isdir():
                        yield member
                end = opened.offset
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            yield f"the tar is broken here: {error}"
            return
        stream.seek(end)  # tarfile stops without a word at a header that is none
        if stream.read(tarfile.BLOCKSIZE).strip(b"\0"):
            yield "the tar is broken here: what follows is no header of a member"


def _split(name: str) -> tuple[str, str]:
    """Key and extension: the name is cut at the first full stop behind the last slash."""
    folder, slash, base = name.rpartition("/")
    key, _, extension = base.partition(".")
    return folder + slash + key, extension
