"""Hands that change a trace after it was made. They know rows and pixels, and nothing of seals, replay or verifiers.

`forgeries` changes one thing and leaves every id as it was. `resealed` changes one thing that the trace then shows
wrongly, and gives the trace the id of its new content, as someone would who knows how ids are made.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from PIL import Image

from tests.pipelines.tasks.traces import Told

Forged = tuple[str, Told]
"""What was done, and the result."""


def forgeries(whole: Told, other: Told) -> Iterator[Forged]:
    """Every single change of `whole`; what is put in the place of its own is taken from `other`, another trace."""
    yield from _pixels(whole)
    yield from _pictures(whole, other)
    yield from _arguments(whole)
    yield from _observations(whole, other)
    yield from _steps(whole)
    yield from _answers(whole, other)


def resealed(whole: Told, other: Told) -> Iterator[Forged]:
    """Observations and answers that are not what they should be, in traces whose ids fit their content."""
    for what, forged in _observations(whole, other):
        yield what, _seal(forged)
    for index, step in enumerate(whole.trace["steps"]):
        if step["kind"] != "thought":
            yield f"{step['kind']} dropped", _seal(_with_steps(whole, _without(whole.trace["steps"], index)))
    yield "another answer at the end", _seal(_last(whole, _other_answer(whole, other)))


def _pixels(whole: Told) -> Iterator[Forged]:
    """The lowest bit of one pixel of a picture of the sample."""
    for name in whole.sample["image_ids"]:
        image = whole.pictures[name]
        for place in _places(image):
            yield "pixel of the question", replace(whole, pictures={**whole.pictures, name: _flipped(image, place)})


def _pictures(whole: Told, other: Told) -> Iterator[Forged]:
    """A picture of another sample in the place of one of this, under the old name and under its own."""
    theirs = other.sample["image_ids"][0]
    for index, name in enumerate(whole.sample["image_ids"]):
        yield "picture swapped", replace(whole, pictures={**whole.pictures, name: other.pictures[theirs]})
        named = [*whole.sample["image_ids"]]
        named[index] = theirs
        sample = {**whole.sample, "image_ids": named}
        yield "picture named instead", replace(whole, sample=sample, pictures={**whole.pictures, **other.pictures})
    if len(set(whole.sample["image_ids"])) > 1:
        turned = {**whole.sample, "image_ids": [*whole.sample["image_ids"][1:], whole.sample["image_ids"][0]]}
        yield "pictures in another order", replace(whole, sample=turned)


def _arguments(whole: Told) -> Iterator[Forged]:
    """Every number of every call one more and one less, every word one letter longer."""
    for index, step in enumerate(whole.trace["steps"]):
        if step["kind"] == "action":
            for changed in _leaves(json.loads(step["arguments"])):
                yield "argument", _with_step(whole, index, {**step, "arguments": _json(changed)})


def _observations(whole: Told, other: Told) -> Iterator[Forged]:
    """A flipped pixel, a picture of another trace, a picture of another step, another word, in each observation."""
    steps = whole.trace["steps"]
    seen = [step["image_id"] for step in steps if step["image_id"]]
    theirs = next(iter(other.pictures))
    for index, step in enumerate(steps):
        if step["kind"] != "observation":
            continue
        if step["text"]:
            yield "word of an observation", _with_step(whole, index, {**step, "text": step["text"][:-1] + "!"})
        if not step["image_id"]:
            continue
        for place in _places(whole.pictures[step["image_id"]]):
            flipped = _flipped(whole.pictures[step["image_id"]], place)
            yield "pixel of an observation", _with_step(whole, index, {**step, "image_id": picture_seal(flipped)})
        for kind, name in (("trace", theirs), *(("step", name) for name in dict.fromkeys(seen))):
            if name != step["image_id"]:
                yield f"observation of another {kind}", _with_step(whole, index, {**step, "image_id": name})


def _steps(whole: Told) -> Iterator[Forged]:
    """Each step left out, said twice, or told after the next; each thought reworded."""
    steps = whole.trace["steps"]
    for index, step in enumerate(steps):
        yield f"{step['kind']} dropped", _with_steps(whole, _without(steps, index))
        yield f"{step['kind']} twice", _with_steps(whole, [*steps[: index + 1], *steps[index:]])
        if step["kind"] == "thought":
            yield "thought reworded", _with_step(whole, index, {**step, "text": step["text"] + " "})
        if index and steps[index - 1] != step:
            swapped = [*steps[: index - 1], step, steps[index - 1], *steps[index + 1 :]]
            yield "steps exchanged", _with_steps(whole, swapped)


def _answers(whole: Told, other: Told) -> Iterator[Forged]:
    """Another answer: at the end of the trace, in its row, in the sample's row, and in all three together."""
    answer = _other_answer(whole, other)
    end, row, sample = _last(whole, answer), {"answer": _json(answer)}, {**whole.sample, "answer": _json(answer)}
    yield "answer of the last step", end
    yield "answer of the trace", replace(whole, trace={**whole.trace, **row})
    yield "answer of the sample", replace(whole, sample=sample)
    yield "answer everywhere", replace(end, trace={**end.trace, **row}, sample=sample)


def _other_answer(whole: Told, other: Told) -> Any:
    """The other trace's answer, or where it is the same or as good, one that nothing has."""
    mine, theirs = (json.loads(each.sample["answer"]) for each in (whole, other))
    return "17.03 of them" if mine == theirs or not isinstance(theirs, str) else f"not {theirs} at all"


def _places(image: Image.Image) -> list[tuple[int, int]]:
    """The first pixel, the last, and one that nobody chose."""
    drawn = int(picture_seal(image), 16)
    return [(0, 0), (image.width - 1, image.height - 1), (drawn % image.width, drawn // image.width % image.height)]


def _flipped(image: Image.Image, place: tuple[int, int]) -> Image.Image:
    changed = image.copy()
    red, green, blue = image.getpixel(place)  # type: ignore[misc]  # three bands
    changed.putpixel(place, (red, green, blue ^ 1))
    return changed


def _leaves(value: Any) -> Iterator[Any]:
    """The value with one number moved by one, or one word longer: one result for each change that there is."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            for leaf in _leaves(value[key]):
                changed = copy.deepcopy(value)
                changed[key] = leaf
                yield changed
    elif isinstance(value, str):
        yield value + "e"
    else:
        yield from (value - 1, value + 1)


def _last(whole: Told, answer: Any) -> Told:
    return _with_step(whole, len(whole.trace["steps"]) - 1, {**whole.trace["steps"][-1], "text": str(answer)})


def _with_step(whole: Told, index: int, step: dict[str, Any]) -> Told:
    steps = whole.trace["steps"]
    return _with_steps(whole, [*steps[:index], step, *steps[index + 1 :]])


def _with_steps(whole: Told, steps: list[dict[str, Any]]) -> Told:
    return replace(whole, trace={**whole.trace, "steps": steps})


def _without(steps: list[dict[str, Any]], index: int) -> list[dict[str, Any]]:
    return [*steps[:index], *steps[index + 1 :]]


def _seal(whole: Told) -> Told:
    """The same trace under the id that its content has."""
    trace = whole.trace
    content = [trace["sample_id"], trace["origin"], trace["steps"], trace["answer"], trace["producer"]]
    return replace(whole, trace={**trace, "trace_id": _hash(_json(["trace", content]).encode())})


def picture_seal(image: Image.Image) -> str:
    """The id that a picture has."""
    return _hash(f"image:{image.width}x{image.height}:".encode() + image.tobytes())


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
