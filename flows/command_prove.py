"""The command that proves traces: prove."""

from __future__ import annotations

import typer

from flows import console, recipes
from flows.command_run import LAKE, AsJson, LakeFolder, RecipeName, Settings


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
        report.print()
    if not report.holds:
        console.fail(f"{len(report.proven.faults)} of {report.kept} kept traces do not hold")
        raise typer.Exit(1)
