"""Running one part: read its rows, run the stage, write its tables, then the receipt that makes the part done."""

from __future__ import annotations

import json
import shutil
import socket
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines import waves
from pipelines.lake import Lake, files, leases
from pipelines.lake.images import stage_pack
from pipelines.lake.parts import ARTIFACTS, PACKS, PartFile, describe, pack_name, part_name, write_table
from pipelines.runner.clock import CLOCK, Share
from pipelines.runner.meter import Meter, connected
from pipelines.runner.tally import UNFIT, Left, Tally, check_fit, check_rows, only_children, stable
from pipelines.stage import Context, Paths, StageCall
from schemas.arrow import table_of
from schemas.outcome import Counts, Expansion, Fail, LawBroken, Outcome, Row


@dataclass(frozen=True)
class PartTask:
    """One part of a stage: all that a process needs to run it. This, and never a row, is what a runner moves."""

    root: Path
    key: str
    call: StageCall
    index: int
    token: str
    attempt: int = 1
    children: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """In a replay: the failed children of each parent; a parent that is absent is replayed whole."""


@dataclass(frozen=True)
class Receipt:
    """A finished part: its files and counts. `transient` counts failures that a further attempt may mend."""

    index: int
    attempt: int
    counts: Counts
    transient: int
    files: tuple[PartFile, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "attempt": self.attempt,
            "counts": self.counts.as_dict(),
            "transient": self.transient,
            "files": [each.as_json() for each in self.files],
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> Receipt:
        found = tuple(PartFile(**each) for each in value["files"])
        return Receipt(value["index"], value["attempt"], Counts(**value["counts"]), value["transient"], found)


def receipt_path(work: Path, index: int) -> Path:
    return work / f"part-{index:05d}.json"


def ways_path(work: Path, index: int) -> Path:
    """How each id of a part left the stage: columns id, parent, way."""
    return work / f"ways-{index:05d}.parquet"


def read_receipts(work: Path) -> dict[int, Receipt]:
    """Finished parts of an unfinished stage, by index."""
    found = (Receipt.from_json(json.loads(path.read_text())) for path in sorted(work.glob("part-*.json")))
    return {receipt.index: receipt for receipt in found}


def run_part(task: PartTask) -> Receipt:
    """Run one part to its receipt. Raises `LeaseLost` when another process has taken the stage over."""
    lake = Lake(task.root)
    owner = (task.key, task.index)
    try:
        with CLOCK.share() as share:
            return _run(task, lake, owner, share)
    finally:
        lake.pictures.release(owner)


def _run(task: PartTask, lake: Lake, owner: object, share: Share) -> Receipt:
    call, stage = task.call, task.call.stage
    meter = Meter(connected(lake, call.worker)) if call.worker else None
    paths = Paths(
        lake=lake.root,
        scratch=lake.work(task.key) / "scratch",
        artifact=lake.root / ARTIFACTS / f".tmp-{task.key}",
        final=f"{ARTIFACTS}/key={task.key}",
    )
    new_context = partial(Context, lake, task.key, meter, paths, owner, Path(pack_name(task.key, task.index)).name)
    table = _input(lake.work(task.key), task.index)
    if stage.kind == "whole":
        shutil.rmtree(paths.artifact, ignore_errors=True)
        paths.artifact.mkdir(parents=True)
        paths.scratch.mkdir(parents=True, exist_ok=True)
        left = _run_whole(task, lake, table, new_context())
    elif stage.kind == "ask":
        left = _run_ask(task, table.to_pylist(), new_context, meter)
    else:
        left = [_run_row(task, row, new_context()) for row in table.to_pylist()]
    tally, tables = _tables(task, left)
    counts = tally.check()
    if "images" in tables:
        tables["images"] = _pictures_once(lake, call.inputs, tables["images"], set(lake.pictures.held(owner)))
    cost = {"stage": stage.name, "part": task.index, "host": socket.gethostname()}
    tables["cost"] = table_of("cost", [cost | {"seconds": share.seconds} | (meter.usage if meter else {})])
    written = _publish(task, lake, owner, tables, paths)
    receipt = Receipt(task.index, task.attempt, counts, tally.transient, tuple(written))
    work = lake.work(task.key)
    ways = pa.table(
        {
            "id": pa.array([way.row_id for way in tally.ways], pa.string()),
            "parent": pa.array([way.parent for way in tally.ways], pa.string()),
            "way": pa.array([way.way for way in tally.ways], pa.string()),
        }
    )
    temp = files.temporary(ways_path(work, task.index), task.key)
    write_table(temp, ways)
    temp.replace(ways_path(work, task.index))
    files.replace(receipt_path(work, task.index), json.dumps(receipt.as_json()).encode(), task.key)
    return receipt


def _input(work: Path, index: int) -> pa.Table:
    """The rows of one part: row group `index` of the stage's input."""
    opened = pq.ParquetFile(work / "input.parquet")
    return opened.read_row_group(index) if opened.num_row_groups else opened.read()


def _run_row(task: PartTask, row: Row, ctx: Context) -> Left:
    try:
        outcome = check_fit(task.call.stage, task.call.stage.run(row, task.call.parameters, ctx))
    except Exception as error:  # one bad row never costs its batch
        return _accident(task, row, error)
    return Left(row, _wanted(task, row, outcome), ctx.stored)


def _run_ask(task: PartTask, rows: list[Row], new_context: partial[Context], meter: Meter | None) -> list[Left]:
    stage, parameters = task.call.stage, task.call.parameters
    if meter is None:
        raise ValueError(f"stage {stage.name} asks a worker, but was called without one")
    contexts = [new_context() for _ in rows]
    errors: dict[int, Exception] = {}

    def checked(row: Row, ctx: Context) -> waves.Conversation:
        outcome = yield from stage.run(row, parameters, ctx)
        check_fit(stage, outcome)
        return outcome  # type: ignore[no-any-return]  # run is any callable

    def on_error(index: int, error: Exception) -> Outcome:
        errors[index] = error
        return Fail("exception", "")

    starts = [partial(checked, row, ctx) for row, ctx in zip(rows, contexts, strict=True)]
    outcomes = waves.drive(starts, meter, on_error, wave_rows=task.call.wave_rows, concurrency=task.call.concurrency)
    return [
        _accident(task, row, errors[index]) if index in errors else Left(row, outcome, contexts[index].stored)
        for index, (row, outcome) in enumerate(zip(rows, outcomes, strict=True))
    ]


def _run_whole(task: PartTask, lake: Lake, table: pa.Table, ctx: Context) -> list[Left]:
    stage = task.call.stage
    rows = {str(row[stage.id_column]): row for row in table.to_pylist()}
    outcomes: dict[str, Outcome] = {}
    tables = _WholeTables(table, lake.upstream(task.call.inputs))
    for row_id, outcome in stage.run(tables, task.call.parameters, ctx):
        if row_id not in rows or row_id in outcomes:
            problem = "left twice" if row_id in outcomes else "was never read"
            raise LawBroken(f"stage {stage.name}: row {row_id} {problem}")
        check_fit(stage, outcome)
        outcomes[row_id] = outcome
    missing = rows.keys() - outcomes.keys()
    if missing:
        raise LawBroken(f"stage {stage.name}: {len(missing)} of {len(rows)} rows never left, first {min(missing)}")
    left = [Left(row, outcomes[row_id]) for row_id, row in rows.items()]
    return [Left(left[0].row, left[0].outcome, ctx.stored), *left[1:]] if left else left


class _WholeTables(Mapping[str, pa.Table]):
    """`input` and the upstream tables, the latter read when asked for."""

    def __init__(self, table: pa.Table, upstream: Mapping[str, pa.Table]) -> None:
        self._input, self._upstream = table, upstream

    def __getitem__(self, name: str) -> pa.Table:
        return self._input if name == "input" else self._upstream[name]

    def __iter__(self) -> Iterator[str]:
        return iter(["input", *self._upstream])

    def __len__(self) -> int:
        return 1 + len(self._upstream)


def _accident(task: PartTask, row: Row, error: Exception) -> Left:
    fail = Fail(f"exception:{type(error).__name__}", stable(str(error), task.root))
    return Left(row, _wanted(task, row, fail), (), "".join(traceback.format_exception(error)))


def _wanted(task: PartTask, row: Row, outcome: Outcome | Expansion) -> Outcome | Expansion:
    wanted = task.children.get(str(row[task.call.stage.id_column]))
    return outcome if wanted is None else only_children(outcome, wanted)


def _tables(task: PartTask, left: list[Left]) -> tuple[Tally, dict[str, pa.Table]]:
    """Outcomes as tables. Only when some row fits no table is each looked at alone."""

    def fill(each: list[Left]) -> Tally:
        tally = Tally(task.call.stage, task.attempt)
        for one in each:
            tally.take(one)
        return tally

    tally = fill(left)
    try:
        return tally, tally.tables()
    except UNFIT:
        tally = fill([check_rows(task.call.stage, one) for one in left])
        return tally, tally.tables()


@lru_cache(maxsize=4)
def _known_pictures(lake: Lake, inputs: tuple[str, ...]) -> frozenset[str]:
    """Ids of the pictures that upstream stages have packed; a stage packs none of them again."""
    ids: set[str] = set()
    for key in lake.ancestry(inputs):
        found = lake.find(key)
        for part in found.files(PACKS) if found else []:
            ids.update(lake.pictures.ids_in(lake.root / part.name))
    return frozenset(ids)


def _pictures_once(lake: Lake, inputs: tuple[str, ...], images: pa.Table, held: set[str]) -> pa.Table:
    """Rows of table `images`, each picture once: of those stored here that are new to the lake, and all handed on."""
    known = _known_pictures(lake, inputs)
    seen: set[str] = set()
    fresh: list[int] = []
    for index, image in enumerate(images["image_id"].to_pylist()):
        if image not in seen and (image not in held or image not in known):
            seen.add(image)
            fresh.append(index)
    return images.take(pa.array(fresh, pa.int64()))


def _publish(task: PartTask, lake: Lake, owner: object, tables: Mapping[str, pa.Table], paths: Paths) -> list[PartFile]:
    """Write all files under temporary names; once the lease is found to be ours still, give them their final ones."""
    staged: list[tuple[Path, PartFile]] = []
    for name in sorted(tables):
        if not len(tables[name]):
            continue
        target = part_name(name, task.key, task.index)
        temp = files.temporary(lake.root / target, task.key)
        write_table(temp, tables[name])
        staged.append((temp, describe(temp, name, target, len(tables[name]))))
    if "images" in tables:
        held = lake.pictures.held(owner)
        target = pack_name(task.key, task.index)
        ids = [image for image in tables["images"]["image_id"].to_pylist() if image in held]
        if ids:
            temp, rows = stage_pack(lake.root, target, (held[image] for image in ids), task.key)
            staged.append((temp, describe(temp, PACKS, target, rows)))
    leases.check_token(lake.root, task.key, task.token)
    for temp, part in staged:
        files.publish(temp, lake.root / part.name)
    written = [part for _, part in staged]
    if paths.artifact.exists():
        written += _publish_artifact(lake, paths)
    return written


def _publish_artifact(lake: Lake, paths: Paths) -> list[PartFile]:
    if not any(paths.artifact.iterdir()):
        paths.artifact.rmdir()
        return []
    final = lake.root / paths.final
    shutil.rmtree(final, ignore_errors=True)
    paths.artifact.rename(final)
    found = sorted(path for path in final.rglob("*") if path.is_file())
    return [describe(path, ARTIFACTS, str(path.relative_to(lake.root)), 0) for path in found]
