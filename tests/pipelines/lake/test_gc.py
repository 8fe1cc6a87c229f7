from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.lake import Lake, leases, runs
from pipelines.lake.gc import collect
from pipelines.runner import replay, run_stage
from tests.pipelines.toy import CHOOSE, LOOK, MAKE, call, record


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_gc_keeps_what_runs_refs_leases_and_ancestry_reach(lake: Lake) -> None:
    old = run_stage(lake, call(MAKE, count=3))
    made = run_stage(lake, call(MAKE, count=5))
    looked = run_stage(lake, call(LOOK, made.key))
    loose = run_stage(lake, call(MAKE, count=7))
    chosen = run_stage(lake, call(CHOOSE, old.key))
    record(lake, "toy", [("make", 1, old.key)])
    record(lake, "toy", [("look", 1, looked.key)])  # `made` is reached as its input only
    lease = leases.try_acquire(lake.root, "f" * 32, [loose.key])
    assert lease is not None
    with lease:
        planned = collect(lake, 1, dry_run=True)
        assert set(lake.keys()) == {old.key, made.key, looked.key, loose.key, chosen.key}
        assert collect(lake, 1) == planned
        assert all(size > 0 for _, size in planned)
        assert set(lake.keys()) == {made.key, looked.key, loose.key}
    for key in (made.key, looked.key, loose.key):
        lake.verify(key)
    assert not list(lake.root.glob(f"**/*{old.key}*"))
    assert not list(lake.root.glob(f"**/*{chosen.key}*"))
    collect(lake, 1)
    assert set(lake.keys()) == {made.key, looked.key}
    assert lake.image(lake.read(made.key, "images")["image_id"][0].as_py()).size == (6, 4)


def test_gc_spares_the_parts_that_a_kept_replay_lists(lake: Lake, tmp_path: Path) -> None:
    up = tmp_path / "up"
    first = call(MAKE, count=5, flaky=str(up))
    made = run_stage(lake, first)
    up.touch()
    again = replay(lake, first)
    record(lake, "toy", [("make", 1, again.key)])
    assert collect(lake, 1) == []
    assert lake.verify(again.key).rows("samples") == 5
    assert lake.resolve(made.key) == again.key


def test_gc_spares_a_run_that_is_being_made(lake: Lake) -> None:
    """Between two of its stages a run holds no lease, and newer runs may have pushed it out of the newest."""
    made, other = run_stage(lake, call(MAKE, count=3)), run_stage(lake, call(MAKE, count=5))
    run = runs.start_run(lake.root, "toy", "hash")
    run.plan("make", round=1, stage="make", key=made.key)
    record(lake, "toy", [("make", 1, other.key)])
    assert collect(lake, 0) == []
    path = lake.root / "_runs" / f"{run.run_id}.json"
    run.host = "elsewhere"  # its process cannot be seen: it counts as live for a week
    run.plan("make", round=1, stage="make", key=made.key)
    assert collect(lake, 0) == []
    os.utime(path, (0, 0))
    assert not runs.is_live(run)
    run.host, run.pid = leases.this_process()[0], 2**22 + 1  # larger than any process id
    run.plan("make", round=1, stage="make", key=made.key)
    collect(lake, 0)
    assert not path.exists()
    assert lake.keys() == [other.key]
