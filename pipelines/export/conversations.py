"""Conversations as text with `<image>` marks, and their pictures as files: LLaMA-Factory, LLaVA (ShareGPT), ms-swift.

Marks and files agree over the whole conversation: a picture that a tool made has its mark in the tool's turn and its
file in its place of the list.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.export.format import Format
from pipelines.export.items import Item
from pipelines.export.marks import marked
from pipelines.export.sinks import lines, listed, path_of
from pipelines.prompts import Style


def _roles(item: Item, style: Style) -> dict[str, Any]:
    messages = item.messages(style)
    return {
        "messages": [{"role": message.role, "content": marked(message)} for message in messages],
        "images": [path_of(shot) for shot in item.shown(messages)],
        **item.facts,
    }


def llama_factory(item: Item, style: Style) -> dict[str, Any]:
    return _roles(item, style)


def ms_swift(item: Item, style: Style) -> dict[str, Any]:
    return {**_roles(item, style), "solution": item.answer}


def llava(item: Item, style: Style) -> dict[str, Any]:
    """LLaVA knows two speakers: what a tool shows is said by the human."""
    messages = item.messages(style)
    speakers = {"system": "system", "user": "human", "tool": "human", "assistant": "gpt"}
    shown = [path_of(shot) for shot in item.shown(messages)]
    return {
        "id": item.sample_id,
        "image": shown[0] if len(shown) == 1 else shown,
        "conversations": [{"from": speakers[each.role], "value": marked(each, "\n")} for each in messages],
        **item.facts,
    }


def dataset_info(folder: Path, splits: list[str]) -> None:
    """LLaMA-Factory's `dataset_info.json`: datasets `evolens_<split>`."""
    tags = {f"{tag}_tag": tag for tag in ("role", "content", "user", "assistant", "system")}
    described = {
        f"evolens_{split}": {
            "file_name": f"{split}.json",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "images": "images"},
            "tags": {**tags, "observation_tag": "tool", "function_tag": "function_call"},
        }
        for split in splits
    }
    (folder / "dataset_info.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


_shaped = partial(Format, split="sft", traced=True, files="export")
LLAMA_FACTORY = _shaped("LLaMA-Factory: JSON and dataset_info.json", llama_factory, listed, finish=dataset_info)
LLAVA = _shaped("LLaVA and ShareGPT: conversations of human and gpt", llava, listed)
MS_SWIFT = _shaped("ms-swift: JSON lines", ms_swift, lines)
