"""One round of the flywheel as a Prefect flow: one task per stage, in the order of the plan.

Prefect gives schedule, retries, limits, UI and artifacts; manifests decide what runs again (design §7). Parameters are
names and numbers, never data and never secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import httpx
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows import artifacts, events
from flows.engine import run_node, with_inputs
from flows.forms import LakeFolder, Number, Overrides, RecipeName, Says
from flows.plan import Node, Plan
from flows.recipes import DEFAULT
from flows.running import begin, failing, finish, open_plan, record
from pipelines.lake import runs

GPU = "evolens-gpu"
"""Tag of the stages that hold a model, so that a limit on this tag is a limit on the GPUs."""

PASSING = (ConnectionError, TimeoutError, httpx.TransportError)
"""What may be gone when a stage is tried again: somebody did not answer."""


@flow(name="run_round", flow_run_name="{recipe} round {number}")
def run_round(
    recipe: RecipeName = DEFAULT,
    lake: LakeFolder = "lake",
    number: Number = 1,
    overrides: Overrides = {},  # noqa: B006  # Prefect's form shows it, nobody writes to it
    train: Annotated[bool, Says("Off: make and choose the rows, and leave training to `retrain`.")] = True,
) -> dict[str, str]:
    """Run one round of a recipe and what it needs first. Returns the stage key of every node."""
    plan = open_plan(recipe, lake, None, overrides)
    if number > plan.recipe.rounds:
        plan = open_plan(recipe, lake, number, overrides)
    if not train:
        new = not rows_chosen(plan, number)
        run = choose_rows(plan, number)
        if new:
            events.tell(events.CURATED, plan, recipe, number, run.run_id, overrides)
            artifacts.leave_pages(plan, run.run_id)
        return {node.name: node.key for node in run.nodes.values()}
    run = begin(plan, range(1, number + 1))
    with failing(run):
        keys = run_tasks(plan, number, run)
        events.tell(events.TRAINED, plan, recipe, number, run.run_id, overrides)
    finish(plan, run, "complete" if number == plan.recipe.rounds else "partial")
    artifacts.leave_pages(plan, run.run_id)
    return keys


def rows_chosen(plan: Plan, number: int) -> bool:
    """Whether the rows of a round are made and chosen."""
    return plan.lake.find(plan.lake.resolve(plan.nodes[f"r{number}/curate"].key)) is not None


def choose_rows(plan: Plan, number: int) -> runs.Run:
    """Make and choose the rows of a round, as a partial run. Call it inside a flow."""
    nodes = with_inputs(plan, [f"r{number}/curate"])
    run = record(plan, nodes)
    with failing(run):
        run_nodes(plan, nodes, number, run)
    finish(plan, run, "partial")
    return run


def run_tasks(plan: Plan, number: int, run: runs.Run) -> dict[str, str]:
    """Run the nodes of the rounds up to this one. Call it inside a flow."""
    return run_nodes(plan, [node for node in plan.nodes.values() if node.round <= number], number, run)


def run_nodes(plan: Plan, nodes: Sequence[Node], number: int, run: runs.Run) -> dict[str, str]:
    """Run nodes as Prefect tasks, then leave funnel and comparisons as artifacts. Call it inside a flow."""
    keys = {node.name: stage_task(plan, node, run) for node in nodes}
    artifacts.leave_tables(plan, nodes, number)
    return keys


def stage_task(plan: Plan, node: Node, run: runs.Run) -> str:
    """Run one node as a Prefect task that carries its name; it is tried again when somebody did not answer."""

    @task(
        name=node.name,
        task_run_name=node.name,
        tags=[GPU] if holds_model(node) else None,
        retries=2,
        retry_delay_seconds=[10, 60],
        retry_condition_fn=lambda _task, _run, state: isinstance(state.result(raise_on_failure=False), PASSING),
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    def work() -> str:
        with artifacts.showing_progress(node) as watch:
            return run_node(plan, node, run, watch)

    return work()


def holds_model(node: Node) -> bool:
    """Whether a stage asks or trains a model."""
    return node.call.worker is not None or node.call.stage.table == "policies"
