"""Exports read by the loaders they are for: `datasets`, `webdataset`, pandas, and the json and csv modules.

Each gives rows of pictures (PIL, upright, RGB), and the record. Nothing here knows Evolens.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from tests.conftest import require

Loaded = tuple[list[Image.Image], dict[str, Any]]


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def parquet(out: Path, scratch: Path) -> Iterator[Loaded]:
    """`load_dataset` on the folder: every split, pictures decoded by the feature of their column."""
    from datasets import load_dataset

    for split in load_dataset(str(out), cache_dir=str(scratch)).values():
        for row in split:
            yield [image.convert("RGB") for image in row.pop("images")], row


def imagefolder(out: Path, scratch: Path) -> Iterator[Loaded]:
    from datasets import load_dataset

    for split in load_dataset("imagefolder", data_dir=str(out), cache_dir=str(scratch)).values():
        for row in split:
            yield [image.convert("RGB") for image in row.pop("images")], row


def json_files(out: Path, scratch: Path) -> Iterator[Loaded]:
    for file in sorted(out.glob("*.json*")):
        if file.name == "dataset_info.json":
            continue
        text = file.read_text(encoding="utf-8")
        rows = json.loads(text) if file.suffix == ".json" else [json.loads(line) for line in text.split("\n") if line]
        for row in rows:
            paths = row.pop("image", None) or row.pop("images")
            yield [opened((out / path).read_bytes()) for path in ([paths] if isinstance(paths, str) else paths)], row


def csv_files(out: Path, scratch: Path) -> Iterator[Loaded]:
    for file in sorted(out.glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                row["options"] = json.loads(row["options"])
                yield [opened((out / path).read_bytes()) for path in json.loads(row.pop("images"))], row


def webdataset(out: Path, scratch: Path) -> Iterator[Loaded]:
    require("webdataset")
    import webdataset as wds

    for row in wds.WebDataset(sorted(map(str, out.glob("*.tar"))), shardshuffle=False).decode("pilrgb"):
        names = sorted(name for name in row if name.split(".")[-1] in ("jpg", "png"))
        raw = [row[name] for name in names]
        yield [image.convert("RGB") for image in raw], {**row["json"], "key": row["__key__"]}


def tsv(out: Path, scratch: Path, dtype: type | None = None) -> Iterator[Loaded]:
    """As VLMEvalKit does: pandas, then `[…]` texts taken for lists of pictures."""
    import pandas

    for file in sorted(out.glob("*.tsv")):
        for row in pandas.read_csv(file, sep="\t", dtype=dtype).to_dict("records"):
            text = row.pop("image")
            images = json.loads(text) if text.startswith("[") else [text]
            yield [opened(base64.b64decode(image)) for image in images], row


LOADERS = {
    **dict.fromkeys(("trl-sft", "trl-grpo", "trl-dpo", "verl", "easyr1", "datasets"), parquet),
    **dict.fromkeys(("llama-factory", "llava", "ms-swift", "jsonl"), json_files),
    "imagefolder": imagefolder,
    "csv": csv_files,
    "webdataset": webdataset,
    "vlmevalkit": tsv,
}
