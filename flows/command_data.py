"""The command that looks at one sample: show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import console
from flows.command_query import Place
from flows.command_run import AsJson


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(show)


def show(
    sample_id: Annotated[str, typer.Argument(help="A sample id, or its first characters.")],
    lake: Place = "lake",
    pictures: Annotated[Path | None, typer.Option(help="Write the pictures and tool results here as PNG.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one sample: question, traces, difficulty, influence, rewards.

    Example: `evolens show 3f2a --pictures pictures`
    """
    from flows.asking import is_remote, open_catalog
    from flows.sample_view import TABLES, SampleView

    if pictures is not None and is_remote(lake):
        raise typer.BadParameter("--pictures draws what tools made, from a lake on this machine; see picture() in SQL")
    with open_catalog(lake, " ".join(TABLES)) as connection:
        view = SampleView.find(connection, sample_id)
    if as_json:
        console.print_json(view.tables)
    else:
        view.print()
    if pictures is not None:
        for path in view.write_pictures(Path(lake), pictures):
            console.err.print(f"wrote {path}")
