"""ViCrit: one phrase of a true caption becomes false, and finding it becomes the question.

Why: to find the one wrong phrase a model must compare all of a caption with all of the picture (arXiv 2506.10128). That
teaches only if the phrase is provably wrong, stands once, and cannot be told from the text alone; and types that are
rare in training get worse, so types are kept even: each caption is given the type that has been used least so far
among those it can prove.

Reads `captions`, the `samples` they were written for, and `proposals`: swaps of captions that no program proves
(`pipelines.propose`). Writes `injections`; beside them the question as `samples` (task `vicrit`, type `span`), its
oracle `traces`, and their `checks`: there is no action to repeat, so the verdict of the verifier is the whole check.
A share of the programs' captions may stay as they are: then "no error" is right.

Drops: `no_clause` (nothing of the caption is proven), `no_provable_swap`, `outside_dials` (swaps there are, but of
other types or subtlety; value: how many), `over_limit` (value: which injection this would have been).
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.captions.injection import UNCHANGED, Asked, Injection, inject, unchanged
from pipelines.captions.swaps import KINDS, Kind, Swap, offers
from pipelines.captions.symmetric import Pull, pulls, slot
from pipelines.stage import Context, Stage
from pipelines.verifiers import verify_row
from schemas.ids import canonical_json, seed_of
from schemas.outcome import Drop, Fail, Keep, Outcome, Row
from schemas.rows import lineage

VERSION = 5

SQL = """
SELECT c.*, s.program, s.source AS origin, s.dial, s.state_id, s.task AS family
FROM captions c LEFT JOIN samples s ON s.sample_id = c.sample_id
WHERE c.source <> 'program' OR NOT EXISTS (SELECT 1 FROM captions WHERE source = 'excerpt')
"""

Range = tuple[float, float]
WHOLE: Range = (0.0, 1.0)


class Parameters(BaseModel):
    """Which types, which of the possible swaps, and how their answers are paid."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[Kind, ...] = Field(KINDS, min_length=1, description="Types of phrase that may be swapped, kept even.")
    limit: int | None = Field(None, ge=1, description="Most injections; the captions beyond are dropped.")
    per_caption: int = Field(1, ge=1, description="Most injections of one caption, each of another phrase.")
    unchanged: float = Field(0.0, ge=0, lt=1, description="Share of programs' captions without an error.")
    distance: Range = Field(WHOLE, description="How far the substitute may be: 0 is nearest, 1 farthest.")
    size: Range = Field(WHOLE, description="Share of the picture that the named thing fills; unknown only passes 0–1.")
    position: Range = Field(WHOLE, description="Where in the caption the phrase may start, 0–1.")
    extra_words: int = Field(0, ge=0, le=8, description="Quoted words around the phrase that an answer may add.")
    partial: bool = Field(False, description="Whether an answer that overlaps the phrase is paid in part.")
    seed: int = Field(0, ge=0, description="Another seed chooses other swaps.")

    @model_validator(mode="after")
    def _ordered(self) -> Parameters:
        for name in ("distance", "size", "position"):
            low, high = getattr(self, name)
            if not 0 <= low <= high <= 1:
                raise ValueError(f"{name}: [{low:g}, {high:g}] is no range within 0–1, the lower end first")
        return self

    @property
    def asked(self) -> Asked:
        """How questions are put."""
        return Asked(self.unchanged > 0, self.extra_words, self.partial)

    def admits(self, swap: Swap, caption: str) -> bool:
        """Whether a swap is of a wanted type and as subtle as asked for."""
        known = swap.size is not None or self.size == WHOLE
        return (
            swap.kind in self.kinds
            and known
            and _within(swap.distance, self.distance)
            and _within(swap.size or 0.0, self.size)
            and _within(swap.start / len(caption), self.position)
        )


def choose(offered: Sequence[Swap], used: Counter[str], draw: random.Random, weigh: Callable[[Swap], float]) -> Swap:
    """A swap of the least used type: any phrase of it alike, and of its substitutes one by its weight."""
    fewest = min(used[swap.kind] for swap in offered)
    left = [swap for swap in offered if used[swap.kind] == fewest]
    start = draw.choice(sorted({swap.start for swap in left}))
    there = [swap for swap in left if swap.start == start]
    return draw.choices(there, [weigh(swap) for swap in there])[0]


def weights(offered: Mapping[str, Sequence[Swap]], families: Mapping[str, str]) -> Pull:
    """How strongly each value draws substitutions (`pipelines.captions.symmetric`), from all swaps of all captions."""
    phrases: dict[tuple[str, int], list[Swap]] = defaultdict(list)
    for caption, found in offered.items():
        for swap in found:
            if "true" in swap.proof:
                phrases[caption, swap.start].append(swap)
    return pulls(
        (
            slot(families[caption], found[0].proof["true"]),
            found[0].proof["true"]["value"],
            [swap.proof["false"]["value"] for swap in found],
        )
        for (caption, _), found in phrases.items()
    )


