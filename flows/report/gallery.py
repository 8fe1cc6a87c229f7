"""Samples to look at: drawn evenly over tasks, with traces that can be stepped through, tool pictures made again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from flows.report.pictures import THUMB, Shown, shown
from flows.report.source import THESE, Source
from pipelines.personal import HELD_BACK
from pipelines.tools import Seen, picture_id
from pipelines.tools import Shown as Conversation
from pipelines.tools.replay import again

SAMPLES = 30
"""How many samples a page shows."""

TRACES = 3
"""How many traces of one sample it shows."""

ATTEMPTS = 5
"""How many of the policy's different answers."""

BYTES = 9_000_000
"""Where the gallery ends early: pictures, as characters of the page."""

CHOICE = f"""
SELECT sample_id FROM (
  SELECT *, row_number() OVER (PARTITION BY task ORDER BY again, nth, sample_id) AS turn FROM (
    SELECT s.sample_id, s.task,
      row_number() OVER (PARTITION BY s.image_ids[1] ORDER BY s.sample_id) AS again,
      row_number() OVER (PARTITION BY s.task, s.relation, s.dial
                         ORDER BY (s.split IS NOT NULL) DESC, t.policy DESC NULLS LAST, t.actions DESC NULLS LAST,
                                  s.sample_id) AS nth
    FROM samples s LEFT JOIN (
      SELECT sample_id, bool_or(origin = 'policy') AS policy,
             max(len(list_filter(steps, lambda x: x.kind = 'action'))) AS actions
      FROM traces GROUP BY sample_id
    ) t USING (sample_id)
    WHERE s.sample_id NOT IN ({HELD_BACK})
  )
) ORDER BY turn, task LIMIT ?
"""
"""Round robin over tasks; within one, a picture once before twice, then all relations; curated rows first."""

TOLD = {
    "samples": f"SELECT * FROM samples WHERE {THESE}",
    "traces": (
        "SELECT t.sample_id, t.origin, t.steps, c.replayed, c.actions, c.correct FROM traces t LEFT JOIN checks c"
        f" USING (trace_id) WHERE t.{THESE} QUALIFY row_number() OVER"
        f" (PARTITION BY t.sample_id ORDER BY t.origin DESC, t.trace_id) <= {TRACES} ORDER BY t.origin DESC, t.trace_id"
    ),
    "difficulty": f"SELECT * FROM difficulty WHERE {THESE} ORDER BY round DESC",
    "attempts": (
        "SELECT sample_id, answer, correct, count(*) AS times FROM rollouts WHERE purpose = 'difficulty'"
        f" AND {THESE} GROUP BY ALL ORDER BY times DESC, answer"
    ),
}
"""What is asked about the chosen samples, each once for all of them."""


@dataclass(frozen=True)
class Frame:
    """One step to look at: what was thought, what was called on which picture, and what came of it.

    `box` is what the call points at, in percent of `seen` (left, top, width, height). `proven` says whether what
    the tool answers now is what the trace recorded; None where nothing was called. `said` are its words: a result, or
    (`refused`) why there is none.
    """

    thought: str | None = None
    call: str | None = None
    seen: Shown | None = None
    box: tuple[float, float, float, float] | None = None
    made: Shown | None = None
    proven: bool | None = None
    said: str | None = None
    refused: bool = False
    answer: str | None = None


@dataclass(frozen=True)
class Item:
    """A sample as it is shown."""

    sample: dict[str, Any]
    thumb: Shown | None
    pictures: list[Shown]
    traces: list[dict[str, Any]]
    difficulty: dict[str, Any] | None
    attempts: list[dict[str, Any]]


def gallery(source: Source, samples: int = SAMPLES, room: int = BYTES) -> list[Item]:
    """Samples of the run, at most `samples` of them and about `room` characters of pictures."""
    ids = [row["sample_id"] for row in source.rows(CHOICE, samples)]
    told = {name: source.about(sql, ids) for name, sql in TOLD.items()}
    items: list[Item] = []
    spent = 0
    for sample_id in ids:
        item = _item(source, {name: rows.get(sample_id, []) for name, rows in told.items()})
        spent += weight(item)
        if items and spent > room:
            break
        items.append(item)
    return items


