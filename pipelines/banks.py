"""Banks: the questions that are never taught. Evaluation banks measure policies; influence targets say what to aim at.

Why: a figure is worth something only when its questions were never trained on. Banks are drawn from seeds of their own;
a state or a picture that another bank already holds, or one that looks like it, is drawn again; and `deduplicate` drops
every training sample that meets a fingerprint, as `in_bank:<name>`. Only `evaluate` reads banks of role `evaluation`;
only `influence` reads those of role `influence`.

Reads specs (spec_id, bank, task, dial, index) drawn from the parameters, and `fingerprints` of banks that were built
before. Writes `banks`, `fingerprints`, `images`; for role `influence` also `traces` (origin `oracle`), because a
gradient needs a text. Task `vicrit` makes injected captions of other families, even over types, and within each over
families. A spec whose every draw is taken is dropped as `taken`.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.captions.excerpts import choose, told
from pipelines.captions.injection import inject
from pipelines.captions.swaps import KINDS, Kind, Swap, offers
from pipelines.near import perceptual_hash
from pipelines.stage import Context, Stage
from pipelines.tasks import FAMILIES, check_dial, check_task
from pipelines.tasks.made import Made
from pipelines.tasks.rows import caption_row, oracle_steps, sample_row, trace_row
from pipelines.textonly.candidates import puzzle
from schemas.ids import canonical_json, content_id, picture_id, seed_of
from schemas.outcome import Drop, Keep, Outcome, Row

VERSION = 7

Cell = tuple[Kind, str]
"""Type of the false phrase, and the family whose caption it stands in."""

DRAWS = 20
"""How often a spec is drawn again before it is given up."""

TRIED, SENTENCES = 8, 4
"""Captions of each family that are looked at for the types they offer; sentences of a telling that may be false."""

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
    words: int | None = Field(
        None, ge=8, description="`vicrit` only: captions are told in so many words at most; by default whole."
    )

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
        if self.words and self.task != "vicrit":
            raise ValueError(f"words: a bank of {self.task!r} has no captions; leave them out")
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
    turns = {name: cells(bank) for name, bank in p.banks.items() if bank.task == "vicrit"}
    for spec in tables["input"].to_pylist():
        bank, cell = p.banks[spec["bank"]], None
        if bank.task == "vicrit":
            cell = turns[spec["bank"]][spec["index"] % len(turns[spec["bank"]])]
        for draw in range(DRAWS):
            seed = seed_of("bank", p.role, p.seed, spec["bank"], spec["index"], draw)
            found = _draw(bank, cell, seed, ctx, taken, looks)
            if found is not None:
                break
        if found is None:
            yield spec["spec_id"], Drop("taken", DRAWS, DRAWS)
            continue
        sample, trace, looked = found
        marks = [
            {
                "bank": spec["bank"],
                "sample_id": sample["sample_id"],
                "image_id": image,
                "phash": phash,
                "state_id": sample["state_id"],
                "role": p.role,
            }
            for image, phash in looked
        ]
        also = {"fingerprints": marks, "traces": [trace] if p.role == "influence" else []}
        yield spec["spec_id"], Keep({"bank": spec["bank"], "role": p.role, **sample}, also)


def cells(bank: Bank) -> list[Cell]:
    """Type and family of each question of a `vicrit` bank in turn: every type as often, and within it every family of
    whose captions at least half can be given an error of that type.
    """
    able: dict[Kind, list[str]] = {}
    for family in bank.drawn_from:
        samples = ((seed, FAMILIES[family].make(seed, bank.dial)) for seed in range(TRIED))
        swaps = [_told(family, made, bank, seed, None)[1] for seed, made in samples]
        offered = Counter(kind for found in swaps for kind in {swap.kind for swap in found})
        for kind in KINDS:
            if offered[kind] >= TRIED / 2:
                able.setdefault(kind, []).append(family)
    turns = max(map(len, able.values()), default=0)
    return [(kind, families[turn % len(families)]) for turn in range(turns) for kind, families in able.items()]


def _told(family: str, made: Made, bank: Bank, seed: int, wanted: Kind | None) -> tuple[Row, list[Swap]]:
    """A caption of a family's sample, told as the bank wants it, and every swap that can be proven in it."""
    caption = caption_row(family, made, picture_id(made.images[0]), "")
    if caption is None:
        return {}, []
    if bank.words:
        first = Counter[str]({wanted: -1} if wanted else {})
        spans = choose(caption, made.program, bank.words, SENTENCES, first, random.Random(seed))
        caption["text"], caption["clauses"] = told(caption, spans)
        caption["caption_id"] = content_id("caption", [caption["image_id"], caption["text"]])
    return caption, offers(caption["text"], caption["clauses"], made.program)


def _draw(
    bank: Bank, cell: Cell | None, seed: int, ctx: Context, taken: set[str], looks: list[int]
) -> tuple[Row, Row, list[tuple[str, str]]] | None:
    """A sample, its oracle trace, and the ids and hashes of its pictures, all taken from now on; or None, and nothing
    is stored, where its state, a picture or its looks are taken, or where no error of the wanted type can be proven.
    """
    family = FAMILIES[cell[1] if cell else bank.task]
    made = family.make(seed, bank.dial)
    ids = [picture_id(image) for image in made.images]
    sample = sample_row(family.NAME, bank.dial, made, ids)
    if taken & {*ids, sample["state_id"]}:
        return None
    hashes = [perceptual_hash(image) for image in made.images]
    if any((int(phash, 16) ^ other).bit_count() <= NEAR for phash in hashes for other in looks):
        return None
    steps, shown = oracle_steps(made)
    trace = trace_row(sample, steps, family.VERSION)
    if cell:
        caption, offered = _told(family.NAME, made, bank, seed, cell[0])
        of_kind = [swap for swap in offered if swap.kind == cell[0]]
        if not of_kind:
            return None
        start = random.Random(seed).choice(sorted({swap.start for swap in of_kind}))
        there = [swap for swap in of_kind if swap.start == start]
        injection = inject({**caption, "sample_id": sample["sample_id"]}, sample, there[seed % len(there)])
        sample, trace, shown = injection.sample, injection.trace, ()
        phrases = [(clause["start"], clause["end"]) for clause in caption["clauses"]]
        found = puzzle(injection.row, caption["text"], phrases)
        if found is None:  # there would be nothing to choose
            return None
        program = {**json.loads(sample["program"]), "phrases": [list(span) for span in found.spans]}
        sample["program"] = canonical_json(program)
    for origin, images in (("task", made.images), ("tool", shown)):
        for image in images:
            ctx.store(image, origin=origin, license=sample["license"])
    taken.update(ids, [sample["state_id"]])
    looks += [int(phash, 16) for phash in hashes]
    return sample, trace, list(zip(ids, hashes, strict=True))


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
