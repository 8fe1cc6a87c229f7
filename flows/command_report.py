"""The command that shows a run: report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import console
from flows.command_run import LAKE, AsJson, LakeFolder


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(report)


def report(
    lake: LakeFolder = LAKE,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    run: Annotated[str | None, typer.Option(help="A run id or its start; else the newest complete.")] = None,
    sample: Annotated[str | None, typer.Option(help="The sample whose lineage is drawn.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write one page that shows a run: funnel, rejects, gallery, difficulty, accuracy, training, cost, lineage.

    The page needs no network, and no other file.

    Example: `evolens report --lake lake --out report.html`
    """
    if not lake.is_dir():
        raise FileNotFoundError(f"{lake}: there is no lake here; `evolens run --lake {lake}` makes one")
    from flows.report.page import write_report
    from pipelines.lake import Lake

    path = write_report(Lake(lake), out, run, sample)
    size = path.stat().st_size
    if as_json:
        console.print_json({"page": str(path), "bytes": size})
    else:
        console.out.print(f"wrote {path}, {size / 1e6:.1f} MB")
