"""A plain stage for the measurements: so many attempts at each problem, and how many of them were right.

Attempts of one turn are asked as samples of one request, which reads the prompt once; others go through the tool loop.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pipelines.attempts import Asked, accident, attempt, rollouts
from pipelines.intervals import wilson
from pipelines.prompts import conversation
from pipelines.stage import Context, Stage
from pipelines.toolloop import Asking, together
from pipelines.verifiers import verify_row
from schemas.ids import seed_of
from schemas.outcome import Fail, Keep, Outcome
from schemas.requests import Failed, Generate, Generated, Sampling

SQL = "SELECT * FROM samples"


class Parameters(Asked):
    """How often."""

    attempts: int = Field(8, ge=2)


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Asking[Outcome]:
    """One problem → k of n; `rollouts` holds the attempts in their order."""
    if p.max_turns > 1:
        made = yield from together([attempt(row, p, ctx, purpose="asked", index=i) for i in range(p.attempts)])
        return accident(made) or _kept(row, ctx, [each.correct for each in made], rollouts(made))
    sampling = Sampling(p.max_tokens, p.temperature, p.top_p, n=p.attempts)
    seed = seed_of("asked", p.seed, row["sample_id"])
    (said,) = yield [Generate(f"{row['sample_id']}:asked", conversation(row, style=p.style), sampling, seed)]
    if isinstance(said, Failed):
        return Fail(said.kind, said.message, said.transient)
    assert isinstance(said, Generated)
    right = [bool(verify_row(each.text, row).correct) for each in (said, *said.others)]
    # Tokens are those of all samples together.
    kept = {"sample_id": row["sample_id"], "policy": ctx.worker.identity.name, "purpose": "asked"}
    told = [
        {**kept, "rollout_id": f"{row['sample_id']}:{index}", "text": each.text, "correct": correct}
        for index, (each, correct) in enumerate(zip((said, *said.others), right, strict=True))
    ]
    return _kept(row, ctx, right, told, said.completion_tokens)


def _kept(
    row: dict[str, Any], ctx: Context, right: list[bool], told: list[dict[str, Any]], tokens: int | None = None
) -> Keep:
    low, high = wilson(sum(right), len(right))
    if tokens is None:
        tokens = sum(each["completion_tokens"] for each in told)
    return Keep(
        {
            "sample_id": row["sample_id"],
            "policy": ctx.worker.identity.name,
            "k": sum(right),
            "n": len(right),
            "pass_rate": sum(right) / len(right),
            "low": low,
            "high": high,
            "tokens": tokens,
        },
        {"rollouts": told},
    )


STAGE = Stage(
    name="asked",
    version=1,
    kind="ask",
    parameters=Parameters,
    sql=SQL,
    id_column="sample_id",
    table="difficulty",
    side_tables=("rollouts",),
    run=run,
)
