"""Replay: run the failures of a finished stage again, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.lake import Lake, files
from pipelines.lake.manifest import Manifest
from pipelines.lake.parts import PartFile, describe, part_name, write_table
from pipelines.runner.move import Runner, in_process
from pipelines.runner.run import Progress, run_key
from pipelines.stage import StageCall
from schemas.ids import content_id
from schemas.outcome import Counts, check_law

ACCIDENTS = ("failures", "failures_detail")


def replay(
    lake: Lake,
    call: StageCall,
    ids: Collection[str] | None = None,
    *,
    runner: Runner = in_process,
    progress: Callable[[Progress], None] | None = None,
) -> Manifest:
    """Run failed rows again, all or those with these ids, under key' = hash(key, replayed ids).

    The new manifest lists the parts of the old one and those of the replay; of the old failures it lists only those
    that were not replayed, so whoever reads key' sees each row once. `Lake.resolve(key)` then gives key'. A failed
    child is made again from its parent; its siblings are not. Returns the standing manifest when nothing failed.
    Raises `NotDone` for an unfinished stage and `ValueError` for a whole stage, whose rows cannot run alone.
    """
    base = lake.manifest(lake.resolve(call.key))
    if call.stage.kind == "whole":
        raise ValueError(f"stage {call.stage.name} works on all rows at once: run it again instead of replaying it")
    failed = lake.read(base.key, "failures").to_pylist()
    chosen = [row for row in failed if ids is None or row["row_id"] in ids or row["parent_id"] in ids]
    if not chosen:
        return base
    rows = {row["row_id"] for row in chosen if row["parent_id"] is None}
    children: dict[str, frozenset[str]] = {}
    for row in chosen:
        if row["parent_id"] is not None:
            children[row["parent_id"]] = children.get(row["parent_id"], frozenset()) | {row["row_id"]}
    replayed = sorted(row["row_id"] for row in chosen)
    key = content_id("replay", [base.key, replayed])
    manifest = run_key(
        lake,
        replace(call, max_failed=1.0),
        key,
        runner=runner,
        progress=progress,
        only=sorted(rows | children.keys()),
        children=children,
        finish=lambda made: _join(lake, base, made, replayed, len(rows), len(children)),
    )
    files.replace(lake.root / "_replays" / f"{base.key}.json", f"{key}\n".encode())
    return manifest


def _join(lake: Lake, base: Manifest, made: Manifest, replayed: list[str], rows: int, parents: int) -> Manifest:
    children = len(replayed) - rows
    before, now = base.counts, made.counts
    counts = Counts(
        read=before.read,
        kept=before.kept + now.kept,
        expanded=before.expanded + now.expanded - parents,
        rejected=before.rejected + now.rejected,
        failed=before.failed + now.failed - rows,
        children=before.children + now.children - children,
        children_kept=before.children_kept + now.children_kept,
        children_rejected=before.children_rejected + now.children_rejected,
        children_failed=before.children_failed + now.children_failed - children,
    )
    check_law(base.stage, counts)
    kept = [part for part in base.parts if part.table not in ACCIDENTS]
    rest = [part for table in ACCIDENTS for part in _unreplayed(lake, base, made, table, replayed)]
    parts = sorted([*kept, *made.parts, *rest], key=lambda part: (part.table, part.name))
    return replace(made, counts=counts, parts=tuple(parts), replay_of=base.key)


def _unreplayed(lake: Lake, base: Manifest, made: Manifest, table: str, replayed: list[str]) -> list[PartFile]:
    """The accidents of `base` that were not replayed, as one part after those of the replay."""
    rows: Any = lake.read(base.key, table)
    rows = rows.filter(pc.invert(pc.is_in(rows["row_id"], value_set=pa.array(replayed, pa.string()))))
    if not len(rows):
        return []
    after = 1 + max(int(part.name[-13:-8]) for part in made.parts if part.table == "cost")
    name = part_name(table, made.key, after)
    temp = files.temporary(lake.root / name, made.key)
    write_table(temp, rows)
    part = describe(temp, table, name, len(rows))
    files.publish(temp, lake.root / name)
    return [part]
