"""Banks: the questions that are never taught. Evaluation banks measure policies; influence targets say what to aim at.

Why: a figure is worth something only when its questions were never trained on. Banks are drawn from seeds of their own;
a state or a picture that another bank already holds, or one that looks like it, is drawn again; and `deduplicate` drops
every training sample that meets a fingerprint, as `in_bank:<name>`. Only `evaluate` reads banks of role `evaluation`;
only `influence` reads those of role `influence`.

Reads specs (spec_id, bank, task, dial, index) drawn from the parameters, and `fingerprints` of banks that were built
before. Writes `banks`, `fingerprints`, `images`; for role `influence` also `traces` (origin `oracle`), because a
gradient needs a text. Task `vicrit` makes injected captions of other families. A spec whose every draw is taken is
dropped as `taken`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.captions.injection import inject
from pipelines.captions.swaps import KINDS, offers
from pipelines.near import perceptual_hash
from pipelines.stage import Context, Stage
from pipelines.tasks import FAMILIES, check_dial, check_task
from pipelines.tasks.rows import caption_row, oracle_steps, sample_row, trace_row
from schemas.ids import picture_id, seed_of
from schemas.outcome import Drop, Keep, Outcome, Row

VERSION = 6

DRAWS = 20
"""How often a spec is drawn again before it is given up."""

NEAR = 2
"""Pictures look alike when their perceptual hashes differ in at most so many bits.

Less than `deduplicate` allows, because no embedding confirms it here, and hashes of small drawings lie close together:
of 120 first draws 2 bits refuse none of counting and search at dial 1, 4 of charts and 14 of counting at dial 0; 4 bits
refuse 20 of charts, 8 bits 62, though these show other data. With 2 bits every bank of 300 that was tried was filled.
"""


class Bank(BaseModel):
    """One bank."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str = Field(description="A family of `pipelines.tasks.FAMILIES`, or `vicrit`.")
    dial: int = Field(0, ge=0, description="Hardness; 0 is the easiest.")
    count: int = Field(100, ge=1, description="How many samples.")
    families: tuple[str, ...] = Field((), description="`vicrit` only: whose captions are used; by default all.")

    @property
    def drawn_from(self) -> tuple[str, ...]:
        """The families that its pictures come from, in the order of their names."""
        return tuple(sorted(self.families or FAMILIES)) if self.task == "vicrit" else (self.task,)

    @field_validator("task")
    @classmethod
    def _known(cls, value: str) -> str:
        check_task(value, "vicrit")
        return value

    @model_validator(mode="after")
    def _dialled(self) -> Bank:
        if self.families and self.task != "vicrit":
            raise ValueError(f"families: a bank of {self.task!r} draws from that family alone; leave them out")
        for name in self.families:
            check_task(name)
        for name in self.drawn_from:
            check_dial(name, self.dial)
        return self


class Parameters(BaseModel):
    """Which banks, and for what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["evaluation", "influence"] = Field(description="Who may read them.")
    banks: dict[str, Bank] = Field(description="By name.")
    seed: int = Field(0, ge=0, description="Another seed draws other banks.")


def specs(p: Parameters) -> Iterator[Row]:
    """The input: one spec per sample of each bank."""
    for name, bank in p.banks.items():
        for index in range(bank.count):
            yield {"spec_id": f"{name}:{index:06d}", "bank": name, "task": bank.task, "dial": bank.dial, "index": index}


def run(tables: Mapping[str, pa.Table], p: Parameters, ctx: Context) -> Iterator[tuple[str, Outcome]]:
    """Every spec → a bank sample that shares no state and no picture with another, nor the looks of one."""
    earlier = tables["fingerprints"].to_pylist()
    taken = {row[name] for row in earlier for name in ("state_id", "image_id") if row[name]}
    looks = [int(row["phash"], 16) for row in earlier if row["phash"]]
    for spec in tables["input"].to_pylist():
        for draw in range(DRAWS):
            seed = seed_of("bank", p.role, p.seed, spec["bank"], spec["index"], draw)
            found = _draw(spec, p.banks[spec["bank"]].drawn_from, seed, ctx, taken, looks)
            if found is not None:
                break
        if found is None:
            yield spec["spec_id"], Drop("taken", DRAWS, DRAWS)
            continue
        sample, trace, hashes = found
        marks = [
            {
                "bank": spec["bank"],
                "sample_id": sample["sample_id"],
                "image_id": image,
                "phash": phash,
                "state_id": sample["state_id"],
                "role": p.role,
            }
            for image, phash in zip(sample["image_ids"], hashes, strict=True)
        ]
        also = {"fingerprints": marks, "traces": [trace] if p.role == "influence" else []}
        yield spec["spec_id"], Keep({"bank": spec["bank"], "role": p.role, **sample}, also)


def _draw(
    spec: Row, families: Sequence[str], seed: int, ctx: Context, taken: set[str], looks: list[int]
) -> tuple[Row, Row, list[str]] | None:
    """A sample, its oracle trace and the hashes of its pictures, all taken from now on; or None, and nothing is stored,
    where its state, a picture or its looks are taken.
    """
    task = spec["task"]
    family = FAMILIES[families[seed % len(families)]]  # by the draw, because not every family writes captions
    made = family.make(seed, spec["dial"])
    ids = [picture_id(image) for image in made.images]
    sample = sample_row(family.NAME, spec["dial"], made, ids)
    if taken & {*ids, sample["state_id"]}:
        return None
    hashes = [perceptual_hash(image) for image in made.images]
    if any((int(phash, 16) ^ other).bit_count() <= NEAR for phash in hashes for other in looks):
        return None
    steps, shown = oracle_steps(made)
    trace = trace_row(sample, steps, family.VERSION)
    if task == "vicrit":
        caption = caption_row(family.NAME, made, ids[0], sample["sample_id"])
        offered = offers(caption["text"], caption["clauses"], made.program) if caption else []
        if caption is None or not offered:
            return None
        kind = KINDS[spec["index"] % len(KINDS)]
        of_kind = [swap for swap in offered if swap.kind == kind] or offered
        injection = inject(caption, sample, of_kind[seed % len(of_kind)])
        sample, trace, shown = injection.sample, injection.trace, ()
    for origin, images in (("task", made.images), ("tool", shown)):
        for image in images:
            ctx.store(image, origin=origin, license=sample["license"])
    taken.update(ids, [sample["state_id"]])
    looks += [int(phash, 16) for phash in hashes]
    return sample, trace, hashes


STAGE = Stage(
    name="banks",
    version=VERSION,
    kind="whole",
    parameters=Parameters,
    source=specs,
    id_column="spec_id",
    table="banks",
    side_tables=("fingerprints", "traces"),
    run=run,
)
