"""Verify: a trace goes on only when everything it says can be repeated.

Why: a trace teaches. One call that the tool refuses, one observation that it would not have made, one answer that the
verifier does not accept, and the model learns to make it up. So every action is carried out again and compared pixel
for pixel, every answer is judged by the sample's own verifier, and where a sample declares the region that must be
looked at, a trace that cuts or enlarges must have had it in view whole: a right answer from a wrong crop is luck.

Reads `traces` with their `samples`. Writes `checks`. A drop names the first rule that did not hold: `bad_call`,
`replay_mismatch` (value: observations that agree, threshold: actions), `no_answer`, `wrong_answer`, `no_verdict`,
`region_missed` (value: the share of the region that was in view).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from pipelines.stage import Context, Stage
from pipelines.tools import TOOLS, crop, zoom
from pipelines.tools.replay import replay
from pipelines.tools.tool import pixel_box
from pipelines.verifiers import verify_row
from schemas.outcome import Drop, Keep, Outcome, Row

VERSION = 1

SQL = """
SELECT t.trace_id, t.origin, t.steps, s.*
FROM traces t JOIN samples s ON s.sample_id = t.sample_id
"""

Box = tuple[float, float, float, float]


class Parameters(BaseModel):
    """How much of a region must have been seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    coverage: float = Field(1.0, gt=0, le=1, description="Share of a declared region that one view must contain.")


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Outcome:
    """One trace → its checks, or the first rule that it breaks."""
    steps: list[Row] = row["steps"]
    pictures = [ctx.image(image) for image in row["image_ids"]]
    if any(step["kind"] == "observation" and step["image_id"] is None for step in steps):
        return Drop("bad_call")
    again = replay(pictures, steps)
    if again.mismatches:
        return Drop("replay_mismatch", again.matched, again.actions)
    if not steps or steps[-1]["kind"] != "answer":
        return Drop("no_answer")
    verdict = verify_row(f"<answer>{steps[-1]['text']}</answer>", row)
    if not verdict.correct:
        return Drop("no_verdict" if verdict.correct is None else "wrong_answer", verdict.score)
    seen = region_share(row["region"], steps, again.images)
    if seen is not None and seen < p.coverage:
        return Drop("region_missed", seen, p.coverage)
    return Keep(
        {
            "trace_id": row["trace_id"],
            "sample_id": row["sample_id"],
            "origin": row["origin"],
            "replayed": again.matched,
            "actions": again.actions,
            "tier": verdict.tier,
            "correct": True,
            "region_seen": None if seen is None else True,
        }
    )


def region_share(region: str | None, steps: Sequence[Row], images: Sequence[Image.Image]) -> float | None:
    """The smallest share of a declared box that some view of the trace contains, over all boxes.

    `images` are the sample's pictures, then one per action. None where nothing is declared or nothing was cut out.
    """
    boxes = [tuple(entry["box"]) for entry in json.loads(region)] if region else []
    views = [view for view in _views(steps, images) if view is not None]
    if not boxes or not views:
        return None
    return min(max(_share(box, view) for view in views) for box in boxes)


def _views(steps: Sequence[Row], images: Sequence[Image.Image]) -> list[Box | None]:
    """What each cutting action shows, in pixels of picture 1; None where it cannot be said (another one, or turned)."""
    actions = [step for step in steps if step["kind"] == "action"]
    first = len(images) - len(actions)
    width, height = images[0].size
    frames: list[Box | None] = [(0, 0, width, height), *([None] * (first - 1))]
    views: list[Box | None] = []
    for step in actions:
        arguments = TOOLS[step["tool"]].parameters.model_validate(json.loads(step["arguments"] or "{}"))
        target = (arguments.target_image or len(frames)) - 1
        frame, size = frames[target], images[target].size
        if isinstance(arguments, crop.Crop | zoom.Zoom):
            if isinstance(arguments, zoom.Zoom):
                frame = _inside(frame, zoom.box_of(arguments, size), size)
            else:
                frame = _inside(frame, pixel_box(arguments.bbox_2d, size), size)
            views.append(frame)
        elif step["tool"] == "rotate":
            frame = None
        frames.append(frame)
    return views


def _inside(frame: Box | None, cut: tuple[int, int, int, int], size: tuple[int, int]) -> Box | None:
    if frame is None:
        return None
    wide, high = (frame[2] - frame[0]) / size[0], (frame[3] - frame[1]) / size[1]
    return frame[0] + cut[0] * wide, frame[1] + cut[1] * high, frame[0] + cut[2] * wide, frame[1] + cut[3] * high


def _share(box: tuple[Any, ...], view: Box) -> float:
    wide = max(0.0, min(box[2], view[2]) - max(box[0], view[0]))
    high = max(0.0, min(box[3], view[3]) - max(box[1], view[1]))
    area = (box[2] - box[0]) * (box[3] - box[1])
    return min(1.0, wide * high / area) if area else 1.0


STAGE = Stage(
    name="verify",
    version=VERSION,
    kind="map",
    parameters=Parameters,
    sql=SQL,
    id_column="trace_id",
    table="checks",
    run=run,
)
