"""Evaluate: a policy answers every question of the evaluation banks, greedily, in the tool loop.

Why: a figure is worth something only when every policy is asked in the same words and judged by the same verifier. This
is the only reader of evaluation banks.

Reads `banks` of role `evaluation`. Writes `evals` (one row per bank and question) and `rollouts` (purpose `evaluate`).
Nothing is dropped: a wrong or missing answer is a result. A request that fails is a failure, not a wrong answer.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pipelines.attempts import Asked, accident, attempt, rollouts
from pipelines.stage import Context, Stage
from pipelines.toolloop import Asking
from schemas.ids import content_id
from schemas.outcome import Keep, Outcome

VERSION = 3

SQL = "SELECT bank || ':' || sample_id AS question_id, * FROM banks WHERE role = 'evaluation'"


class Parameters(Asked):
    """How the policy is asked, and what it is called beside others."""

    temperature: float = Field(0.0, ge=0, description="0 is greedy.")
    arm: Literal["base", "sft", "grpo", "control_sft", "control_grpo"] = Field(
        "base", description="Which policy of the round this is."
    )


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Asking[Outcome]:
    """One question of a bank → its row of `evals`."""
    made = yield from attempt(row, p, ctx, purpose="evaluate", index=0)
    failed = accident([made])
    if failed:
        return failed
    assert made.verdict is not None and made.rollout is not None
    decided = made.verdict.correct is not None
    policy = ctx.worker.identity.name
    evaluated = {
        "eval_id": content_id("eval", [policy, row["bank"], row["sample_id"], made.rollout["rollout_id"]]),
        "policy": policy,
        "arm": p.arm,
        "bank": row["bank"],
        "sample_id": row["sample_id"],
        "rollout_id": made.rollout["rollout_id"],
        "correct": made.verdict.correct,
        "score": made.verdict.score if decided else None,
        "tier": made.verdict.tier,
    }
    return Keep(evaluated, {"rollouts": rollouts([made])})


STAGE = Stage(
    name="evaluate",
    version=VERSION,
    kind="ask",
    parameters=Parameters,
    sql=SQL,
    id_column="question_id",
    table="evals",
    side_tables=("rollouts",),
    run=run,
)