def weight(item: Item) -> int:
    """Characters that an item's pictures take."""
    frames = [frame for trace in item.traces for frame in trace["frames"]]
    held = [item.thumb, *item.pictures, *(each for frame in frames for each in (frame.seen, frame.made))]
    return sum(len(picture.src) for picture in held if picture)


def frames(images: Sequence[Image.Image], views: Sequence[Shown], steps: Sequence[Mapping[str, Any]]) -> list[Frame]:
    """A trace step by step, each action carried out again; `views` are the sample's own `images`, as they are shown."""
    known, seen = Conversation.of(images), list(views)
    found: list[Frame] = []
    thoughts: list[str] = []
    for index, step in enumerate(steps):
        thought = "\n".join(thoughts) or None
        if step["kind"] == "thought":
            thoughts.append(step["text"] or "")
        elif step["kind"] == "answer":
            found.append(Frame(thought, seen=seen[-1], answer=step["text"] or ""))
            thoughts = []
        elif step["kind"] == "action":
            after = steps[index + 1] if index + 1 < len(steps) else {"image_id": None, "text": None}
            made = again(known, step, after)
            known = known.plus(made)
            found.append(_action(made, seen, step, after, thought))
            thoughts = []
    if thoughts:
        found.append(Frame("\n".join(thoughts), seen=seen[-1]))
    return found


def plain(value: str | None) -> str:
    """Canonical JSON of an answer as one would say it."""
    if value is None:
        return "no answer"
    read = json.loads(value)
    return ", ".join(map(str, read)) if isinstance(read, list) else str(read)


def stored(source: Source, image_id: str) -> Image.Image | None:
    """A picture of the lake, or None where no pack holds it any more."""
    from pipelines.lake.images import MissingPicture

    try:
        return source.lake.image(image_id)
    except MissingPicture:
        return None


def _item(source: Source, told: Mapping[str, list[dict[str, Any]]]) -> Item:
    sample = told["samples"][0]
    images = [image for name in sample["image_ids"] if (image := stored(source, name))]
    views = [shown(image) for image in images]
    complete = len(images) == len(sample["image_ids"])
    return Item(
        sample={**sample, "answer": plain(sample["answer"])},
        thumb=shown(images[0], THUMB) if images else None,
        pictures=views,
        traces=[{**row, "frames": frames(images, views, row["steps"]) if complete else []} for row in told["traces"]],
        difficulty=told["difficulty"][0] if told["difficulty"] else None,
        attempts=[{**row, "answer": plain(row["answer"])} for row in told["attempts"][:ATTEMPTS]],
    )


def _action(
    made: Seen,
    seen: list[Shown],
    step: Mapping[str, Any],
    after: Mapping[str, Any],
    thought: str | None,
) -> Frame:
    arguments = json.loads(step["arguments"]) if step["arguments"] else {}
    target = arguments.get("target_image", len(seen))
    on = seen[target - 1] if isinstance(target, int) and 1 <= target <= len(seen) else seen[0]
    call = step["text"] or ""
    if step["tool"] is not None:
        call = f"{step['tool']}({', '.join(f'{name}={_short(value)}' for name, value in arguments.items())})"
    box = _box(arguments.get("bbox_2d"))
    name = None if made.image is None else picture_id(made.image)
    proven = (name, made.text) == (after["image_id"], after["text"])
    if made.image is None:
        return Frame(thought, call, on, box, proven=proven, said=made.text, refused=made.refused)
    seen.append(shown(made.image))
    return Frame(thought, call, on, box, seen[-1], proven, made.text)


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _box(value: Any) -> tuple[float, float, float, float] | None:
    if not (isinstance(value, list) and len(value) == 4 and all(isinstance(each, int | float) for each in value)):
        return None
    x0, y0, x1, y1 = (min(max(each, 0), 1000) / 10 for each in value)
    return min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)
