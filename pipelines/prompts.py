"""Questions, traces and conversations as text: the one place that says what a model reads.

- User turn: the pictures, then the question, then the options as ``A. …`` lines.
- Assistant turns: `pipelines.tools.turn`.
- Tool turn: what the call lets the model see: a picture, a text, or the sentence that says why there is neither.

Models are trained on this text, so `FORMAT` counts its changes and enters every prompt hash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

from pipelines.tools import OFFERED, TOOLS
from pipelines.tools.calls import CLOSE, OPEN, schema
from pipelines.tools.turn import ANSWER_CLOSE, ANSWER_OPEN, Steps, assistant_text, parse_assistant, step, untagged
from schemas.ids import content_id
from schemas.messages import Message, Part, Picture, Text

__all__ = [
    "FORMAT",
    "STYLES",
    "Steps",
    "Style",
    "assistant_text",
    "conversation",
    "letter",
    "parse_assistant",
    "prompt_hash",
    "question_text",
    "step",
    "system",
    "turns",
    "untagged",
    "user",
]

FORMAT = 1

Style: TypeAlias = Literal["plain", "described"]
STYLES: tuple[str, ...] = get_args(Style)
"""`plain`: no system turn, for models trained on this format. `described`: a system turn that explains it."""


def system(tools: Sequence[str] = OFFERED) -> str:
    """The system text of style `described`: the tools of these names, how to call them, how to answer."""
    lines = [
        "You answer questions about pictures. Think step by step, and look closer with the tools where it helps.",
        "",
        "# Tools",
        "",
        "Pictures are numbered from 1 in the order shown; a picture that a tool makes is the next one."
        " Coordinates are 0 to 1000 relative to the picture, x to the right and y downward.",
        "",
        "<tools>",
        *(json.dumps(schema(TOOLS[name]), ensure_ascii=False) for name in tools),
        "</tools>",
        "",
        "To call a tool, end your turn with:",
        f'{OPEN}\n{{"name": <name>, "arguments": <JSON object>}}\n{CLOSE}',
        f"When you know the answer, end your turn with: {ANSWER_OPEN}the answer alone{ANSWER_CLOSE}",
    ]
    return "\n".join(lines)


def prompt_hash(style: Style = "plain", tools: Sequence[str] = OFFERED) -> str:
    """Id of everything this module adds to a question: what rollouts and caches are told apart by."""
    return content_id("prompt", [FORMAT, style, system(tools) if style == "described" else ""])


def question_text(question: str, options: Sequence[str] = ()) -> str:
    """The text of the user turn."""
    return "\n".join([question, *(f"{letter(index)}. {option}" for index, option in enumerate(options))])


def letter(index: int) -> str:
    """The letter of an option: 0 is A."""
    return chr(ord("A") + index)


def user(sample: Mapping[str, Any], image_ids: Sequence[str] | None = None) -> Message:
    """The user turn of a sample row; `image_ids` shows other pictures in place of its own (none at all: `()`)."""
    shown = sample["image_ids"] if image_ids is None else image_ids
    text = question_text(sample["question"], sample["options"] or ())
    return Message("user", (*(Picture(image_id) for image_id in shown), Text(text)))


def turns(steps: Steps) -> list[Message]:
    """A trace as assistant and tool turns, in order."""
    messages: list[Message] = []
    said: list[Mapping[str, Any]] = []
    for item in steps:
        if item["kind"] != "observation":
            said.append(item)
            continue
        if said:
            messages.append(Message("assistant", (Text(assistant_text(said)),)))
            said = []
        messages.append(Message("tool", _observed(item)))
    if said:
        messages.append(Message("assistant", (Text(assistant_text(said)),)))
    return messages


def conversation(
    sample: Mapping[str, Any],
    steps: Steps = (),
    image_ids: Sequence[str] | None = None,
    style: Style = "plain",
    tools: Sequence[str] = OFFERED,
) -> tuple[Message, ...]:
    """A sample row and a trace of it as messages; without steps, the prompt. `image_ids` as in `user`."""
    head = [Message("system", (Text(system(tools)),))] if style == "described" else []
    return (*head, user(sample, image_ids), *turns(steps))


def _observed(item: Mapping[str, Any]) -> tuple[Part, ...]:
    """The picture, then the text; an empty text where there is neither."""
    shown: tuple[Part, ...] = (Picture(item["image_id"]),) if item["image_id"] else ()
    return (*shown, Text(item["text"] or "")) if item["text"] or not shown else shown
