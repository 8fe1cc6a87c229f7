"""Commands that keep a lake: catalog, gc, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import console
from flows.command_run import LAKE, AsJson, LakeFolder


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(catalog)
    app.command()(gc)
    app.command()(doctor)


def catalog(lake: LakeFolder = LAKE, as_json: AsJson = False) -> None:
    """Rebuild catalog.duckdb from the lake's manifests; open shells keep the old one.

    Example: `evolens catalog --lake lake && duckdb lake/catalog.duckdb`
    """
    from pipelines.lake import Lake
    from pipelines.lake.catalog import build_catalog

    path = build_catalog(Lake(_existing(lake)))
    if as_json:
        console.print_json({"catalog": str(path)})
    else:
        console.out.print(f"wrote {path}")


def gc(
    lake: LakeFolder = LAKE,
    keep_runs: Annotated[
        int, typer.Option(min=1, help="Newest runs to keep, per recipe; the newest complete one always stays.")
    ] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what no kept run, ref or lease reaches.

    Example: `evolens gc --keep-runs 2 --dry-run`
    """
    from pipelines.lake import Lake
    from pipelines.lake.catalog import build_catalog
    from pipelines.lake.gc import collect

    removed = collect(Lake(_existing(lake)), keep_runs, dry_run=dry_run)
    if removed and not dry_run:
        build_catalog(Lake(lake))  # its views name every file that was there
    if as_json:
        console.print_json([{"file": name, "bytes": size} for name, size in removed])
        return
    size = sum(size for _, size in removed)
    console.out.print(f"{'would remove' if dry_run else 'removed'} {len(removed)} files, {size / 1e6:.1f} MB")


def _existing(lake: Path) -> Path:
    if not lake.is_dir():
        raise FileNotFoundError(f"{lake}: there is no lake here; `evolens run --lake {lake}` makes one")
    return lake


def doctor(lake: LakeFolder = LAKE, as_json: AsJson = False) -> None:
    """Check the installation, the embedded model and the lake; exits 1 when something is broken.

    Example: `evolens doctor --lake lake`
    """
    from flows.doctor import examine

    found = examine(lake)
    if as_json:
        console.print_json([finding.__dict__ for finding in found])
    else:
        console.table("Doctor", [{"check": f.check, "state": f.state, "says": f.says} for f in found])
    if any(finding.state == "broken" for finding in found):
        raise typer.Exit(1)
