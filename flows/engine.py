"""Running nodes of a plan, with progress on the terminal. No Prefect here: flows wrap it, tests call it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

from flows import console
from flows.plan import Node, Plan
from pipelines.lake import Lake, Manifest, runs
from pipelines.runner import Beam, Processes, Progress, Runner, run_stage

Watch: TypeAlias = Callable[[Progress], None]
"""Is told how far a stage is, a few times a second."""


@cache
def runner_of(processes: int) -> Runner:
    """Where parts run: Beam in this process, or a pool of `processes` that keep their models between stages."""
    return Beam() if processes == 1 else Processes(processes)


def run_node(plan: Plan, node: Node, run: runs.Run | None = None, watch: Watch | None = None) -> str:
    """Run one node to its manifest and say what happened to its rows; returns the key that serves it.

    `run` is the record to keep; a node whose manifest stands is recorded as reused. `watch` is told how far it is.
    """
    key = plan.lake.resolve(node.key)
    done = plan.lake.find(key) is not None
    if run is None:
        return key if done else _make(plan, node, watch).key
    with run.working(node.name, key, reused=done):
        return key if done else _make(plan, node, watch).key


def _make(plan: Plan, node: Node, watch: Watch | None) -> Manifest:
    console.err.print(f"[bold]{node.name}[/bold]")
    started, said = time.monotonic(), console.Progress(node.name)

    def progress(state: Progress) -> None:
        said(state.parts_done, state.parts)
        if watch:
            watch(state)

    manifest = run_stage(plan.lake, node.call, runner=runner_of(plan.recipe.execution.processes), progress=progress)
    console.err.print(f"  {describe(manifest)} in {time.monotonic() - started:.1f} s")
    return manifest


def describe(manifest: Manifest) -> str:
    """The counts of a stage that are not zero, as one line."""
    counts = manifest.counts.as_dict()
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in counts.items() if value) or "nothing to do"


def with_inputs(plan: Plan, names: Sequence[str]) -> list[Node]:
    """The named nodes and all that they need, in plan order."""
    wanted: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo += plan.nodes[name].inputs
    return [node for node in plan.nodes.values() if node.name in wanted]


def open_lake(folder: Path | str) -> Lake:
    """The lake at a folder; makes the folder."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Lake(folder)
