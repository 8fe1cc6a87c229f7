"""EasyR1: Parquet with `problem` (text with `<image>`), `answer` and `images`; its configuration names the columns.

Set `data.prompt_key=problem data.answer_key=answer data.image_key=images`. EasyR1 writes the system turn itself
(`format_prompt`), so only the question is here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.export.format import Format, features
from pipelines.export.items import Item
from pipelines.export.marks import marked
from pipelines.export.sinks import Shards, cell
from pipelines.prompts import Style


def record(item: Item, style: Style) -> dict[str, Any]:
    del style
    (asked,) = item.prompt()
    return {"problem": marked(asked), "images": [cell(shot) for shot in item.own], **item.facts}


def sink(folder: Path) -> Shards:
    from datasets import Image, List, Value

    return Shards(folder, features(problem=Value("string"), images=List(Image())))


FORMAT = Format("EasyR1: problem, answer, images", record, sink, split="rl")
