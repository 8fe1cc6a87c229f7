"""TRL: `trl-sft` has `messages` and `images`, `trl-grpo` has `prompt`, `images` and the columns that rewards read,
`trl-dpo` has `prompt`, `chosen`, `rejected`, `images`, and whose words those are.

Content is typed: `{"type": "image"}` parts stand where pictures are, and there are as many as `images` has. TRL does
not count the parts of tool turns, so what a tool made is in its own turn, as a data URI, which processors open.
`messages` is JSON in one column (`datasets.Json`), for Arrow would fill every part with the keys of the others, and a
text part with an empty `image` is a picture to a chat template. Train with `max_length=None`: cutting would cut the
tokens of pictures.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.export.format import Format, features
from pipelines.export.items import Item
from pipelines.export.marks import placed, typed
from pipelines.export.pictures import Shot
from pipelines.export.sinks import Shards, cell
from pipelines.prompts import Style
from schemas.messages import Message, Picture, Text


def sft_record(item: Item, style: Style) -> dict[str, Any]:
    said = [
        {
            "role": message.role,
            "content": _observed(item, message) if message.role == "tool" else typed(placed(message)),
        }
        for message in item.messages(style)
    ]
    return {"messages": json.dumps(said, ensure_ascii=False), "images": [cell(shot) for shot in item.own], **item.facts}


def _observed(item: Item, message: Message) -> list[dict[str, str]]:
    """A tool's turn, its picture inside."""
    return [
        {**content, "image": _uri(item.made[part.image_id])} if isinstance(part, Picture) else content
        for part, content in zip(message.parts, typed(message.parts), strict=True)
    ]


def _uri(shot: Shot) -> str:
    return f"data:image/png;base64,{base64.b64encode(shot.data).decode()}"


def _sft_sink(folder: Path) -> Shards:
    from datasets import Image, Json, List

    return Shards(folder, features(messages=Json(), images=List(Image())))


def grpo_record(item: Item, style: Style) -> dict[str, Any]:
    # `answer`, `verifier` and `options` are as the lake has them: what trainers.rewards reads.
    asked = {name: item.row[name] for name in ("answer", "verifier", "tools_help")}
    images = [cell(shot) for shot in item.own]
    return {"prompt": _filled(item.prompt(style)), "images": images, "solution": item.answer, **item.facts, **asked}


def _filled(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Typed content whose every part has the same keys, as Arrow will have it."""
    return [
        {"role": message.role, "content": [{"text": None, **part} for part in typed(placed(message))]}
        for message in messages
    ]


def _grpo_sink(folder: Path) -> Shards:
    from datasets import Image, List, Value

    text = Value("string")
    return Shards(
        folder,
        features(
            prompt=_conversation(),
            images=List(Image()),
            solution=text,
            verifier=text,
            tools_help=Value("bool"),
        ),
    )


def dpo_record(item: Item, style: Style) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, said in zip(("chosen", "rejected"), item.pair, strict=True):
        told[name] = _filled([Message("assistant", (Text(said.text),))])
        told |= {f"{name}_from": said.kind, f"{name}_id": said.id, f"{name}_by": said.by}
    return {"prompt": _filled(item.prompt(style)), **told, "images": [cell(shot) for shot in item.own], **item.facts}


def _dpo_sink(folder: Path) -> Shards:
    from datasets import Image, List, Value

    said = {name: _conversation() for name in ("prompt", "chosen", "rejected")}
    whose = {f"{name}_{fact}": Value("string") for name in ("chosen", "rejected") for fact in ("from", "id", "by")}
    return Shards(folder, features(**said, **whose, images=List(Image())))


def _conversation() -> Any:
    from datasets import List, Value

    text = Value("string")
    return List({"role": text, "content": List({"type": text, "text": text})})


SFT = Format("TRL's SFTTrainer: messages and images", sft_record, _sft_sink, split="sft", traced=True)
GRPO = Format("TRL's GRPOTrainer: prompt, images and columns for rewards", grpo_record, _grpo_sink, split="rl")
DPO = Format("TRL's DPOTrainer: prompt, chosen, rejected, images", dpo_record, _dpo_sink, split="rl", paired=True)
