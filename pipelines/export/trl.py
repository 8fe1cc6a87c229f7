"""TRL: `trl-sft` has `messages` and `images`, `trl-grpo` has `prompt`, `images` and the columns that rewards read.

Content is typed: `{"type": "image"}` parts stand where pictures are, and there are as many as `images` has. TRL does
not count the parts of tool turns, so what a tool made is in its own turn, as a data URI, which processors open.
`messages` is JSON in one column (`datasets.Json`), for Arrow would fill every part with the keys of the others, and a
text part with an empty `image` is a picture to a chat template. Train with `max_length=None`: cutting would cut the
tokens of pictures.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from pipelines.export.format import Format, features
from pipelines.export.items import Item
from pipelines.export.marks import placed, typed
from pipelines.export.pictures import Shot
from pipelines.export.sinks import Shards, cell
from pipelines.prompts import Style
from schemas.messages import Message, Picture


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
    prompt = [
        {"role": message.role, "content": [{"text": None, **part} for part in typed(placed(message))]}
        for message in item.prompt(style)
    ]
    images = [cell(shot) for shot in item.own]
    return {"prompt": prompt, "images": images, "solution": item.answer, **item.facts, **asked}


def _grpo_sink(folder: Path) -> Shards:
    from datasets import Image, List, Value

    text = Value("string")
    return Shards(
        folder,
        features(
            prompt=List({"role": text, "content": List({"type": text, "text": text})}),
            images=List(Image()),
            solution=text,
            verifier=text,
            tools_help=Value("bool"),
        ),
    )


SFT = Format("TRL's SFTTrainer: messages and images", sft_record, _sft_sink, split="sft", traced=True)
GRPO = Format("TRL's GRPOTrainer: prompt, images and columns for rewards", grpo_record, _grpo_sink, split="rl")
