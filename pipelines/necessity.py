"""Necessity: whether a sample needs a tool, measured by what the policy makes of its result when it is handed over.

Why: a question that the policy answers from the original picture teaches nothing about tools, however many calls its
trace makes; one that it fails on the original picture and answers on the edited one is what interaction is for
(V-Thinker selects its last data so, arXiv 2511.04460, by one answer each). Here both sides are k of n independent
attempts without tools, with Wilson's intervals, in the same words and judged by the same verifier; `needs_interaction`
is true where the intervals lie apart. False means not shown, which with few attempts says little; the counts are there
for another rule.

The edited picture is not read but made again, by replay of the sample's verified trace (an oracle's before a policy's).
Reads `samples` that have a cluster, and their `traces` and `checks`; samples whose trace makes no picture have no row.
Writes `necessity`, and every attempt as `rollouts` (purposes `original`, `edited`). Drops `replay_mismatch` (value:
observations that agree, threshold: actions); a failed request fails its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from pipelines.attempts import Asked, Attempt, accident, attempt, rollouts
from pipelines.intervals import wilson
from pipelines.stage import Context, Stage
from pipelines.toolloop import Asking, together
from pipelines.tools.replay import replay
from schemas.outcome import Drop, Keep, Outcome, Row

VERSION = 2

SQL = """
SELECT s.*, t.trace_id, t.origin, t.steps
FROM samples s JOIN clusters c ON c.sample_id = s.sample_id
JOIN (
    SELECT DISTINCT ON (t.sample_id) t.sample_id, t.trace_id, t.origin, t.steps
    FROM traces t JOIN checks k ON k.trace_id = t.trace_id
    WHERE t.wrong_steps IS NULL
    AND len(list_filter(t.steps, lambda step: step.kind = 'observation' AND step.image_id IS NOT NULL)) > 0
    ORDER BY t.sample_id, t.origin, t.trace_id
) t ON t.sample_id = s.sample_id
"""


class Parameters(Asked):
    """How often, and what is handed over."""

    temperature: float = Field(1.0, gt=0, description="Above 0: greedy attempts are one attempt.")
    rollouts: int = Field(8, ge=2, description="Independent attempts on each side.")
    edited: Literal["last", "all"] = Field(
        "last",
        description="`last`: the trace's last tool picture in place of the sample's own. `all`: the sample's own and "
        "every tool picture, for tools that cut out and for questions that need several looks.",
    )
    tools: tuple[()] = Field((), description="Without tools, on both sides.")


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Asking[Outcome]:
    """One sample → how often it is answered from the original and from the edited picture."""
    own: list[str] = row["image_ids"]
    again = replay([ctx.image(image) for image in own], row["steps"])
    if again.mismatches:
        return Drop("replay_mismatch", again.matched, again.actions)
    made = [ctx.show(image) for image in again.images[len(own) :]]
    sides = {"original": own, "edited": made[-1:] if p.edited == "last" else [*own, *made]}
    asked = [
        attempt(row, p, ctx, purpose=side, index=index, image_ids=images)
        for side, images in sides.items()
        for index in range(p.rollouts)
    ]
    answered = yield from together(asked)
    failed = accident(answered)
    if failed:
        return failed
    original, edited = _counted(answered[: p.rollouts]), _counted(answered[p.rollouts :])
    result: Row = {
        "sample_id": row["sample_id"],
        "policy": ctx.worker.identity.name,
        "trace_id": row["trace_id"],
        "origin": row["origin"],
        **{f"original_{name}": value for name, value in original.items()},
        **{f"edited_{name}": value for name, value in edited.items()},
        "needs_interaction": edited["low"] > original["high"],
    }
    return Keep(result, {"rollouts": rollouts(answered)})


def _counted(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """k right of the n that could be judged, with the interval of their share."""
    decided = [each for each in attempts if each.verdict and each.verdict.correct is not None]
    k, n = sum(each.correct for each in decided), len(decided)
    low, high = wilson(k, n)
    return {"k": k, "n": n, "low": low, "high": high}


STAGE = Stage(
    name="necessity",
    version=VERSION,
    kind="ask",
    parameters=Parameters,
    sql=SQL,
    id_column="sample_id",
    table="necessity",
    side_tables=("rollouts",),
    run=run,
)
