"""Trying a stage's failed rows again, as a Prefect flow."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_table_artifact

from flows.artifacts import slug
from flows.forms import LakeFolder, Overrides, RecipeName, Rounds, Says
from flows.recipes import DEFAULT
from flows.running import node_named, open_plan, replay_stage


@flow(name="replay", flow_run_name="{recipe} {stage}")
def replay(
    stage: Annotated[str, Says("The stage whose failures are tried again: difficulty, r2/difficulty.")],
    recipe: RecipeName = DEFAULT,
    lake: LakeFolder = "lake",
    rounds: Rounds = None,
    overrides: Overrides = {},  # noqa: B006  # Prefect's form shows it, nobody writes to it
) -> dict[str, Any]:
    """Try the failed rows of a stage again; kept rows stay as they are, and `flywheel` then runs what follows."""
    plan = open_plan(recipe, lake, rounds, overrides)
    made = replay_stage(plan, node_named(plan, stage)).as_json()
    left = made["failures"] or [{"row_id": "none", "kind": "", "message": "No failure is left."}]
    create_table_artifact(table=left, key=f"failures-{slug(made['name'])}", description="What still fails")
    return made
