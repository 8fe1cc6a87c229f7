"""Real rows in every format that is read: how a row becomes a record, and how records become the files of a source."""

from __future__ import annotations

import base64
import csv
import io
import json
import random
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipelines.lake.decode import decode
from pipelines.tools import picture_id
from tests.hostile.build import encoded, member

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "examples" / "photographs"
SIDE = 40


@dataclass(frozen=True)
class Photo:
    """A photograph, small: its file, the id of its pixels, and what is said about it."""

    name: str
    data: bytes
    image_id: str
    caption: str
    asked: tuple[tuple[str, str], ...]


@cache
def photographs() -> tuple[Photo, ...]:
    """The photographs of the examples in every kind of file."""
    found = []
    kinds = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
    lines = (PHOTOGRAPHS / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    for number, record in enumerate(map(json.loads, lines)):
        with Image.open(PHOTOGRAPHS / record["file_name"]) as opened:
            small = opened.convert("RGB").resize((SIDE, SIDE))
        kind = kinds[number % len(kinds)]
        data = encoded(small, kind)
        name = f"{Path(record['file_name']).stem}.{kind.lower()}"
        asked = tuple((item["question"], str(item["answer"])) for item in record["questions"])
        found.append(Photo(name, data, picture_id(decode(data)), record["caption"], asked))
    return tuple(found)


@dataclass(frozen=True)
class Row:
    """One question about one photograph. `data` is its file, perhaps broken."""

    question: str
    answer: str
    photo: Photo
    data: bytes


Record = dict[str, Any]
Write = Callable[[Path, Sequence[Record], Sequence[Record]], Path]


@dataclass(frozen=True)
class Layout:
    """One format and convention. `record(row)`: the row as it is stored; `write(folder, records, clean)` gives the file
    that holds the rows; `clean` are the records before any damage, which decide the types of columns. `paths`: pictures
    are files of their own.
    """

    name: str
    record: Callable[[Row], Record]
    write: Write
    paths: bool = True


def as_lines(name: str) -> Write:
    def write(root: Path, records: Sequence[Record], clean: Sequence[Record]) -> Path:
        (root / name).write_text("".join(json.dumps(record) + "\n" for record in records))
        return root / name

    return write


def as_list(name: str, indent: int | None = None) -> Write:
    def write(root: Path, records: Sequence[Record], clean: Sequence[Record]) -> Path:
        (root / name).write_text(json.dumps(list(records), indent=indent))
        return root / name

    return write


def as_llamafactory(entry: Mapping[str, Any]) -> Write:
    def write(root: Path, records: Sequence[Record], clean: Sequence[Record]) -> Path:
        (root / "dataset_info.json").write_text(json.dumps({"mine": {"file_name": "rows.json", **entry}}))
        return as_list("rows.json", 1)(root, records, clean)

    return write


def as_csv(name: str) -> Write:
    """Cells are texts: lists and objects as JSON, nothing as nothing."""

    def write(root: Path, records: Sequence[Record], clean: Sequence[Record]) -> Path:
        named = (key for record in [*clean, *records] for key in record if key.strip())
        names = list({key.strip(): key for key in reversed(list(named))}.values())[::-1]
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter="\t" if name.endswith(".tsv") else ",", lineterminator="\n")
        writer.writerow([key.strip() for key in names])
        writer.writerows([[_cell(record.get(key)) for key in names] for record in records])
        (root / name).write_bytes(buffer.getvalue().encode("utf-8", "replace"))
        return root / name

    return write


def as_parquet(name: str, group: int = 100) -> Write:
    def write(root: Path, records: Sequence[Record], clean: Sequence[Record]) -> Path:
        pq.write_table(typed(records, clean), root / name, row_group_size=group)
        return root / name

    return write


def as_saved(root: Path, records: Sequence[Record], clean: Sequence[Record]) -> Path:
    """A folder of `datasets`' `save_to_disk`."""
    import datasets

    datasets.Dataset(typed(records, clean)).save_to_disk(root)
    return next(root.glob("*.arrow"))


def as_tar(root: Path, records: Sequence[Record], clean: Sequence[Record]) -> Path:
    with tarfile.open(root / "shard.tar", "w") as opened:
        for number, record in enumerate(records):
            key = record.get("__key__")
            key = key.replace("\0", "")[:90] if isinstance(key, str) and key.isascii() else f"{number:05d}"
            for kind, value in record.items():
                if isinstance(value, bytes):
                    member(opened, f"{key}.{kind or 'x'}", value)
                elif kind != "__key__":
                    member(opened, f"{key}.{ascii(kind)[1:-1][:60]}", json.dumps(value, default=repr).encode())
    return root / "shard.tar"


def typed(records: Sequence[Record], clean: Sequence[Record]) -> pa.Table:
    """Records as columns of the types that undamaged ones have; a value that fits none becomes a text, or nothing."""
    schema = pa.Table.from_pylist(list(clean)).schema
    arrays = [pa.array([_fit(record.get(one.name), one.type) for record in records], one.type) for one in schema]
    return pa.table(arrays, schema=schema)


