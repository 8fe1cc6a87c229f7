"""Sources as others write them, in every format that is both read and exported. Nothing here knows Evolens."""

from __future__ import annotations

import base64
import csv
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets


@dataclass(frozen=True)
class Row:
    """A question about pictures. `files`: (suffix, bytes)."""

    files: tuple[tuple[str, bytes], ...]
    question: str
    answer: str
    options: tuple[str, ...] = ()
    caption: str | None = None

    def paths(self, folder: Path, number: int) -> list[str]:
        names = [f"pictures/{number:03d}-{place}.{suffix}" for place, (suffix, _) in enumerate(self.files)]
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        for name, (_, data) in zip(names, self.files, strict=True):
            (folder / name).write_bytes(data)
        return names

    def cells(self) -> list[dict[str, Any]]:
        return [{"bytes": data, "path": f"{place}.{suffix}"} for place, (suffix, data) in enumerate(self.files)]

    @property
    def said(self) -> dict[str, Any]:
        """The columns of a plain table; a caption takes the question's place."""
        if self.caption is not None:
            return {"caption": self.caption}
        return {
            "question": self.question,
            "answer": self.answer,
            **({"options": list(self.options)} if self.options else {}),
        }

    @property
    def marked(self) -> str:
        return "<image>" * len(self.files) + self.question


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def imagefolder(folder: Path, rows: Sequence[Row]) -> None:
    found = [{"file_names": row.paths(folder, number), **row.said} for number, row in enumerate(rows)]
    (folder / "metadata.jsonl").write_text(lines(found), encoding="utf-8")


def jsonl(folder: Path, rows: Sequence[Row]) -> None:
    found = [{"images": row.paths(folder, number), **row.said} for number, row in enumerate(rows)]
    (folder / "all.jsonl").write_text(lines(found), encoding="utf-8")


def csv_file(folder: Path, rows: Sequence[Row]) -> None:
    with (folder / "all.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["images", "question", "answer", "options", "caption"], quoting=csv.QUOTE_ALL)
        writer.writeheader()
        for number, row in enumerate(rows):
            said = {**row.said, "images": json.dumps(row.paths(folder, number))}
            writer.writerow({**said, **({"options": json.dumps(row.options)} if row.options else {})})


def parquet(folder: Path, rows: Sequence[Row], shape: Callable[[Row], dict[str, Any]] | None = None) -> None:
    found = [{"images": row.cells(), **(shape(row) if shape else row.said)} for row in rows]
    columns = {name: [row.get(name) for row in found] for name in dict.fromkeys(name for row in found for name in row)}
    made = datasets.Dataset.from_dict(columns).cast_column("images", datasets.List(datasets.Image()))
    made.to_parquet(str(folder / "train.parquet"))


def verl(folder: Path, rows: Sequence[Row]) -> None:
    parquet(
        folder,
        rows,
        lambda row: {
            "data_source": "elsewhere",
            "prompt": [{"role": "user", "content": row.marked}],
            "ability": "vision",
            "reward_model": {"style": "rule", "ground_truth": row.answer},
            "extra_info": {"split": "train", "index": 0},
        },
    )


def easyr1(folder: Path, rows: Sequence[Row]) -> None:
    parquet(folder, rows, lambda row: {"problem": row.marked, "answer": row.answer})


def llava(folder: Path, rows: Sequence[Row]) -> None:
    found = [
        {
            "id": f"row-{number}",
            "image": paths[0] if len(paths) == 1 else paths,
            "conversations": [
                {"from": "human", "value": "<image>\n" * len(paths) + row.question},
                {"from": "gpt", "value": row.answer},
            ],
        }
        for number, row in enumerate(rows)
        if (paths := row.paths(folder, number))
    ]
    (folder / "llava.json").write_text(json.dumps(found, indent=2), encoding="utf-8")


def _messages(folder: Path, rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {
            "messages": [{"role": "user", "content": row.marked}, {"role": "assistant", "content": row.answer}],
            "images": row.paths(folder, number),
        }
        for number, row in enumerate(rows)
    ]


def llama_factory(folder: Path, rows: Sequence[Row]) -> None:
    (folder / "mine.json").write_text(json.dumps(_messages(folder, rows), ensure_ascii=False), encoding="utf-8")
    described = {
        "mine": {
            "file_name": "mine.json",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "images": "images"},
            "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
        }
    }
    (folder / "dataset_info.json").write_text(json.dumps(described))


def ms_swift(folder: Path, rows: Sequence[Row]) -> None:
    (folder / "train.jsonl").write_text(lines(_messages(folder, rows)), encoding="utf-8")


def webdataset(folder: Path, rows: Sequence[Row]) -> None:
    with tarfile.open(folder / "000.tar", "w") as tar:
        for number, row in enumerate(rows):
            files = [(f"{place}.{suffix}", data) for place, (suffix, data) in enumerate(row.files)]
            for suffix, data in [*files, ("json", json.dumps(row.said).encode())]:
                member = tarfile.TarInfo(f"{number:05d}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def vlmevalkit(folder: Path, rows: Sequence[Row]) -> None:
    with (folder / "bench.tsv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(
            stream, ["index", "image", "question", *"ABCD", "answer"], delimiter="\t", quoting=csv.QUOTE_ALL
        )
        writer.writeheader()
        for number, row in enumerate(rows):
            images = [base64.b64encode(data).decode() for _, data in row.files]
            options = dict(zip("ABCD", row.options, strict=False))
            answer = "ABCD"[row.options.index(row.answer)] if row.options else row.answer
            image = images[0] if len(images) == 1 else str(images)
            writer.writerow({"index": number, "image": image, "question": row.question, **options, "answer": answer})


WRITERS: dict[str, Callable[[Path, Sequence[Row]], None]] = {
    "imagefolder": imagefolder,
    "datasets": parquet,
    "jsonl": jsonl,
    "csv": csv_file,
    "verl": verl,
    "easyr1": easyr1,
    "llava": llava,
    "llama-factory": llama_factory,
    "ms-swift": ms_swift,
    "webdataset": webdataset,
    "vlmevalkit": vlmevalkit,
}
"""By the name of the export format."""

PLAIN = ("imagefolder", "datasets", "jsonl", "csv", "webdataset")
"""Formats that hold captions, and options in a column."""
