"""Questions, traces and conversations as text: the one place that says what a model reads and writes.

- User turn: the pictures, then the question, then the options as ``A. …`` lines.
- Assistant turn with a call: the thought, a line break, ``<tool_call>`` … ``</tool_call>``.
- Tool turn: one picture, or the sentence that says why there is none.
- Last assistant turn: the thought, a line break, ``<answer>…</answer>``.

No ``<think>`` tags: templates drop them from earlier turns, and then a conversation is no prefix of its continuation.
Models are trained on this text, so `FORMAT` counts its changes and enters every prompt hash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, TypeAlias, get_args

from pipelines.tools import TOOLS, CallError, Tool
from pipelines.tools.calls import CLOSE, OPEN, normal, read, render, schema
from schemas.ids import Json, canonical_json, content_id
from schemas.messages import Message, Part, Picture, Text

FORMAT = 1

Style: TypeAlias = Literal["plain", "described"]
STYLES: tuple[str, ...] = get_args(Style)
"""`plain`: no system turn, for models trained on this format. `described`: a system turn that explains it."""

Steps: TypeAlias = Sequence[Mapping[str, Any]]
"""Rows of a trace: kind, text, tool, arguments (canonical-JSON text), image_id."""

ANSWER_OPEN, ANSWER_CLOSE = "<answer>", "</answer>"
_TAGS = (OPEN, CLOSE, ANSWER_OPEN, ANSWER_CLOSE)
_CALL = re.compile(rf"{OPEN}((?:(?!{OPEN}).)*?){CLOSE}", re.DOTALL)
_ANSWER = re.compile(rf"{ANSWER_OPEN}((?:(?!{ANSWER_OPEN}).)*?){ANSWER_CLOSE}", re.DOTALL)


def step(
    kind: str,
    text: str | None = None,
    tool: str | None = None,
    arguments: Mapping[str, Json] | None = None,
    image_id: str | None = None,
) -> dict[str, Any]:
    """One step as a row of a trace."""
    encoded = None if arguments is None else canonical_json(arguments)
    return {"kind": kind, "text": text, "tool": tool, "arguments": encoded, "image_id": image_id}


def system(tools: Mapping[str, Tool] = TOOLS) -> str:
    """The system text of style `described`: the tools, how to call them, how to answer."""
    lines = [
        "You answer questions about pictures. Think step by step, and look closer with the tools where it helps.",
        "",
        "# Tools",
        "",
        "Pictures are numbered from 1 in the order shown; a tool's result is the next picture. Coordinates are 0 to"
        " 1000 relative to the picture, x to the right and y downward.",
        "",
        "<tools>",
        *(json.dumps(schema(tool), ensure_ascii=False) for tool in tools.values()),
        "</tools>",
        "",
        "To call a tool, end your turn with:",
        f'{OPEN}\n{{"name": <name>, "arguments": <JSON object>}}\n{CLOSE}',
        f"When you know the answer, end your turn with: {ANSWER_OPEN}the answer alone{ANSWER_CLOSE}",
    ]
    return "\n".join(lines)


def prompt_hash(style: Style = "plain") -> str:
    """Id of everything this module adds to a question: what rollouts and caches are told apart by."""
    return content_id("prompt", [FORMAT, style, system() if style == "described" else ""])


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


def assistant_text(steps: Steps) -> str:
    """The text of one assistant turn: thoughts, then at most one action or answer.

    Raises `ValueError` for a step that may not stand there, or a thought or answer that holds one of our tags.
    """
    lines: list[str] = []
    for index, item in enumerate(steps):
        kind, text = item["kind"], str(item["text"] or "").strip()
        if kind not in ("thought", "action", "answer") or (kind != "thought" and index != len(steps) - 1):
            raise ValueError(f"step {index} of an assistant turn of {len(steps)} may not be {kind!r}")
        if any(tag in text for tag in _TAGS):
            raise ValueError(f"a {kind} may not hold the tags {', '.join(_TAGS)}")
        if kind == "answer":
            lines.append(f"{ANSWER_OPEN}{text}{ANSWER_CLOSE}")
        elif kind == "thought":
            lines.extend([text] if text else [])
        elif item["tool"] is None:  # what a model wrote instead of a call
            lines.append(f"{OPEN}\n{text}\n{CLOSE}")
        else:
            arguments = item["arguments"]
            if not isinstance(arguments, Mapping):
                arguments = json.loads(arguments) if arguments else {}
            lines.append(render(item["tool"], arguments))
    return "\n".join(lines)


def parse_assistant(text: str) -> list[dict[str, Any]]:
    """The steps of one assistant turn: one thought (unless blank), then the first call, or the last answer.

    What follows the call or the answer is dropped: a model that goes on writes the observation itself. A call that is
    no JSON becomes an action without a tool that keeps its text. Never raises; rendering the result and parsing it
    again gives the same steps.
    """
    call, answer = _CALL.search(text), _ANSWER.search(text)
    if call and (answer is None or call.start() < answer.start()):
        return [*_thought(text[: call.start()]), _action(call.group(1))]
    if answer:
        *_, answer = _ANSWER.finditer(text)
        return [*_thought(text[: answer.start()]), step("answer", untagged(answer.group(1)))]
    if OPEN in text:  # the end was cut off, by a length limit or by a server that swallows its stop string
        before, body = text.rsplit(OPEN, 1)
        return [*_thought(before), _action(body)]
    return _thought(text)


def untagged(text: str) -> str:
    """The text without our tags, so that rendering cannot create a call or an answer that was not there."""
    while any(tag in text for tag in _TAGS):
        for tag in _TAGS:
            text = text.replace(tag, "")
    return text.strip()


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
        messages.append(Message("tool", (_observed(item),)))
    if said:
        messages.append(Message("assistant", (Text(assistant_text(said)),)))
    return messages


def conversation(
    sample: Mapping[str, Any],
    steps: Steps = (),
    image_ids: Sequence[str] | None = None,
    style: Style = "plain",
) -> tuple[Message, ...]:
    """A sample row and a trace of it as messages; without steps, the prompt. `image_ids` as in `user`."""
    head = [Message("system", (Text(system()),))] if style == "described" else []
    return (*head, user(sample, image_ids), *turns(steps))


def _observed(item: Mapping[str, Any]) -> Part:
    return Picture(item["image_id"]) if item["image_id"] else Text(item["text"] or "")


def _thought(text: str) -> list[dict[str, Any]]:
    text = untagged(text)
    return [step("thought", text)] if text else []


def _action(body: str) -> dict[str, Any]:
    call = read(body.strip())
    if isinstance(call, CallError):
        body = untagged(body)
        call = read(body)
        if isinstance(call, CallError):
            return step("action", body)
    with suppress(CallError):  # a wrong call is kept as written, and its observation says what is wrong
        call = normal(call)
    return step("action", tool=call.tool, arguments=call.arguments)
