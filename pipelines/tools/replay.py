"""Carry out a trace's actions again, and compare every observation with what comes out: pixels and words, exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sys import maxsize
from typing import Any

from PIL import Image

from pipelines.tools import TOOLS
from pipelines.tools.calls import no_tool
from pipelines.tools.environment import LIMIT, Rules, act
from pipelines.tools.tool import CallError, Seen, Shown, unmarked
from schemas.ids import canonical_json, picture_id

__all__ = ["LIMIT", "Mismatch", "Replay", "again", "observation", "replay", "with_observations"]

FREE = Rules(images=maxsize, tools=tuple(TOOLS))
"""Room for every picture, and every tool."""


@dataclass(frozen=True)
class Mismatch:
    """An observation that is not what its action gives. `step` counts from 0 in the trace."""

    step: int
    reason: str


@dataclass(frozen=True)
class Replay:
    """All pictures of a trace (the sample's own, then those that tools made), their ids, and what did not agree.

    `actions` counts the trace's actions; `matched` those whose observation agrees; `refused` those that were answered
    by the sentence that says why they cannot be carried out.
    """

    images: tuple[Image.Image, ...]
    ids: tuple[str, ...]
    actions: int
    matched: int
    refused: int
    mismatches: tuple[Mismatch, ...]


def again(shown: Shown, action: Mapping[str, Any], seen: Mapping[str, Any] | None = None) -> Seen:
    """What an action of a trace gives.

    If the trace says (`seen`) that there was no room for its picture, or that its tool was not offered, so be it: a
    trace does not hold the rules under which it was made. Such a call is refused, whatever it would have given.
    """
    told = seen["text"] if seen is not None and seen["image_id"] is None else None
    if told and (told == LIMIT or (action["tool"] and told.startswith(unmarked(no_tool(action["tool"]))))):
        return Seen(text=told, refused=True)
    return act(shown, action, FREE)


def replay(images: Sequence[Image.Image], steps: Sequence[Mapping[str, Any]]) -> Replay:
    """Carry out every action of `steps` (rows of a trace, observations included) over the sample's pictures."""
    shown = Shown.of(images)
    known = [picture_id(image) for image in images]
    mismatches: list[Mismatch] = []
    actions = matched = refused = 0
    for index, step in enumerate(steps):
        if step["kind"] == "observation" and (index == 0 or steps[index - 1]["kind"] != "action"):
            mismatches.append(Mismatch(index, "an observation without an action before it"))
        if step["kind"] != "action":
            continue
        actions += 1
        seen = steps[index + 1] if index + 1 < len(steps) else None
        if seen is None or seen["kind"] != "observation":
            mismatches.append(Mismatch(index, "an action without an observation after it"))
            seen = None
        made = again(shown, step, seen)
        shown = shown.plus(made)
        refused += made.refused
        if made.image is not None:
            known.append(picture_id(made.image))
        due = observation(None if made.image is None else known[-1], made.text)
        if seen is not None and seen["image_id"] == due["image_id"] and (seen["text"] or None) == due["text"]:
            matched += 1
        elif seen is not None:
            mismatches.append(Mismatch(index + 1, f"replay gives {_told(due)}, the trace says {_told(seen)}"))
    return Replay(shown.images, tuple(known), actions, matched, refused, tuple(mismatches))


def with_observations(images: Sequence[Image.Image], steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The steps of an oracle as rows of a trace, with its observation behind every action.

    Arguments may be mappings or JSON text. Raises `CallError` where an action fails.
    """
    shown = Shown.of(images)
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
            made = again(shown, step)
            if made.refused:
                raise CallError(f"step {index}, {step['tool']}: {made.text}")
            shown = shown.plus(made)
            whole.append(observation(None if made.image is None else picture_id(made.image), made.text))
    return whole


def observation(image_id: str | None = None, text: str | None = None) -> dict[str, Any]:
    """An observation step: the picture that an action made, what it says, or the sentence that says why it does not."""
    return {"kind": "observation", "text": text, "tool": None, "arguments": None, "image_id": image_id}


def _told(seen: Mapping[str, Any]) -> str:
    parts = [f"picture {seen['image_id']}"] if seen["image_id"] else []
    if seen["text"] or not parts:
        parts.append(f"the text {seen['text']!r}")
    return " with ".join(parts)
