"""The command that proves traces: prove."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from flows import console, recipes
from flows.command_run import LAKE, AsJson, LakeFolder, RecipeName, Settings

if TYPE_CHECKING:
    from flows.proving import Report


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(prove)


def prove(
    recipe: RecipeName = "worlds",
    lake: LakeFolder = LAKE,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Make and verify the traces of a recipe, then carry every kept one out again from what the lake holds.

    What was made before is not made again, but it is always proven again, in fresh processes: ids against content,
    observations and stored pictures pixel for pixel. Fails when one trace does not hold.

    Example: `evolens prove worlds --lake worlds_lake`
    """
    from flows.proving import prove_plan
    from flows.running import open_plan

    report = prove_plan(open_plan(recipe, lake, None, recipes.overrides_of(settings or ())))
    if as_json:
        console.print_json(report.as_json())
    else:
        show(report)
    if not report.holds:
        faults = f"{len(report.proven.faults)} of {report.kept} kept traces do not hold"
        console.fail(faults if report.kept else "no trace was kept: there is nothing to prove")
        raise typer.Exit(1)


def show(report: Report) -> None:
    """Print the tables, then the figures, then what does not hold."""
    proven, say = report.proven, console.out.print
    console.table("Funnel", report.funnel)
    console.table("Traces by family", report.families)
    if report.seconds is None:
        say(f"{report.traces:,} traces, which an earlier run made, wholly or in part")
    else:
        rate = report.traces / report.seconds
        say(f"made and verified {report.traces:,} traces in {report.seconds:.1f} s: {rate:.1f} a second")
    say(f"distinct program states: {report.states:,}, {report.states / max(report.traces, 1):.1%} of the traces")
    say(
        f"proven again in {report.processes} fresh processes: {proven.traces - len(proven.faults):,} of {report.kept:,}"
        f" kept traces, {proven.pictures:,} stored pictures of tools equal pixel for pixel, in {proven.seconds:.1f} s\n"
    )
    marks = sorted({mark for peaks in report.memory.values() for mark in peaks if mark})
    console.table(
        "Most memory of all processes together, MiB, until so many rows were done",
        [
            {"work": work, **{f"{mark:,}": round(peaks.get(mark, peaks[0])) for mark in marks}, "all": round(peaks[0])}
            for work, peaks in report.memory.items()
        ],
    )
    for proof in proven.faults[:20]:
        console.err.print(f"trace {proof.trace_id}: {proof.fault}", markup=False)
