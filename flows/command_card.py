"""The command that describes what was made: card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows import console, recipes
from flows.command_run import LAKE, AsJson, LakeFolder

if TYPE_CHECKING:
    from pipelines.lake import Lake


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(card)


def card(
    run: Annotated[
        str, typer.Argument(help="A recipe's name or file, a run's id or its first characters, or `latest`.")
    ] = "latest",
    lake: LakeFolder = LAKE,
    kind: Annotated[Literal["dataset", "model", "croissant"], typer.Option(help="What is described.")] = "dataset",
    export: Annotated[
        Path | None, typer.Option(help="An export: its card names its files, and is written into it, with Croissant.")
    ] = None,
    policy: Annotated[str | None, typer.Option(help="For `model`: who trained it, such as r1/sft.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write it; standard output by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the card of a run's dataset or policy, from manifests and SQL; with --json, the tables that it shows.

    Example: `evolens card quickstart --export exports/all`
    """
    import json

    from flows.cards import croissant, dataset, model
    from flows.cards.counts import tallies
    from flows.cards.given import NotAnExport, open_export
    from flows.cards.write import write_beside, write_to
    from flows.report.source import open_run
    from pipelines.lake import Lake

    if kind == "croissant" and export is None:
        raise NotAnExport("Croissant describes files; name an export with --export")
    given = open_export(export) if export else None
    wanted = given.run_id if given and run == "latest" else _run_id(Lake(lake), run)
    with open_run(Lake(lake), wanted) as source:
        if as_json:
            console.print_json(tallies(source))
            return
        if kind == "dataset" and (given or out):
            written = write_beside(source, given) if given else [write_to(source, out)] if out else []
            for path in written:
                console.out.print(f"wrote {path}")
            return
        if kind == "model":
            text = model.render(source, policy)
        elif given:
            text = json.dumps(croissant.describe(source, given), indent=1, ensure_ascii=False) + "\n"
        else:
            text = dataset.render(source)
    if out is None:
        console.out.print(text, markup=False, end="", soft_wrap=True)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        console.out.print(f"wrote {out}")


def _run_id(lake: Lake, run: str) -> str:
    from pipelines.lake.runs import named

    name = recipes.open_recipe(run).name if run.endswith((".yaml", ".yml")) else run
    return named(lake.root, name).run_id
