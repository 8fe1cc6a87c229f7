from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.lake import Lake
from pipelines.runner import replay, run_stage
from pipelines.stage import Stage
from schemas.outcome import Child, Expansion, Fail, Keep
from tests.pipelines import toy
from tests.pipelines.toy import CHOOSE, MAKE, P, call, data, debris


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


MENDED: list[str] = []


def children(row: dict[str, object], p: P, ctx: object) -> Expansion:
    """Three children each; the middle one of an odd parent fails until it is mended."""
    number = int(str(row["number"]))
    name = f"child-{number}"
    middle = Fail("broken", "glass") if number % 2 and name not in MENDED else Keep({"trace_id": f"{name}/1"})
    return Expansion(
        [
            Child(f"{name}/0", Keep({"trace_id": f"{name}/0"})),
            Child(f"{name}/1", middle),
            Child(f"{name}/2", Keep({"trace_id": f"{name}/2"})),
        ]
    )


FAMILY = Stage("family", 1, "expand", P, "seed_id", "checks", children, source=toy.numbers)


def test_replay_runs_only_failures_and_its_manifest_holds_both(lake: Lake, tmp_path: Path) -> None:
    up = tmp_path / "up"
    first = call(MAKE, count=7, bad=(5,), flaky=str(up))
    made = run_stage(lake, first)
    assert (made.counts.failed, made.counts.expanded) == (2, 5)
    up.touch()
    again = replay(lake, first)
    assert (again.counts.read, again.counts.failed, again.counts.expanded) == (7, 1, 6)
    assert (again.counts.children, again.counts.children_kept) == (12, 6)
    assert again.key != made.key
    assert again.replay_of == made.key
    assert lake.resolve(made.key) == again.key
    with lake.connect([again.key]) as connection:
        assert connection.sql("SELECT count(*), count(DISTINCT sample_id) FROM samples").fetchall() == [(6, 6)]
        assert connection.sql("SELECT row_id FROM failures").fetchall() == [("seed-0005",)]
    assert lake.verify(made.key).rows("samples") == 5, "the original stands as it was"
    looked = run_stage(lake, call(toy.LOOK, again.key))
    assert looked.counts.read == 6
    assert not debris(lake)


def test_replay_of_chosen_ids_leaves_the_other_failures(lake: Lake) -> None:
    first = call(MAKE, count=6, bad=(1, 4))
    run_stage(lake, first)
    again = replay(lake, first, ["seed-0001"])
    assert again.counts.failed == 2
    assert sorted(lake.read(again.key, "failures")["row_id"].to_pylist()) == ["seed-0001", "seed-0004"]
    assert data(lake, replay(Lake(lake.root), first, ["seed-0001"])).keys() != data(lake, again).keys()


def test_a_failed_child_is_made_again_without_its_siblings(lake: Lake) -> None:
    MENDED.clear()
    first = call(FAMILY, count=4)
    made = run_stage(lake, first)
    assert (made.counts.children, made.counts.children_kept, made.counts.children_failed) == (12, 10, 2)
    MENDED.append("child-1")
    again = replay(lake, first)
    assert (again.counts.expanded, again.counts.children, again.counts.children_kept) == (4, 12, 11)
    assert again.counts.children_failed == 1
    traces = lake.read(again.key, "checks")["trace_id"].to_pylist()
    assert len(traces) == len(set(traces)) == 11
    MENDED.append("child-3")
    assert replay(lake, first).counts.children_failed == 0
    assert replay(lake, first).key == lake.resolve(made.key), "nothing is left to replay"


def test_a_whole_stage_cannot_be_replayed(lake: Lake) -> None:
    made = run_stage(lake, call(MAKE, count=2))
    chosen = call(CHOOSE, made.key)
    run_stage(lake, chosen)
    with pytest.raises(ValueError, match="works on all rows at once"):
        replay(lake, chosen)