def _fit(value: Any, kind: pa.DataType) -> Any:
    for each in (value, str(value) if value is not None else None):
        try:
            return pa.array([each], kind)[0].as_py()
        except (pa.ArrowException, ValueError, TypeError, OverflowError, AttributeError):
            continue
    return None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _turns(row: Row, who: str, says: str, names: tuple[str, str]) -> list[Record]:
    return [{who: names[0], says: f"<image>\n{row.question}"}, {who: names[1], says: row.answer}]


def _named(row: Row, column: str = "file_name") -> Record:
    return {column: row.photo.name, "question": row.question, "answer": row.answer, "license": "CC0-1.0"}


def _struct(row: Row) -> Record:
    return {"bytes": row.data, "path": row.photo.name}


def _several(row: Row) -> Record:
    asked = [{"question": row.question, "answer": row.answer}, {"question": f"{row.question} Sure?", "answer": "yes"}]
    return {"image": row.photo.name, "questions": asked, "caption": row.photo.caption, "domain": "natural"}


def _verl(row: Row) -> Record:
    asked = [{"role": "user", "content": f"<image>{row.question}"}]
    extra = {"split": "train", "index": 0}
    truth = {"style": "rule", "ground_truth": row.answer}
    return {"data_source": "x", "prompt": asked, "images": [_struct(row)], "reward_model": truth, "extra_info": extra}


def _choice(row: Row) -> Record:
    drawn = random.Random(row.question).random() < 0.5
    options = {"A": row.answer, "B": "none of these"} if drawn else {"A": "none of these", "B": row.answer}
    image = base64.b64encode(row.data).decode()
    return {"index": row.question, "image": image, "question": row.question, **options, "answer": "A" if drawn else "B"}


def _shared(row: Row) -> Record:
    return {"messages": _turns(row, "role", "content", ("user", "assistant")), "images": [row.photo.name]}


LLAMA = {"formatting": "sharegpt", "columns": {"messages": "messages", "images": "images"}}
ROLES = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}


def _llava(row: Row) -> Record:
    turns = _turns(row, "from", "value", ("human", "gpt"))
    return {"id": row.question, "image": row.photo.name, "conversations": turns}


def _alpaca(row: Row) -> Record:
    asked = {"instruction": f"<image>{row.question}", "input": "", "output": row.answer}
    return {**asked, "images": [row.photo.name]}


def _query(row: Row) -> Record:
    return {"query": f"<image>{row.question}", "response": row.answer, "images": [row.photo.name]}


def _embedded(row: Row) -> Record:
    return {"image": _struct(row), "question": row.question, "answer": row.answer}


def _easyr1(row: Row) -> Record:
    return {"images": [_struct(row)], "problem": f"<image>{row.question}", "answer": row.answer}


def _finevision(row: Row) -> Record:
    return {"images": [_struct(row)], "texts": [{"user": row.question, "assistant": row.answer}]}


def _keyed(row: Row) -> Record:
    key = row.question.rsplit(" ", 1)[-1]
    return {"__key__": key, "jpg": row.data, "json": {"question": row.question, "answer": row.answer}}


ALPACA = {"prompt": "instruction", "query": "input", "response": "output", "images": "images"}

LAYOUTS: tuple[Layout, ...] = (
    Layout("imagefolder, jsonl", _named, as_lines("metadata.jsonl")),
    Layout("imagefolder, csv", _named, as_csv("metadata.csv")),
    Layout("imagefolder, parquet", _named, as_parquet("metadata.parquet")),
    Layout("jsonl", _several, as_lines("rows.jsonl")),
    Layout("csv", lambda row: _named(row, "image"), as_csv("rows.csv")),
    Layout("parquet", _embedded, as_parquet("rows.parquet"), paths=False),
    Layout("llava", _llava, as_list("chat.json", 1)),
    Layout("sharegpt, one line", _shared, as_list("chat.json")),
    Layout("ms-swift", _shared, as_lines("swift.jsonl")),
    Layout("ms-swift, query", _query, as_lines("swift.jsonl")),
    Layout("llamafactory, sharegpt", _shared, as_llamafactory({**LLAMA, "tags": ROLES})),
    Layout("llamafactory, alpaca", _alpaca, as_llamafactory({"columns": ALPACA})),
    Layout("verl", _verl, as_parquet("train.parquet"), paths=False),
    Layout("easyr1", _easyr1, as_parquet("train.parquet"), paths=False),
    Layout("finevision", _finevision, as_parquet("rows.parquet"), paths=False),
    Layout("webdataset", _keyed, as_tar, paths=False),
    Layout("vlmevalkit", _choice, as_csv("bench.tsv"), paths=False),
    Layout("datasets", _embedded, as_saved, paths=False),
)
