"""Commands for review by people: review export, import, status."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import console
from flows.command_run import LAKE, AsJson, LakeFolder

RunId = Annotated[str | None, typer.Option(help="A run id or its start; else the newest complete.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    review = typer.Typer(help="Put rows to people, and take back what they say.", no_args_is_help=True)
    review.command(name="export")(export)
    review.command(name="import")(import_)
    review.command()(status)
    app.add_typer(review, name="review")


def export(
    lake: LakeFolder = LAKE,
    out: Annotated[Path, typer.Option(help="A page (.html), or a table beside pictures (.csv).")] = Path("review.html"),
    random: Annotated[int, typer.Option(min=0, help="Rows drawn from all samples: they measure precision.")] = 40,
    suspect: Annotated[int, typer.Option(min=0, help="Rows whose label or need of a picture is suspected.")] = 20,
    judge: Annotated[int, typer.Option(min=0, help="Answers that a judge left open, or judged both ways.")] = 20,
    seed: Annotated[int, typer.Option(help="Another seed draws other rows.")] = 0,
    again: Annotated[bool, typer.Option("--again", help="Reviewed rows, too: for a second reviewer.")] = False,
    run: RunId = None,
    as_json: AsJson = False,
) -> None:
    """Draw rows and write them for people to judge.

    Example: `evolens review export --lake lake --out review.html`
    """
    from flows.report.source import open_run
    from flows.review.page import write_csv, write_page
    from flows.review.queue import draw
    from flows.review.shown import sheets
    from pipelines.lake import Lake

    if out.suffix not in (".html", ".csv"):
        raise typer.BadParameter(f"--out {out}: its name should end with .html or .csv")
    with open_run(Lake(lake), run) as source:
        asked = draw(source, {"random": random, "suspect": suspect, "judge": judge}, seed, again=again)
        if not asked:
            raise LookupError("nothing to review: every row that these queues hold was reviewed (--again, --seed)")
        shown = sheets(source, asked)
        path = (write_page if out.suffix == ".html" else write_csv)(out, source.run.run_id, shown)
    counts = {name: sum(row.queue == name for row in asked) for name in ("random", "suspect", "judge")}
    if as_json:
        console.print_json({"path": str(path), "rows": counts, "bytes": path.stat().st_size})
    else:
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        console.out.print(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB: {told}")


def import_(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="What the page saved, or a filled CSV.")],
    lake: LakeFolder = LAKE,
    reviewer: Annotated[str | None, typer.Option(help="Who judged, where the file does not say.")] = None,
    run: RunId = None,
    as_json: AsJson = False,
) -> None:
    """Keep verdicts in the lake. Rows that cannot be used are told and left out.

    Example: `evolens review import verdicts.json --lake lake`
    """
    from flows.report.source import open_run
    from flows.review.verdicts import BadVerdict, read, write
    from pipelines.lake import Lake
    from pipelines.lake.catalog import build_catalog

    made = Lake(lake)
    with open_run(made, run) as source:
        batches = [read(path, source, reviewer) for path in paths]
    kept = [row for batch in batches for row in batch.kept]
    rejected = [line for batch in batches for line in batch.rejected]
    for line in rejected:
        console.fail(line)
    if not kept:
        raise BadVerdict("no verdict was kept: nothing is filled in, or nothing could be used")
    write(made, kept)
    build_catalog(made)
    counts = {
        "read": sum(batch.read for batch in batches),
        "kept": len(kept),
        "empty": sum(batch.empty for batch in batches),
        "rejected": len(rejected),
    }
    if as_json:
        console.print_json(counts)
    else:
        console.out.print(", ".join(f"{name} {count}" for name, count in counts.items()))


def status(lake: LakeFolder = LAKE, run: RunId = None, as_json: AsJson = False) -> None:
    """Say what was reviewed, how far reviewers agree, and what that says of each stage.

    Example: `evolens review status --lake lake`
    """
    from flows.report.source import open_run
    from flows.review.measures import agreement, counts, precision
    from pipelines.lake import Lake

    with open_run(Lake(lake), run) as source:
        found = {"reviews": counts(source), "agreement": agreement(source), "stages": precision(source)}
    if as_json:
        console.print_json(found)
        return
    if not found["reviews"]:
        console.out.print(f"Nothing was reviewed yet; begin with `evolens review export --lake {lake}`")
        return
    console.table("Reviewed", found["reviews"])
    if found["agreement"]:
        console.table("Two reviewers of one row", found["agreement"])
    console.table("What people found of each stage (95 % interval)", found["stages"])