def weight(swap: Swap, family: str, pull: Pull) -> float:
    """How strongly a substitute is wanted; those that no program proves are wanted alike."""
    if "false" not in swap.proof:
        return 1.0
    return pull[slot(family, swap.proof["false"]), canonical_json(swap.proof["false"]["value"])]


def run(tables: Mapping[str, pa.Table], p: Parameters, ctx: Context) -> Iterator[tuple[str, Outcome]]:
    """Every caption → its injections, or a drop. Captions are served in an order drawn from the seed, not by family."""
    del ctx
    used: Counter[str] = Counter()
    proposed: dict[str, list[Swap]] = defaultdict(list)
    for row in tables["proposals"].to_pylist():
        proposed[row["caption_id"]].append(_proposal(row))
    beyond = 0
    captions = tables["input"].to_pylist()
    offered = {row["caption_id"]: _offered(row) for row in captions}
    pull = weights(offered, {row["caption_id"]: row["family"] for row in captions})
    for caption in sorted(captions, key=lambda row: seed_of("vicrit", p.seed, row["caption_id"])):
        made = sum(used.values())
        if p.limit is not None and made >= p.limit:
            beyond += 1
            yield caption["caption_id"], Drop("over_limit", made + beyond, p.limit)
        else:
            most = p.per_caption if p.limit is None else min(p.per_caption, p.limit - made)
            swaps = [*offered[caption["caption_id"]], *proposed[caption["caption_id"]]]
            yield caption["caption_id"], _one(caption, swaps, pull, p, used, most)


def _offered(caption: Row) -> list[Swap]:
    if not (caption["clauses"] and caption["program"]):
        return []
    return offers(caption["text"], caption["clauses"], json.loads(caption["program"]))


def _one(caption: Row, offered: Sequence[Swap], pull: Pull, p: Parameters, used: Counter[str], most: int) -> Outcome:
    proven = bool(caption["clauses"] and caption["program"])
    if not (proven or offered):
        return Drop("no_clause")
    if proven and random.Random(seed_of("unchanged", p.seed, caption["caption_id"])).random() < p.unchanged:
        used[UNCHANGED] += 1
        return _kept([unchanged(caption, _asked_of(caption), p.asked)])
    if not offered:
        return Drop("no_provable_swap", 0, 1)
    left = [swap for swap in offered if p.admits(swap, caption["text"])]
    if not left:
        return Drop("outside_dials", len(offered))
    made: list[Injection] = []
    while left and len(made) < most:
        draw = random.Random(seed_of("swap", p.seed, caption["caption_id"], len(made)))
        swap = choose(left, used, draw, lambda swap: weight(swap, caption["family"], pull))
        used[swap.kind] += 1
        made.append(inject(caption, _asked_of(caption), swap, p.asked))
        left = [other for other in left if other.start >= swap.end or other.end <= swap.start]
    return _kept(made)


def _asked_of(caption: Row) -> Row:
    """What the question takes over from the sample of its caption."""
    return {**caption, "task": caption["family"], "source": caption["origin"]}


def _kept(made: Sequence[Injection]) -> Keep | Fail:
    also: dict[str, list[Row]] = {name: [] for name in ("injections", "samples", "traces", "checks", "lineage")}
    for each in made:
        answer, sample = each.trace["answer"], each.sample
        verdict = verify_row(f"<answer>{json.loads(answer)}</answer>", sample)
        if not verdict.correct:
            return Fail("unverified", f"the verifier does not accept {answer} as the span it is")
        check = {"trace_id": each.trace["trace_id"], "sample_id": sample["sample_id"], "origin": "oracle"}
        also["injections"].append(each.row)
        also["samples"].append(sample)
        also["traces"].append(each.trace)
        also["checks"].append({**check, "replayed": 0, "actions": 0, "tier": verdict.tier, "correct": True})
        also["lineage"].append(lineage(sample["sample_id"], each.row["caption_id"], "injected_into", STAGE.name))
    return Keep(also["injections"].pop(0), also)


def _proposal(row: Row) -> Swap:
    return Swap(
        row["kind"],
        row["original"],
        row["replacement"],
        row["start"],
        json.loads(row["proof"]),
        row["injector"],
        row["distance"],
    )


def _within(value: float, span: Range) -> bool:
    return span[0] <= value <= span[1]


STAGE = Stage(
    name="vicrit",
    version=VERSION,
    kind="whole",
    parameters=Parameters,
    sql=SQL,
    id_column="caption_id",
    table="injections",
    side_tables=("samples", "traces", "checks"),
    run=run,
)
