"""Explore: the policy answers in the tool loop, and a right answer becomes a trace that it could have written itself.

Why: an oracle's trace shows what is right; a policy's own trace shows what is within reach. Every attempt is recorded,
right or wrong, because what fails is as telling as what succeeds.

Reads `samples`. Writes `traces` (origin `policy`) for samples that an attempt solved, and `rollouts` for every attempt.
Drops: `wrong_answer` (value: attempts that were right), `no_answer` where no attempt answered at all.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pipelines.attempts import Asked, Attempt, accident, attempt, rollouts
from pipelines.prompts import prompt_hash
from pipelines.stage import Context, Stage
from pipelines.toolloop import Asking, together
from schemas.outcome import Drop, Keep, Outcome, Row
from schemas.rows import StepRow, TraceRow, lineage

VERSION = 1

SQL = "SELECT * FROM samples WHERE ('0x' || left(sample_id, 8))::BIGINT < $share * 4294967296"


class Parameters(Asked):
    """How the policy is asked, and how often."""

    attempts: int = Field(2, ge=1, description="Attempts per sample.")
    share: float = Field(1.0, gt=0, le=1, description="Share of the samples that is explored, chosen by id.")


def best(attempts: list[Attempt]) -> Attempt | None:
    """The first right attempt with the fewest turns that ended in an answer of its own."""
    right = [each for each in attempts if each.correct and each.episode.steps[-1]["kind"] == "answer"]
    return min(right, key=lambda each: each.episode.turns, default=None)


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Asking[Outcome]:
    """One sample → one trace of the policy, or a drop."""
    asked = [attempt(row, p, ctx, purpose="explore", index=index, keep=True) for index in range(p.attempts)]
    made = yield from together(asked)
    failed = accident(made)
    if failed:
        return failed
    also = {"rollouts": rollouts(made)}
    chosen = best(made)
    if chosen is None:
        silent = all(each.episode.answer is None for each in made)
        return Drop("no_answer" if silent else "wrong_answer", 0, 1, also)
    trace = _policy_trace(row, chosen, p, ctx)
    assert chosen.rollout is not None
    edge = lineage(trace["trace_id"], chosen.rollout["rollout_id"], "kept_from", STAGE.name)
    return Keep(trace, {**also, "lineage": [edge]})


def _policy_trace(sample: Row, chosen: Attempt, p: Parameters, ctx: Context) -> Row:
    """Columns of table `traces`: the steps as the model took them."""
    assert chosen.rollout is not None and chosen.verdict is not None
    return TraceRow(
        sample_id=sample["sample_id"],
        origin="policy",
        steps=[StepRow.of(step) for step in chosen.episode.steps],
        answer=chosen.verdict.parsed,
        producer={
            "worker": ctx.worker.identity.as_json(),
            "prompt": prompt_hash(p.style),
            "sampling": p.as_json(),
            "seed": chosen.rollout["seed"],
        },
    ).row()


STAGE = Stage(
    name="explore",
    version=VERSION,
    kind="ask",
    parameters=Parameters,
    sql=SQL,
    id_column="sample_id",
    table="traces",
    side_tables=("rollouts",),
    run=run,
)
