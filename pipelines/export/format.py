"""What a format is: a pure function from a row to a record, and a sink for records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipelines.export.items import FACTS, Item
from pipelines.export.sinks import Sink
from pipelines.prompts import Style


@dataclass(frozen=True)
class Format:
    """One export format.

    `record(item, style)` gives what `sink(folder)` takes, or raises `items.Unfit` for a row that the format cannot
    hold. `split`: what of the curated rows it is for. `traced`: whether it shows traces, with the pictures of tools.
    `paired`: whether it shows a right and a wrong answer (`pairs`).
    `files`: where pictures lie as files: nowhere, in the export's folder, or in the folder of each split.
    """

    says: str
    record: Callable[[Item, Style], Any]
    sink: Callable[[Path], Sink]
    split: Literal["sft", "rl"] | None = None
    traced: bool = False
    paired: bool = False
    files: Literal["", "export", "split"] = ""
    captions: bool = False
    finish: Callable[[Path, list[str]], None] | None = None


def features(**columns: Any) -> Any:
    """`datasets.Features`: the given columns, then `FACTS` that they do not name."""
    from datasets import Features, List, Value

    text = Value("string")
    facts = {name: List(text) if name == "options" else text for name in FACTS if name not in columns}
    return Features({**columns, **facts})
