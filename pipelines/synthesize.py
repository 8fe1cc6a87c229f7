"""Synthesize: the recipe's mix of task families becomes samples with oracle traces and captions.

Why: a family draws a latent state first and renders it after, so label, region, checklist and trace are right by
construction, and hardness is a dial. The observations of the trace are not drawn here: the tools make them, on the
picture as it will be stored, so that `verify` can repeat every one of them pixel for pixel.

Reads specs (spec_id, task, dial, seed), drawn from the mix; no upstream table.
Writes `samples` (one per spec), `images`, `traces` (origin `oracle`), `captions` (source `program`), `lineage`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.stage import Context, Stage
from pipelines.tasks import FAMILIES, check_dial, check_task
from pipelines.tasks.rows import caption_row, oracle_steps, sample_row, trace_row
from schemas.ids import picture_id, seed_of
from schemas.outcome import Child, Expansion, Keep
from schemas.rows import lineage

VERSION = 3


class Mix(BaseModel):
    """So many samples of one family at one dial."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str = Field(description="A family of `pipelines.tasks.FAMILIES`.")
    dial: int = Field(0, ge=0, description="Hardness; 0 is the easiest.")
    count: int = Field(ge=1, description="How many samples.")

    @field_validator("task")
    @classmethod
    def _known(cls, value: str) -> str:
        check_task(value)
        return value

    @model_validator(mode="after")
    def _dialled(self) -> Mix:
        check_dial(self.task, self.dial)
        return self


class Parameters(BaseModel):
    """What is drawn, and from which seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mix: tuple[Mix, ...] = Field((), description="Families, dials and counts.")
    seed: int = Field(0, ge=0, description="Another seed draws other samples; rounds differ by it.")


def specs(p: Parameters) -> Iterator[dict[str, Any]]:
    """The input: one spec per sample. Two entries of one family and dial go on counting, so no sample comes twice."""
    drawn: Counter[tuple[str, int]] = Counter()
    for entry in p.mix:
        for _ in range(entry.count):
            index = drawn[entry.task, entry.dial]
            drawn[entry.task, entry.dial] += 1
            yield {
                "spec_id": f"{entry.task}:{entry.dial}:{index:08d}",
                "task": entry.task,
                "dial": entry.dial,
                "seed": seed_of("synthesize", p.seed, entry.task, entry.dial, index),
            }


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Expansion:
    """One spec → its sample, pictures, proven trace and caption."""
    family = FAMILIES[row["task"]]
    made = family.make(row["seed"], row["dial"])
    images = [picture_id(image) for image in made.images]
    sample = sample_row(row["task"], row["dial"], made, images)
    steps, shown = oracle_steps(made)
    for origin, drawn in (("task", made.images), ("tool", shown)):
        for image in drawn:
            ctx.store(image, origin=origin, license=sample["license"])
    trace = trace_row(sample, steps, family.VERSION)
    caption = caption_row(row["task"], made, images[0], sample["sample_id"])
    also = {
        "traces": [trace],
        "captions": [caption] if caption else [],
        "lineage": [lineage(sample["sample_id"], row["spec_id"], "drawn_from", STAGE.name)],
    }
    return Expansion([Child(f"{row['spec_id']}/0", Keep(sample, also))])


STAGE = Stage(
    name="synthesize",
    version=VERSION,
    kind="expand",
    parameters=Parameters,
    source=specs,
    id_column="spec_id",
    table="samples",
    side_tables=("traces", "captions"),
    run=run,
)
