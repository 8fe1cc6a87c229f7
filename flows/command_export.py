"""The command that gives data away: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from flows import console
from flows.command_run import LAKE, AsJson, LakeFolder


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(export)


def export(
    format: Annotated[str, typer.Argument(help="One of the formats of docs/exports.md; `list` names them.")],  # noqa: A002 - the name that users see
    out: Annotated[Path | None, typer.Argument(help="A folder that does not exist yet, or is empty.")] = None,
    lake: LakeFolder = LAKE,
    run: Annotated[
        str, typer.Option(help="A run's id or its first characters, a recipe's name, or `latest` complete run.")
    ] = "latest",
    table: Annotated[str, typer.Option(help="`curated` rows, all `samples` of the run, or `captions`.")] = "curated",
    split: Annotated[
        str | None, typer.Option(help="Of curated rows: `sft`, `rl` or `all`; by default what the format is for.")
    ] = None,
    arm: Annotated[
        str, typer.Option(help="Of curated rows: `curated`, or `random`, their control of the same size.")
    ] = "curated",
    style: Annotated[
        str, typer.Option(help="`plain`, or `described`: a system turn explains tools and format.")
    ] = "plain",
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Let licences through that are `unknown`, `nc` or `nd`, or one by its name. Repeatable."),
    ] = None,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave out rows whose licence is refused, and export the others.")
    ] = False,
    preflight: Annotated[
        str | None,
        typer.Option(
            help="A model as recipes name it, `local:PATH`: refuse rows it could not learn from, count tokens."
        ),
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="The longest row, for the preflight.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write curated rows, with their pictures, in the format of a trainer or loader.

    Example: `evolens export trl-sft exports/sft --lake lake`
    """
    from pipelines.export import FORMATS
    from pipelines.export.items import ARMS, TABLES, Arm, Table
    from pipelines.export.write import CannotExport, Choice
    from pipelines.export.write import export as write
    from pipelines.lake import Lake
    from pipelines.lake.runs import named
    from pipelines.prompts import STYLES, Style
    from pipelines.workers.identity import WorkerSpec, folder_of

    if format == "list":
        known = [{"format": name, "says": form.says} for name, form in FORMATS.items()]
        console.print_json(known) if as_json else console.table("Formats", known)
        return
    if out is None:
        raise CannotExport("where to? `evolens export FORMAT OUT`")
    offered = (("table", table, TABLES), ("style", style, STYLES), ("split", split, SPLITS), ("arm", arm, ARMS))
    for name, value, values in offered:
        if value not in values:
            raise CannotExport(f"--{name} {value!r} is none of {', '.join(each for each in values if each)}")
    choice = Choice(
        format,
        cast(Table, table),
        split,
        cast(Style, style),
        tuple(allow or ()),
        leave_out=leave_out,
        force=force,
        preflight=folder_of(WorkerSpec(preflight)) if preflight else None,
        max_tokens=max_tokens,
        arm=cast(Arm, arm),
    )
    told = write(Lake(lake), named(lake, run), choice, out, console.Progress("export", unit="rows"))
    if as_json:
        console.print_json(told.__dict__)
        return
    rows = [{"split": name, "rows": count} for name, count in told.exported.items()]
    console.table(f"{told.format}: {out}", [*rows, {"split": "refused", "rows": sum(told.refused.values())}])
    for reason, count in told.refused.items():
        console.err.print(f"{count} rows refused: {reason} ({out}/.evolens/refused.jsonl)")


SPLITS = (None, "sft", "rl", "all")
