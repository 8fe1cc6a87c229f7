"""A plain stage for the benchmarks: each problem's tree, searched by the code of `difficulty`, and nothing else."""

from __future__ import annotations

from typing import Any

from pipelines import treesearch
from pipelines.stage import Context, Stage
from pipelines.toolloop import Asking
from schemas.outcome import Fail, Keep, Outcome


def run(row: dict[str, Any], p: treesearch.Searching, ctx: Context) -> Asking[Outcome]:
    """One problem → when it was solved, and the value of its root as `pass_rate`."""
    tree = yield from treesearch.search(row, p, ctx)
    also = {"rollouts": tree.rollouts, "tree_nodes": tree.nodes}
    if tree.failed:
        return Fail(tree.failed.kind, tree.failed.message, tree.failed.transient, also)
    known = {"sample_id": row["sample_id"], "policy": ctx.worker.identity.name, "pass_rate": tree.root_value}
    counted = {"iterations": tree.iterations, "censored_at": tree.censored_at}
    return Keep(known | counted | {"tokens": tree.expansion_tokens + tree.rollout_tokens}, also)


STAGE = Stage(
    name="searched",
    version=1,
    kind="ask",
    parameters=treesearch.Searching,
    sql="SELECT * FROM samples",
    id_column="sample_id",
    table="difficulty",
    side_tables=("rollouts", "tree_nodes"),
    run=run,
)
