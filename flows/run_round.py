"""One round of the flywheel as a Prefect flow: one task per stage, in the order of the plan.

Prefect gives schedule, retries, limits, UI and artifacts; manifests decide what runs again (design §7). Parameters are
names and numbers, never data and never secrets.
"""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import Field

from flows.engine import run_node
from flows.plan import Node, Plan
from flows.recipes import DEFAULT
from flows.results import as_rows, comparisons, funnel
from flows.running import begin, failing, finish, open_plan
from pipelines.lake import runs

RecipeName = Annotated[str, Field(description="A recipe file, or the name of one that ships with Evolens.")]
LakeFolder = Annotated[str, Field(description="The lake's folder.")]
Overrides = Annotated[
    dict[str, Any], Field(description='Dotted recipe fields to change: {"stages.difficulty.rollouts": 16}.')
]


@flow(name="run_round", flow_run_name="{recipe} round {number}")
def run_round(
    recipe: RecipeName = DEFAULT,
    lake: LakeFolder = "lake",
    number: Annotated[int, Field(ge=1, description="Which round.")] = 1,
    overrides: Overrides = {},  # noqa: B006  # Prefect's form shows it, nobody writes to it
) -> dict[str, str]:
    """Run one round of a recipe and what it needs first. Returns the stage key of every node."""
    plan = open_plan(recipe, lake, None, overrides)
    if number > plan.recipe.rounds:
        plan = open_plan(recipe, lake, number, overrides)
    run = begin(plan, range(1, number + 1))
    with failing(run):
        keys = run_tasks(plan, number, run)
    finish(plan, run, "complete" if number == plan.recipe.rounds else "partial")
    return keys


def run_tasks(plan: Plan, number: int, run: runs.Run) -> dict[str, str]:
    """Run a round's nodes as Prefect tasks, then leave funnel and comparisons as artifacts. Call it inside a flow."""
    nodes = [node for node in plan.nodes.values() if node.round <= number]
    keys = {node.name: stage_task(plan, node, run) for node in nodes}
    create_table_artifact(table=funnel(plan.lake, nodes), key=f"funnel-{plan.recipe.name}", description="Funnel")
    compared = as_rows(comparisons(plan.lake, plan, number))
    if compared:
        create_table_artifact(table=compared, key=f"accuracy-{plan.recipe.name}", description="Accuracy per bank")
    return keys


def stage_task(plan: Plan, node: Node, run: runs.Run) -> str:
    """Run one node as a Prefect task that carries its name."""

    @task(name=node.name, task_run_name=node.name, cache_policy=NO_CACHE, persist_result=False)
    def work() -> str:
        return run_node(plan, node, run)

    return work()
