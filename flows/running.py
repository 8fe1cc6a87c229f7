"""Runs: open a plan, run it to its end, keep its record, show what came of it. The command line stands on this."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flows import console
from flows.cards.write import card_path, write_cards
from flows.engine import Watch, describe, open_lake, run_node, runner_of, with_inputs
from flows.plan import Node, Plan, make_plan, steps
from flows.recipes import find
from flows.results import as_rows, comparisons, funnel, scores, verdict
from pipelines import ingest
from pipelines.lake import Manifest, runs
from pipelines.lake.catalog import NAME as CATALOG
from pipelines.lake.catalog import build_catalog
from pipelines.runner import in_process, replay, run_stage
from pipelines.sources import Source
from pipelines.stage import StageCall
from schemas.ids import content_id
from schemas.recipe import Recipe, RecipeError, did_you_mean, load


def open_plan(recipe: str, lake: Path | str, rounds: int | None, overrides: Mapping[str, Any] | None) -> Plan:
    """Read a recipe and plan it on a lake. Raises `schemas.recipe.RecipeError`."""
    changed = {**(overrides or {}), **({"rounds": rounds} if rounds is not None else {})}
    return make_plan(load(find(recipe), changed), open_lake(lake))


def node_named(plan: Plan, name: str) -> str:
    """The node called so, of round 1 where no round is named. Raises `RecipeError`."""
    for candidate in (name, f"r1/{name}"):
        if candidate in plan.nodes:
            return candidate
    raise RecipeError(f"{name}: the plan has no such stage{did_you_mean(name, list(plan.nodes))}")


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
    return record(plan, [node for node in plan.nodes.values() if node.round == 0 or node.round in numbers])


def record(plan: Plan, nodes: Sequence[Node]) -> runs.Run:
    """Open a record that names these stages."""
    recipe, settings = plan.recipe, plan.recipe.model_dump(mode="json")
    run = runs.start_run(plan.lake.root, recipe.name, content_id("recipe", settings), settings)
    for node in nodes:
        run.plan(node.name, round=node.round, stage=node.call.stage.name, key=node.key)
    return run


@contextmanager
def failing(run: runs.Run) -> Iterator[None]:
    """Close the record as failed when the block raises."""
    try:
        yield
    except BaseException:
        run.finish("failed")
        raise


def finish(plan: Plan, run: runs.Run, status: Literal["complete", "partial"] = "complete") -> None:
    """Close the record and make the catalog; of a complete run, which becomes the ref, also its cards."""
    run.finish(status)
    build_catalog(plan.lake)
    if status == "complete":
        write_cards(plan.lake, run)


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
        _adopt(plan, list(plan.nodes.values()), "complete")
    else:
        mend(plan)
    return False


def run_named(plan: Plan, names: Sequence[str], watch: Watch | None = None) -> list[Node]:
    """Run nodes and what they need, without Prefect, as a partial run; returns them. What is made is not recorded.

    `watch` is told how far each stage is that runs.
    """
    nodes = with_inputs(plan, names)
    todo = [node for node in nodes if plan.lake.find(plan.lake.resolve(node.key)) is None]
    console.err.print(f"{len(todo)} of {len(nodes)} stages to run" if todo else "Nothing to run: all is made.")
    if todo:
        run = record(plan, nodes)
        with failing(run):
            for node in nodes:
                run_node(plan, node, run, watch)
        finish(plan, run, "partial")
    return nodes


def _adopt(plan: Plan, nodes: Sequence[Node], status: Literal["complete", "partial"]) -> None:
    """Record a run of nodes that are all made already."""
    run = record(plan, nodes)
    for node in nodes:
        with run.working(node.name, plan.lake.resolve(node.key), reused=True):
            pass
    finish(plan, run, status)


def mend(plan: Plan) -> None:
    """Make catalog and card again if they are older than the ref: a kill between the two leaves them so."""
    newest = runs.newest(plan.lake.root, plan.recipe.name)
    if newest is None:
        return
    moved = runs.ref_path(plan.lake.root, plan.recipe.name).stat().st_mtime_ns
    made = (plan.lake.root / CATALOG, card_path(plan.lake, plan.recipe.name))
    if any(not path.exists() or path.stat().st_mtime_ns < moved for path in made):
        build_catalog(plan.lake)
        write_cards(plan.lake, newest)


def summary(recipe: Recipe, lake: Path, ran: bool, began: float, *, as_json: bool) -> None:
    """Funnel, cost, accuracy and verdict of a finished run, round by round. `began` is of `time.monotonic()`."""
    plan = make_plan(recipe, open_lake(lake))
    numbers = range(1, recipe.rounds + 1)
    if as_json:
        rows = funnel(plan.lake, list(plan.nodes.values()))
        console.print_json({"ran": ran, "funnel": rows, "rounds": [accuracy(plan, number) for number in numbers]})
        return
    console.table("Funnel", funnel(plan.lake, list(plan.nodes.values())))
    console.out.print(f"took {time.monotonic() - began:.1f} s; {console.peak_memory()}\n")
    for number in numbers:
        if recipe.rounds > 1:
            console.out.print(f"[bold]Round {number}[/bold]")
        show_accuracy(plan, number)
    if not ran:
        console.out.print("Nothing was run again: every stage was already made by an earlier run.")
    console.out.print(f"lake {lake}   catalog {lake / CATALOG}   card {card_path(plan.lake, recipe.name)}")


def accuracy(plan: Plan, number: int) -> dict[str, Any]:
    """A round's accuracy by arm and bank, with the number of questions, and the paired comparisons: for programs."""
    found = {
        arm: {bank: {"n": len(each), "accuracy": sum(each.values()) / len(each)} for bank, each in banks.items()}
        for arm, banks in scores(plan.lake, plan, number).items()
    }
    return {"round": number, "accuracy": found, "comparisons": as_rows(comparisons(plan.lake, plan, number))}


