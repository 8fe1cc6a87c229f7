"""ViCrit: one phrase of a true caption becomes false, and finding it becomes the question.

Why: to find the one wrong phrase a model must compare all of a caption with all of the picture (arXiv 2506.10128). That
teaches only if the phrase is provably wrong, stands once, and cannot be told from the text alone; and kinds that are
rare in training get worse, so kinds are kept even: each caption is given the kind that has been used least so far
among those it can prove.

Reads `captions` and the `samples` they were written for. Writes `injections`; beside them the question as `samples`
(task `vicrit`, type `span`), its oracle `traces`, and their `checks`: there is no action to repeat, so the verdict of
the verifier is the whole check.

Drops: `no_clause` (a human caption: nothing in it is proven), `no_provable_swap`, `over_limit`
(value: which injection this would have been).
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.captions.injection import KINDS, Injection, Kind, Swap, inject, offers
from pipelines.stage import Context, Stage
from pipelines.verifiers import verify_row
from schemas.ids import seed_of
from schemas.outcome import Drop, Fail, Keep, Outcome, Row
from schemas.rows import lineage

VERSION = 4

SQL = """
SELECT c.*, s.program, s.source, s.dial, s.state_id, s.task AS family
FROM captions c LEFT JOIN samples s ON s.sample_id = c.sample_id
"""


class Parameters(BaseModel):
    """Which kinds, and which of the possible swaps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[Kind, ...] = Field(KINDS, min_length=1, description="Kinds of phrase that may be swapped, kept even.")
    limit: int | None = Field(None, ge=1, description="Most injections; the captions beyond are dropped.")
    seed: int = Field(0, ge=0, description="Another seed chooses other swaps.")


def choose(offered: Sequence[Swap], used: Counter[str], seed: int) -> Swap:
    """A swap of the least used kind; ties and swaps of one kind are decided by the seed."""
    draw = random.Random(seed)
    order = list(offered)
    draw.shuffle(order)
    return min(order, key=lambda swap: used[swap.kind])


def run(tables: Mapping[str, pa.Table], p: Parameters, ctx: Context) -> Iterator[tuple[str, Outcome]]:
    """Every caption → one injection, or a drop. Captions are served in an order drawn from the seed, not by family."""
    del ctx
    used: Counter[str] = Counter()
    beyond = 0
    captions = tables["input"].to_pylist()
    for caption in sorted(captions, key=lambda row: seed_of("vicrit", p.seed, row["caption_id"])):
        made = sum(used.values())
        if p.limit is not None and made >= p.limit:
            beyond += 1
            yield caption["caption_id"], Drop("over_limit", made + beyond, p.limit)
        else:
            yield caption["caption_id"], _one(caption, p, used)


def _one(caption: Row, p: Parameters, used: Counter[str]) -> Outcome:
    if not caption["clauses"] or caption["program"] is None:
        return Drop("no_clause")
    program = json.loads(caption["program"])
    offered = [swap for swap in offers(caption["text"], caption["clauses"], program) if swap.kind in p.kinds]
    if not offered:
        return Drop("no_provable_swap", 0, 1)
    swap = choose(offered, used, seed_of("swap", p.seed, caption["caption_id"]))
    made = inject(caption, {**caption, "task": caption["family"]}, swap)
    verdict = verify_row(f"<answer>{made.trace['steps'][-1]['text']}</answer>", made.sample)
    if not verdict.correct:
        return Fail("unverified", f"the verifier does not accept {swap.replacement!r} as the span it is")
    used[swap.kind] += 1
    return Keep(made.row, _beside(made, verdict.tier))


def _beside(made: Injection, tier: str) -> dict[str, list[Row]]:
    sample, caption = made.sample["sample_id"], made.row["caption_id"]
    check = {"trace_id": made.trace["trace_id"], "sample_id": sample, "origin": "oracle", "replayed": 0, "actions": 0}
    return {
        "samples": [made.sample],
        "traces": [made.trace],
        "checks": [{**check, "tier": tier, "correct": True}],
        "lineage": [lineage(sample, caption, "injected_into", STAGE.name)],
    }


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
