"""Running a stage: lease, input, parts, the law, the manifest."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.lake import Lake, files, leases, tables
from pipelines.lake import manifest as manifests
from pipelines.lake.manifest import Manifest
from pipelines.lake.parts import ARTIFACTS, read_parts
from pipelines.runner.inputs import materialise
from pipelines.runner.move import Runner, in_process
from pipelines.runner.part import PartTask, Receipt, read_receipts, receipt_path, ways_path
from pipelines.stage import StageCall
from schemas.outcome import Counts, LawBroken, check_law

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Progress:
    """How far a stage is: finished parts and rows, of how many."""

    stage: str
    key: str
    parts: int
    parts_done: int
    rows: int
    rows_done: int


class TooManyFailures(RuntimeError):
    """A stage failed on a larger share of its rows than the recipe allows; it has no manifest."""

    def __init__(self, stage: str, counts: Counts, max_failed: float, examples: Sequence[str]) -> None:
        self.stage, self.counts = stage, counts
        failed, of = max(
            (counts.failed, counts.read),
            (counts.children_failed, counts.children),
            key=lambda pair: pair[0] / max(pair[1], 1),
        )
        super().__init__(
            f"stage {stage}: {failed} of {of} rows failed ({failed / max(of, 1):.1%}; allowed {max_failed:.1%})."
            f" Most frequent: {'; '.join(examples)}."
            " Run again to retry them once the cause is mended, or raise max_failed to go on without them."
        )


def run_stage(
    lake: Lake,
    call: StageCall,
    *,
    runner: Runner = in_process,
    progress: Callable[[Progress], None] | None = None,
) -> Manifest:
    """Run a stage to its manifest, or return the manifest that stands.

    An interrupted stage goes on from its finished parts. While another process works on the same key, this one waits
    and adopts what that one commits. Raises `TooManyFailures`, `schemas.outcome.LawBroken`, `inputs.BadInput`,
    `pipelines.lake.NotDone` for an unfinished upstream stage and `pipelines.lake.Damaged` for a broken one.
    """
    return run_key(lake, call, call.key, runner=runner, progress=progress)


def run_key(
    lake: Lake,
    call: StageCall,
    key: str,
    *,
    runner: Runner,
    progress: Callable[[Progress], None] | None,
    only: list[str] | None = None,
    children: Mapping[str, frozenset[str]] | None = None,
    finish: Callable[[Manifest], Manifest] = lambda manifest: manifest,
) -> Manifest:
    """`run_stage` under a given key and, for replays, on some rows only; `finish` has the last word on the manifest."""
    while True:
        standing = lake.find(key)
        if standing:
            return lake.check_sizes(standing)
        lease = leases.try_acquire(lake.root, key, call.inputs)
        if lease is None:
            time.sleep(POLL_SECONDS)
            continue
        with lease:
            standing = lake.find(key)
            if standing:
                return lake.check_sizes(standing)
            layout = materialise(lake, call, key, only)
            call = replace(call, part_rows=layout["part_rows"], wave_rows=layout["wave_rows"])
            _run_parts(lake, call, key, layout, lease.token, runner, progress, children or {})
            receipts = read_receipts(lake.work(key))
            manifest = finish(_manifest(lake, call, key, layout, receipts))
            lake.check_sizes(manifest)
            leases.check_token(lake.root, key, lease.token)
            committed = manifests.commit(lake.root, manifest)
            clean(lake, committed)
            return committed


def _run_parts(
    lake: Lake,
    call: StageCall,
    key: str,
    layout: Mapping[str, int],
    token: str,
    runner: Runner,
    progress: Callable[[Progress], None] | None,
    children: Mapping[str, frozenset[str]],
) -> None:
    """Run every part that has no receipt, and again each whose failures a further attempt may mend."""
    work = lake.work(key)
    done = read_receipts(work)
    again = [receipt for receipt in done.values() if receipt.transient]
    if len(done) == layout["parts"] and not again and _too_many(_total(done), call.max_failed):
        again = [receipt for receipt in done.values() if receipt.counts.failed or receipt.counts.children_failed]
    for receipt in again:
        receipt_path(work, receipt.index).unlink()
    attempts = {receipt.index: receipt.attempt + 1 for receipt in again}
    fresh = [index for index in range(layout["parts"]) if index not in done]
    tasks = [
        PartTask(lake.root, key, call, index, token, attempts.get(index, 1), children)
        for index in [*sorted(attempts), *fresh]
    ]
    if tasks:
        with _watch(lake, call, key, layout, progress):
            runner(tasks)


def _manifest(
    lake: Lake, call: StageCall, key: str, layout: Mapping[str, int], receipts: dict[int, Receipt]
) -> Manifest:
    """The manifest of a stage whose parts are all done. Raises `LawBroken` or `TooManyFailures`."""
    missing = set(range(layout["parts"])) - receipts.keys()
    if missing:
        raise LawBroken(f"stage {call.stage.name}: the runner ended, but part {min(missing)} has no receipt")
    counts = _total(receipts)
    _check_ids(lake.work(key), call.stage.name, call.stage.id_column, counts, layout["rows"])
    if _too_many(counts, call.max_failed):
        raise TooManyFailures(call.stage.name, counts, call.max_failed, _examples(lake, receipts))
    found = tuple(part for index in sorted(receipts) for part in receipts[index].files)
    return Manifest(
        key=key,
        stage=call.stage.name,
        version=call.stage.version,
        parameters=call.parameters.model_dump(mode="json"),
        inputs=call.inputs,
        worker=call.worker.identity.as_json() if call.worker else None,
        pinned=call.worker.identity.pinned if call.worker else True,
        versions=dict(call.versions),
        layout={"part_rows": layout["part_rows"], "wave_rows": layout["wave_rows"]},
        counts=counts,
        parts=tuple(sorted(found, key=lambda part: (part.table, part.name))),
    )


def _total(receipts: Mapping[int, Receipt]) -> Counts:
    return sum((receipts[index].counts for index in sorted(receipts)), Counts())


def _too_many(counts: Counts, max_failed: float) -> bool:
    return counts.failed > max_failed * counts.read or counts.children_failed > max_failed * counts.children


def _examples(lake: Lake, receipts: Mapping[int, Receipt]) -> list[str]:
    """The most frequent kinds of failure, each with its first message."""
    paths = [lake.root / part.name for each in receipts.values() for part in each.files if part.table == "failures"]
    messages: dict[str, list[str]] = {}
    for row in read_parts(paths, "failures").to_pylist():
        messages.setdefault(row["kind"], []).append(row["message"])
    frequent = sorted(messages.items(), key=lambda item: (-len(item[1]), item[0]))
    return [f"{len(found)} × {kind}: {min(found)}" for kind, found in frequent[:3]]


def _check_ids(work: Path, stage: str, id_column: str, counts: Counts, rows: int) -> None:
    """The law over the whole stage, on distinct ids: every input row left once, every child in one part only."""
    check_law(stage, counts)
    if counts.read != rows:
        raise LawBroken(f"stage {stage}: the input has {rows} rows, but {counts.read} left")
    if not rows:
        return
    opened = pq.ParquetFile(work / "input.parquet")
    for index in range(opened.num_row_groups):  # part by part: the input's ids are distinct
        ways = pq.read_table(ways_path(work, index), columns=["id", "parent"])
        left = ways.filter(pc.is_null(ways["parent"]))["id"]
        read = opened.read_row_group(index, columns=[id_column])[id_column].cast(pa.string())
        lost = read.filter(pc.invert(pc.is_in(read, value_set=left)))
        if len(lost):
            raise LawBroken(f"stage {stage}: row {lost[0]} never left")
        if len(left) > len(read):
            raise LawBroken(f"stage {stage}: a row left twice in part {index}")
    if counts.children:
        every = f"(SELECT id FROM {tables.scan(sorted(work.glob('ways-*')))} WHERE parent IS NOT NULL)"
        several = f"SELECT hash(id) AS name FROM {every} GROUP BY name HAVING count(*) > 1"
        again = (
            f"SELECT id FROM {every} WHERE hash(id) IN ({several}) GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT 1"
        )
        for (child,) in tables.frugal(duckdb.connect, work, lambda connection: connection.execute(again).fetchall()):
            raise LawBroken(f"stage {stage}: child {child} left twice")


def clean(lake: Lake, manifest: Manifest) -> None:
    """Remove what a committed stage no longer needs: its work folder, debris of dead writers, unlisted parts."""
    key = manifest.key
    listed = {part.name for part in manifest.parts}
    folders = {lake.root / "images", lake.root / "_manifests", lake.root / "_leases", *lake.root.glob(f"*/key={key}")}
    files.sweep(folders, key)
    for path in [*lake.root.glob(f"*/key={key}/part-*.parquet"), *lake.root.glob(f"images/pack-{key}-*.parquet")]:
        if str(path.relative_to(lake.root)) not in listed:
            path.unlink()
    shutil.rmtree(lake.root / ARTIFACTS / f".tmp-{key}", ignore_errors=True)
    shutil.rmtree(lake.work(key), ignore_errors=True)


@contextmanager
def _watch(
    lake: Lake, call: StageCall, key: str, layout: Mapping[str, int], progress: Callable[[Progress], None] | None
) -> Iterator[None]:
    """Report progress from the receipts, whatever process writes them."""
    if progress is None:
        yield
        return
    ended = threading.Event()

    def report() -> None:
        rows, parts = layout["rows"], layout["parts"]
        done = len(list(lake.work(key).glob("part-*.json")))
        progress(Progress(call.stage.name, key, parts, done, rows, min(done * layout["part_rows"], rows)))

    def watch() -> None:
        while not ended.wait(POLL_SECONDS):
            report()

    thread = threading.Thread(target=watch, name=f"progress-{key[:8]}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        report()
