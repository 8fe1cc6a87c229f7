"""verl: Parquet with `data_source`, `prompt`, `images`, `ability`, `reward_model` and `extra_info`.

Content is text with `<image>` where a picture stands. `extra_info` holds `index` and the facts, `sample_id` among them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.export.format import Format
from pipelines.export.items import FACTS, Item
from pipelines.export.marks import marked
from pipelines.export.sinks import Shards, cell
from pipelines.prompts import Style


def record(item: Item, style: Style) -> dict[str, Any]:
    return {
        "data_source": item.row["source"],
        "prompt": [{"role": message.role, "content": marked(message)} for message in item.prompt(style)],
        "images": [cell(shot) for shot in item.own],
        "ability": item.row["task"],
        "reward_model": {"style": "rule", "ground_truth": item.answer},
        "extra_info": {"index": item.index, **item.said},
        **item.measured,
    }


def sink(folder: Path) -> Shards:
    from datasets import Features, Image, List, Value

    text = Value("string")
    facts = {name: List(text) if name == "options" else text for name in FACTS}
    return Shards(
        folder,
        Features(
            {
                "data_source": text,
                "prompt": List({"role": text, "content": text}),
                "images": List(Image()),
                "ability": text,
                "reward_model": {"style": text, "ground_truth": text},
                "extra_info": {"index": Value("int64"), **facts},
            }
        ),
    )


FORMAT = Format("verl's RLHFDataset", record, sink, split="rl")
