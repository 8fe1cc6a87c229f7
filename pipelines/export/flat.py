"""Questions and captions without conversation: plain `datasets`, imagefolder, JSON lines, CSV, WebDataset."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.export.format import Format, features
from pipelines.export.items import FACTS, Item
from pipelines.export.sinks import Shards, Tars, Written, cell, lines, path_of, table
from pipelines.prompts import Style

COLUMNS = ("images", *FACTS, "caption")


def _said(item: Item) -> dict[str, Any]:
    return {**item.facts, "caption": item.row.get("caption")}


def parquet(item: Item, style: Style) -> dict[str, Any]:
    del style
    return {"images": [cell(shot) for shot in item.own], **_said(item)}


def _parquet_sink(folder: Path) -> Shards:
    from datasets import Image, List, Value

    return Shards(folder, features(images=List(Image()), caption=Value("string")))


def imagefolder(item: Item, style: Style) -> dict[str, Any]:
    del style
    return {"file_names": [path_of(shot) for shot in item.own], **_said(item)}


def _imagefolder_sink(folder: Path) -> Shards:
    from datasets import List, Value

    return Shards(
        folder, features(file_names=List(Value("string")), caption=Value("string")), "{split}/metadata.parquet"
    )


def paths(item: Item, style: Style) -> dict[str, Any]:
    del style
    known = {"images": [path_of(shot) for shot in item.own], **_said(item)}
    return {name: value for name, value in known.items() if value is not None}


def _csv_sink(folder: Path) -> Written:
    return table(folder, COLUMNS, ".csv", ",")


def members(item: Item, style: Style) -> dict[str, bytes]:
    """One key, the row's id; `jpg` or `png` where there is one picture, `0.jpg`, `1.png`, … where there are more."""
    del style
    numbers = [""] if len(item.own) == 1 else [f"{number}." for number in range(len(item.own))]
    named = {
        f"{item.sample_id}.{number}{shot.suffix}": shot.data for number, shot in zip(numbers, item.own, strict=True)
    }
    said = {name: value for name, value in _said(item).items() if value is not None}
    return {**named, f"{item.sample_id}.json": json.dumps(said, ensure_ascii=False).encode()}


_flat = partial(Format, captions=True)
DATASETS = _flat("Parquet for load_dataset, with pictures that viewers show", parquet, _parquet_sink)
IMAGEFOLDER = _flat(
    "picture files and metadata.parquet, for the imagefolder loader", imagefolder, _imagefolder_sink, files="split"
)
JSONL = _flat("JSON lines and picture files", paths, lines, files="export")
CSV = _flat("CSV and picture files; lists are JSON", paths, _csv_sink, files="export")
WEBDATASET = _flat("tar files of pictures and JSON", members, Tars)
