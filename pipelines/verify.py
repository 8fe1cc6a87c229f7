"""Verify: a trace goes on only when everything it says can be repeated.

Why: a trace teaches. One call that the tool refuses, one observation that it would not have made, one answer that the
verifier does not accept, and the model learns to make it up. So every action is carried out again and compared, pixel
for pixel and word for word, every answer is judged by the sample's own verifier, and where a sample declares the region
that must be looked at, a trace that cuts or enlarges must have had it in view whole: a right answer from a wrong crop
is luck. A program in a trace is run again only where the recipe says so, and in the sandbox.

Reads `traces` with their `samples`. Writes `checks`. A drop names the first rule that did not hold: `altered_trace`,
`altered_sample`, `altered_picture` (`pipelines.seals`), `program` (where none may be run), `bad_call`,
`replay_mismatch` (value: observations that agree, threshold: actions), `not_wrong` (the wrong attempt of a reflection
or of backtracking), `no_answer`, `wrong_answer`, `no_verdict`, `region_missed` (value: the share of the region that was
in view).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from pipelines.reflection import proven_wrong
from pipelines.seals import broken_seal
from pipelines.stage import Context, Stage
from pipelines.tools import TOOLS, crop, python, zoom
from pipelines.tools.frames import SelectFrame
from pipelines.tools.replay import replay
from pipelines.tools.tool import pixel_box
from pipelines.verifiers import verify_row
from schemas.outcome import Drop, Keep, Outcome, Row
from schemas.rows import ORIGINS, Origin

VERSION = 3

SQL = """
SELECT t.trace_id, t.origin, t.steps, t AS trace, s.*
FROM traces t JOIN samples s ON s.sample_id = t.sample_id
WHERE list_contains($origins, t.origin)
"""

Box = tuple[float, float, float, float]

IN_PLACE = {"draw_line", "draw_box", "mark_point", "label", "select_frame"}
"""Tools after which everything is still in view, where it was."""


CORRECTING = ("reflection", "backtracking")
"""Origins of traces that take a wrong answer back."""


class Parameters(BaseModel):
    """How much of a region must have been seen, and whether programs may be run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    coverage: float = Field(1.0, gt=0, le=1, description="Share of a declared region that one view must contain.")
    origins: tuple[Origin, ...] = Field(ORIGINS, description="Whose traces are carried out again.")
    programs: bool = Field(False, description="Whether programs in traces may be run again, in the sandbox.")


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Outcome:
    """One trace → its checks, or the first rule that it breaks."""
    steps: list[Row] = row["steps"]
    pictures = [ctx.image(image) for image in row["image_ids"]]
    if altered := broken_seal(row["trace"], row, pictures):
        return Drop(altered)
    if row["origin"] in CORRECTING and not proven_wrong(row["trace"], row):
        return Drop("not_wrong")
    if not p.programs and any(step["tool"] == python.TOOL.name for step in steps):
        return Drop("program")
    again = replay(pictures, steps)
    if again.refused:
        return Drop("bad_call")
    if again.mismatches:
        return Drop("replay_mismatch", again.matched, again.actions)
    if not steps or steps[-1]["kind"] != "answer":
        return Drop("no_answer")
    verdict = verify_row(f"<answer>{steps[-1]['text']}</answer>", row)
    if not verdict.correct:
        return Drop("no_verdict" if verdict.correct is None else "wrong_answer", verdict.score)
    astray = range(row["trace"]["shared_steps"] or 0, row["trace"]["wrong_steps"] or 0)
    seen = region_share(row["region"], steps, again.images, astray)
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


def region_share(
    region: str | None, steps: Sequence[Row], images: Sequence[Image.Image], astray: range = range(0)
) -> float | None:
    """The smallest share of a declared box that some view of the trace contains, over all boxes.

    `images` are the sample's pictures, then those that tools made. Views taken in steps of `astray` do not count: they
    belong to a wrong attempt alone. None where nothing is declared or nothing was cut out.
    """
    boxes = [tuple(entry["box"]) for entry in json.loads(region)] if region else []
    views = [view for view in _views(steps, images, astray) if view is not None]
    if not boxes or not views:
        return None
    return min(max(_share(box, view) for view in views) for box in boxes)


def _views(steps: Sequence[Row], images: Sequence[Image.Image], astray: range) -> list[Box | None]:
    """What each cutting action outside `astray` shows, in pixels of picture 1; None where it cannot be said."""
    made = [
        (index, step)
        for index, (step, seen) in enumerate(pairwise(steps))
        if step["kind"] == "action" and seen["image_id"]
    ]
    width, height = images[0].size
    frames: list[Box | None] = [(0, 0, width, height), *([None] * (len(images) - len(made) - 1))]
    views: list[Box | None] = []
    for index, step in made:
        arguments = TOOLS[step["tool"]].parameters.model_validate(json.loads(step["arguments"] or "{}"))
        number = arguments.index if isinstance(arguments, SelectFrame) else getattr(arguments, "target_image", None)
        target = (number or len(frames)) - 1
        frame, size = frames[target], images[target].size
        if isinstance(arguments, crop.Crop | zoom.Zoom):
            if isinstance(arguments, zoom.Zoom):
                frame = _inside(frame, zoom.box_of(arguments, size), size)
            else:
                frame = _inside(frame, pixel_box(arguments.bbox_2d, size), size)
            if index not in astray:
                views.append(frame)
        elif step["tool"] not in IN_PLACE:
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
