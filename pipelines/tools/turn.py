"""One turn of the assistant as text and as steps of a trace: written one way, read leniently.

A turn is thoughts, then at most one tool call or answer:

- with a call: the thought, a line break, ``<tool_call>`` … ``</tool_call>``;
- the last one: the thought, a line break, ``<answer>…</answer>``.

No ``<think>`` tags: templates drop them from earlier turns, and then a conversation is no prefix of its continuation.
Models are trained on this text; `pipelines.prompts.FORMAT` counts its changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from pipelines.tools.calls import CLOSE, OPEN, ToolCall, normal, read, render
from pipelines.tools.tool import CallError
from schemas.ids import Json, canonical_json

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


def action(call: ToolCall) -> dict[str, Any]:
    """A call as a step: in its plain form, or as it was written where it cannot be carried out."""
    with suppress(CallError):
        call = normal(call)
    return step("action", tool=call.tool, arguments=call.arguments)


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
    return action(call)
