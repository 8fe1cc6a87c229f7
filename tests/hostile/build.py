"""What hostile sources are built of: two good rows around what is broken, in every format."""

from __future__ import annotations

import base64
import csv
import io
import json
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipelines.tools import picture_id
from tests.pipelines.jobs import picture

BEFORE, AFTER = "Good before?", "Good after?"


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


FIRST, SECOND, THIRD = (picture(seed, 16) for seed in (1, 2, 3))
PNG = {"first.png": encoded(FIRST), "second.png": encoded(SECOND), "third.png": encoded(THIRD)}
GOOD = {BEFORE: picture_id(FIRST), AFTER: picture_id(SECOND)}
"""Question → the picture that it must be about."""


@dataclass(frozen=True)
class Kind:
    """One way to be broken. `build(folder)` writes the source.

    `way` is what becomes of it: `failures` or `rejects` of kind or reason `rule`, with every text of `says` in a
    failure's message; or `kept`: `counts` more questions than the two good ones; or `refused`: no such source at all.
    `good` are the good questions that must be kept, each about its own picture; `source` are fields of the source.
    """

    name: str
    build: Callable[[Path], None]
    way: str = "failures"
    rule: str = ""
    says: tuple[str, ...] = ()
    good: Mapping[str, str] = field(default_factory=lambda: GOOD)
    source: Mapping[str, Any] = field(default_factory=dict)
    more: int = 0


def good(question: str, name: str) -> dict[str, Any]:
    return {"file_name": name, "question": question, "answer": "yes"}


def files(root: Path, **named: bytes) -> None:
    """Files whose names come as keywords, with `__` for a full stop."""
    for name, data in {**PNG, **{key.replace("__", "."): value for key, value in named.items()}}.items():
        (root / name).write_bytes(data)


def line(record: Any) -> bytes:
    return record if isinstance(record, bytes) else json.dumps(record).encode()


def jsonl(*bad: Any, name: str = "metadata.jsonl", **more: bytes) -> Callable[[Path], None]:
    """An imagefolder: a good line, the bad ones (objects, or bytes as they are), a good line."""

    def build(root: Path) -> None:
        files(root, **more)
        lines = [good(BEFORE, "first.png"), *bad, good(AFTER, "second.png")]
        (root / name).write_bytes(b"\n".join(map(line, lines)) + b"\n")

    return build


def asked(**fields: Any) -> Callable[[Path], None]:
    """A line about a third, good picture, whose fields are these beside a question and its answer; None leaves out."""
    record = {"file_name": "third.png", "question": "Bad?", "answer": "yes", **fields}
    return jsonl({name: value for name, value in record.items() if value is not None})


def pictured(data: Callable[[], bytes], name: str = "bad.jpg") -> Callable[[Path], None]:
    """A line that names a file with these bytes."""

    def build(root: Path) -> None:
        record = {"file_name": name, "question": "Bad?", "answer": "yes"}
        jsonl(record, **{name.replace(".", "__"): data()})(root)

    return build


def beside(name: str, data: bytes) -> Callable[[Path], None]:
    """Good lines, and a second file of the same format in a folder beside them."""

    def build(root: Path) -> None:
        jsonl()(root)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)

    return build


PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def table(columns: Mapping[str, tuple[pa.DataType, Any]], image: Any = "third") -> pa.Table:
    """Three rows: good, bad, good. `columns`: name → type and value of the bad row. `image` is its cell."""
    cell = {"bytes": PNG["third.png"], "path": None} if image == "third" else image
    cells = [{"bytes": PNG["first.png"], "path": None}, cell, {"bytes": PNG["second.png"], "path": None}]
    usual: dict[str, tuple[pa.DataType, Any]] = {"question": (pa.string(), "Bad?"), "answer": (pa.string(), "yes")}
    around = {"question": (BEFORE, AFTER), "answer": ("yes", "yes")}
    arrays: dict[str, pa.Array] = {"image": pa.array(cells, PICTURE)}
    for name, (kind, value) in {**usual, **columns}.items():
        before, after = around.get(name, (None, None)) if kind == pa.string() else (None, None)
        arrays[name] = pa.array([before, value, after], kind)
    return pa.table(arrays)


def parquet(make: Callable[[], pa.Table], **options: Any) -> Callable[[Path], None]:
    def build(root: Path) -> None:
        files(root)
        pq.write_table(make(), root / "rows.parquet", **options)

    return build


def rows(*bad: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows with pictures named by path: good, the bad ones, good."""
    first, second = ({**good(q, f), "image": f} for q, f in ((BEFORE, "first.png"), (AFTER, "second.png")))
    found = [first, *(dict(row) for row in bad), second]
    return [{name: value for name, value in row.items() if name != "file_name"} for row in found]


def written_csv(text: str, name: str = "rows.csv", encoding: str = "utf-8") -> Callable[[Path], None]:
    """A table of text: header, good row, `text`, good row."""

    def build(root: Path) -> None:
        files(root)
        lines = ["image,question,answer", f"first.png,{BEFORE},yes", text, f"second.png,{AFTER},yes"]
        sign = "\t" if name.endswith(".tsv") else ","
        (root / name).write_bytes(("\n".join(lines) + "\n").replace(",", sign).encode(encoding, "surrogateescape"))

    return build


def base64_tsv(*bad: Mapping[str, str], header: str = "index image question A B answer") -> Callable[[Path], None]:
    """VLMEvalKit's table, with pictures as base64."""

    def build(root: Path) -> None:
        names = header.split()
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, names, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        usual = {"A": "yes", "B": "no", "answer": "A"}
        encoded_png = {name: base64.b64encode(data).decode() for name, data in PNG.items()}
        writer.writerow({"index": "1", "image": encoded_png["first.png"], "question": BEFORE, **usual})
        for row in bad:
            writer.writerow({"index": "2", "image": encoded_png["third.png"], "question": "Bad?", **usual, **row})
        writer.writerow({"index": "3", "image": encoded_png["second.png"], "question": AFTER, **usual})
        (root / "bench.tsv").write_text(buffer.getvalue())

    return build


def conversation(question: str, answer: str, image: Any, *more: Mapping[str, str]) -> dict[str, Any]:
    turns = [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}, *more]
    return {"image": image, "conversations": turns}


def llava(*bad: Any, raw: bytes | None = None) -> Callable[[Path], None]:
    """A list of conversations: good, the bad ones, good. `raw` stands in place of the bad ones as it is."""

    def build(root: Path) -> None:
        files(root)
        first, second = conversation(BEFORE, "yes", "first.png"), conversation(AFTER, "yes", "second.png")
        middle = [raw] if raw is not None else list(map(line, bad))
        (root / "chat.json").write_bytes(b"[\n" + b",\n".join([line(first), *middle, line(second)]) + b"\n]\n")

    return build


def tar(write: Callable[[tarfile.TarFile], object], size: int | None = None, mode: str = "w") -> Callable[[Path], None]:
    """A WebDataset: good key, what `write` adds, good key; cut short at `size` bytes."""

    def build(root: Path) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as opened:
            for key, question, name in (("000", BEFORE, "first.png"), ("", "", ""), ("999", AFTER, "second.png")):
                if not key:
                    write(opened)
                    continue
                member(opened, f"{key}.png", PNG[name])
                member(opened, f"{key}.json", json.dumps({"question": question, "answer": "yes"}).encode())
        (root / "shard.tar").write_bytes(buffer.getvalue()[:size])

    return build


def member(
    opened: tarfile.TarFile, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    opened.addfile(info, io.BytesIO(data))


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its data do not have."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
