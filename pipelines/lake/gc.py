"""Removing what nothing reaches: no kept run, no ref, no lease."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby, islice
from pathlib import Path

from pipelines.lake import leases, runs
from pipelines.lake.lake import Lake
from pipelines.lake.manifest import path_of
from pipelines.lake.parts import ARTIFACTS
from schemas.arrow import TABLES

DEBRIS_SECONDS = 3600


def collect(lake: Lake, keep_runs: int, *, dry_run: bool = False) -> list[tuple[str, int]]:
    """Remove unreachable stages, files and runs; returns (path relative to the lake, bytes) of each file.

    Kept are every run that is being made, and per recipe the newest `keep_runs` runs and the newest complete one, with
    all stages they name, all that those were made from, their replays, and what a live lease works on or reads.
    Manifests go first, so that a kill leaves files that no manifest lists, and never a manifest whose files are gone.
    """
    kept = _kept_runs(lake, keep_runs)
    named = {node.key for run in runs.list_runs(lake.root) if run.run_id in kept for node in run.nodes.values()}
    reached = lake.ancestry(sorted(named | leases.live_keys(lake.root)))
    keys = {*reached, *(lake.resolve(key) for key in reached)}
    spared = {part.name for key in keys if (found := lake.find(key)) for part in found.parts}
    doomed = [
        *(path_of(lake.root, key) for key in sorted(set(lake.keys()) - keys)),
        *(path for path in sorted((lake.root / "_runs").glob("*.json")) if path.stem not in kept),
        *_debris(lake),
        *(path for path in _replays(lake) if path.read_text().strip() not in keys),
        *(path for path in _files(lake) if _key(path) not in keys and str(path.relative_to(lake.root)) not in spared),
    ]
    sizes = [(str(path.relative_to(lake.root)), path.stat().st_size) for path in doomed]
    if not dry_run:
        for path in doomed:
            path.unlink(missing_ok=True)
        _remove_empty({path.parent for path in doomed}, lake.root)
    return sizes


def _kept_runs(lake: Lake, keep_runs: int) -> set[str]:
    found = sorted(runs.list_runs(lake.root), key=lambda run: (run.recipe, run.run_id), reverse=True)
    newest = {run.run_id for _, group in groupby(found, lambda run: run.recipe) for run in islice(group, keep_runs)}
    return newest | set(runs.refs(lake.root).values()) | {run.run_id for run in found if runs.is_live(run)}


def _replays(lake: Lake) -> list[Path]:
    return sorted((lake.root / "_replays").glob("*.json"))


def _debris(lake: Lake) -> Iterator[Path]:
    """Temporary files of writers that died outside a stage; a live one would be younger."""
    folders = [lake.root, *(lake.root / name for name in ("_runs", "_refs", "_replays", "_leases", "_manifests"))]
    for path in (path for folder in folders for path in sorted(folder.glob(".tmp-*"))):
        if path.is_file() and path.stat().st_mtime < time.time() - DEBRIS_SECONDS:
            yield path


def _files(lake: Lake) -> Iterator[Path]:
    """Every file that belongs to some stage key, finished or not."""
    for folder in [*TABLES, ARTIFACTS]:
        yield from (path for path in sorted((lake.root / folder).glob("key=*/**/*")) if path.is_file())
        yield from (path for path in sorted((lake.root / folder).glob(".tmp-*/**/*")) if path.is_file())
    yield from sorted((lake.root / "images").glob("pack-*.parquet"))
    yield from sorted((lake.root / "images").glob(".tmp-*"))
    yield from (path for path in sorted((lake.root / "_work").glob("**/*")) if path.is_file())


def _key(path: Path) -> str:
    """The stage key that a file belongs to, by its name or its folder."""
    for part in path.parts[::-1]:
        for prefix in ("key=", "pack-", ".tmp-"):
            if part.startswith(prefix):
                return part.removeprefix(prefix)[:32]
        if part == "_work":
            break
    return path.parts[path.parts.index("_work") + 1] if "_work" in path.parts else ""


def _remove_empty(folders: set[Path], root: Path) -> None:
    """Remove these folders, and those above them up to the lake, where nothing is left in them."""
    above = {parent for folder in folders for parent in (folder, *folder.parents) if root in parent.parents}
    for folder in sorted(above, key=lambda path: len(path.parts), reverse=True):
        with suppress(OSError):
            folder.rmdir()
