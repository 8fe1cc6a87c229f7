"""Carry out a trace's actions again, and compare every observation with what comes out, pixel for pixel."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from pipelines.tools.calls import ToolCall, execute, read
from pipelines.tools.tool import CallError
from schemas.ids import canonical_json, picture_id

LIMIT = "No more pictures can be made; answer now."
"""The observation of a call that was not carried out: the conversation already holds as many pictures as it may."""


@dataclass(frozen=True)
class Mismatch:
    """An observation that is not what its action gives. `step` counts from 0 in the trace."""

    step: int
    reason: str


@dataclass(frozen=True)
class Replay:
    """All pictures of a trace (the sample's own, then one per successful action), their ids, and what did not agree.

    `actions` counts the trace's actions; `matched` those whose observation agrees.
    """

    images: tuple[Image.Image, ...]
    ids: tuple[str, ...]
    actions: int
    matched: int
    mismatches: tuple[Mismatch, ...]


def outcome(images: Sequence[Image.Image], step: Mapping[str, Any]) -> Image.Image | CallError:
    """What an action step gives, over the pictures shown so far: a picture, or the sentence the model reads."""
    if step["tool"] is None:
        error = read(str(step["text"] or ""))
        return error if isinstance(error, CallError) else CallError("The tool call is not closed.")
    arguments = step["arguments"]
    if not isinstance(arguments, Mapping):
        arguments = json.loads(arguments) if arguments else {}
    try:
        return execute(images, ToolCall(step["tool"], arguments))
    except CallError as error:
        return error


def replay(images: Sequence[Image.Image], steps: Sequence[Mapping[str, Any]]) -> Replay:
    """Carry out every action of `steps` (rows of a trace, observations included) over the sample's pictures."""
    shown = list(images)
    known = [picture_id(image) for image in images]
    mismatches: list[Mismatch] = []
    actions = matched = 0
    for index, step in enumerate(steps):
        if step["kind"] == "observation" and (index == 0 or steps[index - 1]["kind"] != "action"):
            mismatches.append(Mismatch(index, "an observation without an action before it"))
        if step["kind"] != "action":
            continue
        actions += 1
        seen = steps[index + 1] if index + 1 < len(steps) else None
        if seen is None or seen["kind"] != "observation":
            mismatches.append(Mismatch(index, "an action without an observation after it"))
            seen = {"text": None, "image_id": None}
        elif seen["image_id"] is None and seen["text"] == LIMIT:
            matched += 1
            continue
        made = outcome(shown, step)
        if isinstance(made, CallError):
            expected, found = f"the error {str(made)!r}", {"image_id": None, "text": str(made)}
        else:
            shown.append(made)
            known.append(picture_id(made))
            expected, found = f"picture {known[-1]}", {"image_id": known[-1], "text": None}
        if seen["image_id"] == found["image_id"] and (seen["text"] or None) == found["text"]:
            matched += 1
        elif not mismatches or mismatches[-1].step != index:
            got = f"picture {seen['image_id']}" if seen["image_id"] else f"the text {seen['text']!r}"
            mismatches.append(Mismatch(index + 1, f"replay gives {expected}, the trace says {got}"))
    return Replay(tuple(shown), tuple(known), actions, matched, tuple(mismatches))


def with_observations(images: Sequence[Image.Image], steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The steps of an oracle as rows of a trace, with its observation behind every action.

    Arguments may be mappings or JSON text. Raises `CallError` where an action fails.
    """
    shown = list(images)
    whole: list[dict[str, Any]] = []
    for index, step in enumerate(steps):
        arguments = step["arguments"]
        encoded = canonical_json(arguments) if isinstance(arguments, Mapping) else arguments
        whole.append(
            {
                "kind": step["kind"],
                "text": step["text"] or None,
                "tool": step["tool"],
                "arguments": encoded,
                "image_id": None,
            }
        )
        if step["kind"] == "action":
            made = outcome(shown, step)
            if isinstance(made, CallError):
                raise CallError(f"step {index}, {step['tool']}: {made}")
            shown.append(made)
            whole.append(observation(picture_id(made)))
    return whole


def observation(image_id: str | None = None, text: str | None = None) -> dict[str, Any]:
    """An observation step: the picture that an action made, or the sentence that says why it made none."""
    return {"kind": "observation", "text": text, "tool": None, "arguments": None, "image_id": image_id}
