from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from pipelines.lake import Lake, files, leases, runs
from pipelines.lake.catalog import build_catalog
from pipelines.lake.gc import collect
from pipelines.runner import run_stage
from tests.pipelines.toy import MAKE, call, record


def test_a_run_is_readable_at_every_moment(tmp_path: Path) -> None:
    run = runs.start_run(tmp_path, "my recipe/2", "abc")
    run.plan("r1/make", round=1, stage="make", key="k1")
    run.plan("r1/look", round=1, stage="look", key="k2")
    with run.working("r1/make", "k1"):
        assert runs.load_run(tmp_path, run.run_id).nodes["r1/make"].status == "running"
    with pytest.raises(ValueError, match="no"), run.working("r1/look", "k2"):
        raise ValueError("no")
    seen = runs.load_run(tmp_path, run.run_id)
    assert [(node.status, node.error) for node in seen.nodes.values()] == [("ran", None), ("failed", "ValueError: no")]
    assert runs.newest(tmp_path, "my recipe/2") is None
    run.finish("complete")
    newest = runs.newest(tmp_path, "my recipe/2")
    assert newest is not None
    assert newest.run_id == run.run_id
    assert runs.refs(tmp_path) == {"my recipe/2": run.run_id}


def test_a_failed_run_does_not_become_the_ref(tmp_path: Path) -> None:
    good, bad = runs.start_run(tmp_path, "toy", "abc"), runs.start_run(tmp_path, "toy", "abc")
    good.finish("complete")
    bad.finish("failed")
    assert runs.refs(tmp_path) == {"toy": good.run_id}
    assert {run.run_id for run in runs.list_runs(tmp_path)} == {good.run_id, bad.run_id}
    assert [run.status for run in runs.list_runs(tmp_path) if run.run_id == bad.run_id] == ["failed"]


def test_a_partial_run_is_kept_and_leaves_the_ref(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    whole, part = run_stage(lake, call(MAKE, count=1)), run_stage(lake, call(MAKE, count=2))
    good = record(lake, "toy", [("make", 1, whole.key)])
    record(lake, "toy", [("make", 1, part.key)], "partial")
    assert runs.refs(tmp_path) == {"toy": good.run_id}
    collect(lake, 1)
    assert set(lake.keys()) == {whole.key, part.key}
    with duckdb.connect(str(build_catalog(lake)), read_only=True) as catalog:
        assert catalog.execute("SELECT DISTINCT stage_key FROM samples").fetchall() == [(whole.key,)]
        assert len(catalog.execute("SELECT DISTINCT stage_key FROM all_samples").fetchall()) == 2


def test_half_written_files_of_a_killed_writer_are_never_read(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    made = run_stage(lake, call(MAKE, count=1))
    record(lake, "toy", [("make", 1, made.key)])
    for folder in ("_runs", "_refs", "_manifests", "_leases"):
        debris = files.temporary(tmp_path / folder / "x.json", "file")
        debris.write_text('{"half')
        os.utime(debris, (0, 0))
    assert lake.keys() == [made.key]
    assert len(runs.list_runs(tmp_path)) == len(runs.refs(tmp_path)) == 1
    assert leases.live_keys(tmp_path) == set()
    assert len(collect(lake, 1)) == 4