def show_accuracy(plan: Plan, number: int) -> None:
    """Accuracy per bank and arm, the paired differences, and one line of verdict."""
    compared = comparisons(plan.lake, plan, number)
    console.accuracy(as_rows(compared), scores(plan.lake, plan, number))
    if compared:
        console.out.print(verdict(compared))


@dataclass(frozen=True)
class Made:
    """What a command made of one stage: `made` is false when its manifest stood before."""

    name: str
    manifest: Manifest
    made: bool
    failures: list[dict[str, Any]]

    @property
    def unreadable(self) -> bool:
        """Whether not one row of the stage could be read."""
        counts = self.manifest.counts
        return counts.failed == counts.read and not counts.children_kept

    def as_json(self) -> dict[str, Any]:
        named = ("row_id", "kind", "message")
        return {
            "name": self.name,
            "key": self.manifest.key,
            "made": self.made,
            **self.manifest.counts.as_dict(),
            "failures": [{field: row[field] for field in named} for row in self.failures],
        }

    def print(self) -> None:
        """The counts, and the first failures on standard error."""
        console.out.print(f"{self.name}: {describe(self.manifest)}" + ("" if self.made else " (already made)"))
        for row in self.failures[:10]:
            console.err.print(f"  failed {row['row_id']}: {row['message']}", markup=False)
        if len(self.failures) > 10:
            console.err.print(f"  … and {len(self.failures) - 10} more; see table failures")


def ingest_source(source: Source, folder: Path, max_failed: float, processes: int = 1) -> Made:
    """Ingest one source by itself, as a run of its own name that the catalog shows.

    The run fails when no record can be read, or more than the share `max_failed` cannot.
    """
    lake = open_lake(folder)
    call = StageCall(ingest.STAGE, ingest.Parameters(sources=(source,)), max_failed=max_failed)
    run = runs.start_run(lake.root, f"ingest-{source.name}", call.key)
    run.plan("ingest", round=0, stage="ingest", key=call.key)
    done = lake.find(call.key) is not None
    said = console.Progress(f"ingest of {source.name}")
    runner = in_process if processes == 1 else runner_of(processes)
    with failing(run), run.working("ingest", call.key, reused=done):
        manifest = run_stage(lake, call, runner=runner, progress=lambda state: said(state.parts_done, state.parts))
    made = Made(source.name, manifest, not done, lake.read(manifest.key, "failures").to_pylist())
    run.finish("failed" if made.unreadable else "complete")
    build_catalog(lake)
    return made


def replay_stage(plan: Plan, name: str) -> Made:
    """Try the failures of a finished stage again.

    The result is recorded as a complete run where nothing else is left to run, otherwise as a partial one: what was
    made from the stage has not seen it yet.
    """
    node, before = plan.nodes[name], plan.lake.resolve(plan.nodes[name].key)
    manifest = replay(plan.lake, node.call, runner=runner_of(plan.recipe.execution.processes))
    if manifest.key != before:
        after = make_plan(plan.recipe, plan.lake)
        if waiting(after):
            _adopt(after, with_inputs(after, [name]), "partial")
        else:
            _adopt(after, list(after.nodes.values()), "complete")
    return Made(name, manifest, manifest.key != before, plan.lake.read(manifest.key, "failures").to_pylist())
