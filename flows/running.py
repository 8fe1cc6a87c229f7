"""Runs: open a plan, run it to its end, keep its record, show what came of it. The command line stands on this."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows import console
from flows.card import write_card
from flows.engine import describe, open_lake, runner_of
from flows.plan import Node, Plan, make_plan, steps
from flows.recipes import find
from flows.results import as_rows, comparisons, funnel, scores, verdict
from pipelines import ingest
from pipelines.lake import Lake, runs
from pipelines.lake.catalog import build_catalog
from pipelines.runner import replay, run_stage
from pipelines.sources import fingerprint
from pipelines.stage import StageCall
from schemas.ids import content_id
from schemas.recipe import Recipe, load


def open_plan(recipe: str, lake: Path | str, rounds: int | None, overrides: Mapping[str, Any] | None) -> Plan:
    """Read a recipe and plan it on a lake. Raises `schemas.recipe.RecipeError`."""
    changed = {**(overrides or {}), **({"rounds": rounds} if rounds is not None else {})}
    return make_plan(load(find(recipe), changed), open_lake(lake))


def newest_keys(plan: Plan) -> dict[str, str]:
    """Node name → key in the newest complete run of this recipe; empty when it never ran."""
    found = runs.newest(plan.lake.root, plan.recipe.name)
    return {node.name: node.key for node in found.nodes.values()} if found else {}


def served(plan: Plan) -> dict[str, str]:
    """Node name → the key that serves it: a replay's, where there is one."""
    return {node.name: plan.lake.resolve(node.key) for node in plan.nodes.values()}


def waiting(plan: Plan) -> list[Node]:
    """Nodes without a manifest."""
    return [step.node for step in steps(plan, {}) if step.state == "run"]


def begin(plan: Plan, numbers: range) -> runs.Run:
    """Open a record that names every stage of these rounds, so that gc spares what the run is making."""
    recipe = plan.recipe
    run = runs.start_run(plan.lake.root, recipe.name, content_id("recipe", recipe.model_dump(mode="json")))
    for node in plan.nodes.values():
        if node.round == 0 or node.round in numbers:
            run.plan(node.name, round=node.round, stage=node.call.stage.name, key=node.key)
    return run


def finish(plan: Plan, run: runs.Run) -> None:
    """Close the record: the ref moves to this run, and catalog and card are made from it."""
    run.finish("complete")
    build_catalog(plan.lake)
    write_card(plan, run.run_id)


def run_recipe(recipe: str, lake: Path, rounds: int | None, overrides: dict[str, Any]) -> bool:
    """Run a recipe to its end; False when everything was already made (Prefect is not started then)."""
    plan = open_plan(recipe, lake, rounds, overrides)
    todo = waiting(plan)
    if todo:
        console.err.print(f"{len(todo)} of {len(plan.nodes)} stages to run")
        from flows.flywheel import flywheel  # Prefect takes seconds to import

        flywheel(recipe=recipe, lake=str(lake), rounds=rounds, overrides=overrides)
        return True
    if newest_keys(plan) != served(plan):
        run = begin(plan, range(1, plan.recipe.rounds + 1))
        for name, key in served(plan).items():
            with run.working(name, key, reused=True):
                pass
        finish(plan, run)
    return False


def summary(recipe: Recipe, lake: Path, ran: bool, *, as_json: bool) -> None:
    """Funnel, accuracy and verdict of a finished run, round by round."""
    from flows.command_run import print_json

    plan = make_plan(recipe, open_lake(lake))
    numbers = range(1, recipe.rounds + 1)
    if as_json:
        compared = [row for number in numbers for row in as_rows(comparisons(plan.lake, plan, number))]
        print_json({"ran": ran, "funnel": funnel(plan.lake, list(plan.nodes.values())), "comparisons": compared})
        return
    console.table("Funnel", funnel(plan.lake, list(plan.nodes.values())))
    for number in numbers:
        if recipe.rounds > 1:
            console.out.print(f"[bold]Round {number}[/bold]")
        show_accuracy(plan, number)
    if not ran:
        console.out.print("Nothing was run again: every stage was already made by an earlier run.")
    console.out.print(f"lake {lake}   catalog {lake / 'catalog.duckdb'}   card {lake / 'cards' / recipe.name}.md")


def show_accuracy(plan: Plan, number: int) -> None:
    """Accuracy per bank and arm, the paired differences, and one line of verdict."""
    compared = comparisons(plan.lake, plan, number)
    console.accuracy(as_rows(compared), scores(plan.lake, plan, number))
    if compared:
        console.out.print(verdict(compared))


def ingest_source(path: Path, folder: Path, name: str | None, license_: str, limit: int | None) -> None:
    """Ingest one source by itself, as a run of its own name that the catalog shows."""
    lake = open_lake(folder)
    called = name or path.resolve().stem
    source = ingest.Source(
        name=called, path=path.resolve(), fingerprint=fingerprint(path.resolve()), license=license_, limit=limit
    )
    call = StageCall(ingest.STAGE, ingest.Parameters(sources=(source,)))
    run = runs.start_run(lake.root, f"ingest-{called}", call.key)
    run.plan("ingest", round=0, stage="ingest", key=call.key)
    done = lake.find(call.key) is not None
    with run.working("ingest", call.key, reused=done):
        manifest = run_stage(lake, call)
    run.finish("complete")
    build_catalog(lake)
    console.out.print(f"{called}: {describe(manifest)}" + (" (already ingested)" if done else ""))
    _say_failures(lake, manifest.key)


def replay_stage(plan: Plan, name: str) -> None:
    """Try the failures of a finished stage again, and say what came of them."""
    node = plan.nodes[name]
    manifest = replay(plan.lake, node.call, runner=runner_of(plan.recipe.execution.processes))
    console.out.print(f"{name}: {describe(manifest)}")
    _say_failures(plan.lake, manifest.key)


def _say_failures(lake: Lake, key: str) -> None:
    rows = lake.read(key, "failures").to_pylist()
    for row in rows[:10]:
        console.err.print(f"  failed {row['row_id']}: {row['message']}", markup=False)
    if len(rows) > 10:
        console.err.print(f"  … and {len(rows) - 10} more; see table failures")
