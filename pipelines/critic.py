"""Critic: who is asked for the false phrase looks at the things that the caption speaks of before naming it.

Why: the oracle of an injected caption knows the answer and says so; nobody learns to look from that. Here the trace
goes through the caption as a careful reader does: it cuts out the thing of a phrase, sees that it fits, goes on, comes
to the false one, sees what is there instead, and only then names it. Places come from the program, pictures from the
tools, so `verify` can carry all of it out again.

Reads `injections` with their `samples`, and `captions` with the samples they were written for. Writes `traces` (origin
`critic`), one per injection, and what the tools made as `images`. Drops `no_place`: the false phrase speaks of nothing
that could be cut out, as a count of all things does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipelines.prompts import step
from pipelines.stage import Context, Stage
from pipelines.tasks.made import Box
from pipelines.tasks.places import box_of
from pipelines.tasks.world import frame
from pipelines.tools.replay import replay, with_observations
from schemas.ids import Json
from schemas.outcome import Drop, Keep, Outcome, Row
from schemas.rows import StepRow, TraceRow

VERSION = 1

SQL = """
SELECT i.injection_id, i.sample_id, i.original, i.replacement, i.original_start, i.proof, s.image_ids, s.license,
       c.clauses, f.program, f.task AS family
FROM injections i JOIN samples s ON s.sample_id = i.sample_id
JOIN captions c ON c.caption_id = i.caption_id JOIN samples f ON f.sample_id = c.sample_id
WHERE i.injector = 'program'
"""


class Parameters(BaseModel):
    """How many phrases are looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    looks: int = Field(2, ge=1, le=8, description="Most phrases, the false one last; each costs a picture.")


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Outcome:
    """One injection → a trace that looks before it answers, or a drop."""
    program = json.loads(row["program"])
    place = box_of(row["family"], json.loads(row["proof"])["true"], program)
    if place is None:
        return Drop("no_place")
    picture = ctx.image(row["image_ids"][0])
    before = list(_fitting(row, program, place))[-(p.looks - 1) :] if p.looks > 1 else []
    steps: list[Row] = []
    for box, said in [*before, (place, None)]:
        where: dict[str, Json] = {"bbox_2d": frame(box, *picture.size), "target_image": 1}
        steps += [step("thought", f"Check {said or row['replacement']}."), step("action", None, "crop", where)]
        steps.append(step("thought", f"It fits: {said}." if said else f"Not {row['replacement']}: {row['original']}."))
    steps.append(step("answer", row["replacement"]))
    whole = with_observations([picture], steps)
    for image in replay([picture], whole).images[1:]:
        ctx.store(image, origin="tool", license=row["license"])
    trace = TraceRow(
        sample_id=row["sample_id"],
        origin="critic",
        steps=[StepRow.of(each) for each in whole],
        answer=row["replacement"],
        producer={"engine": "oracle", "task": "vicrit", "version": VERSION, "looks": p.looks},
    )
    return Keep(trace.row())


def _fitting(row: Mapping[str, Any], program: Mapping[str, Any], place: Box) -> Iterator[tuple[Box, str]]:
    """The true phrases before the false one that speak of something else than it, each with its place."""
    clauses: Sequence[Mapping[str, Any]] = row["clauses"]
    for clause in clauses:
        if clause["start"] < row["original_start"]:
            box = box_of(row["family"], json.loads(clause["fact"]), program)
            if box is not None and box != place:
                yield box, clause["text"]


STAGE = Stage(
    name="critic",
    version=VERSION,
    kind="map",
    parameters=Parameters,
    sql=SQL,
    id_column="injection_id",
    table="traces",
    run=run,
)
