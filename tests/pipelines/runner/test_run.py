from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.lake import Lake, NotDone
from pipelines.runner import BadInput, Progress, TooManyFailures, run_stage
from pipelines.runner.part import read_receipts
from pipelines.stage import Stage
from schemas.outcome import Child, Drop, Expansion, Fail, Keep, LawBroken
from tests.pipelines import toy
from tests.pipelines.toy import CHOOSE, IDENTITY, LOOK, MAKE, TALK, P, call, data, debris


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_all_four_kinds_run_to_manifests(lake: Lake) -> None:
    made = run_stage(lake, call(MAKE, count=5))
    assert (made.counts.read, made.counts.expanded) == (5, 5)
    assert (made.counts.children, made.counts.children_kept, made.counts.children_rejected) == (10, 5, 5)
    looked = run_stage(lake, call(LOOK, made.key))
    assert (looked.counts.read, looked.counts.kept, looked.counts.rejected) == (5, 2, 3)
    talked = run_stage(lake, call(TALK, made.key, worker=toy.waves))
    assert lake.read(talked.key, "rollouts")["text"].to_pylist()[0].startswith("<<")
    chosen = run_stage(lake, call(CHOOSE, made.key))
    assert (chosen.counts.kept, chosen.counts.rejected) == (3, 2)
    assert len((lake.artifact(chosen.key) / "chosen.txt").read_text().split()) == 3
    assert not debris(lake)
    for key in (made.key, looked.key, talked.key, chosen.key):
        lake.verify(key)


def test_a_finished_stage_is_returned_at_once(lake: Lake) -> None:
    first = run_stage(lake, call(MAKE))
    assert run_stage(lake, call(MAKE, part_rows=100)) == first


@settings(max_examples=6)
@given(part_rows=st.integers(1, 12), count=st.integers(0, 12))
def test_part_sizes_change_no_row(tmp_path_factory: pytest.TempPathFactory, part_rows: int, count: int) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    usual = Lake(tmp_path_factory.mktemp("lake"))
    made = run_stage(lake, call(MAKE, count=count, bad=(1,), part_rows=part_rows, max_failed=1.0))
    same = run_stage(usual, call(MAKE, count=count, bad=(1,), part_rows=5, max_failed=1.0))
    assert made.key == same.key
    assert made.counts == same.counts
    for table in ("samples", "rejects", "failures", "lineage"):
        assert lake.read(made.key, table).equals(usual.read(same.key, table)), table
    images, others = lake.read(made.key, "images").to_pylist(), usual.read(same.key, "images").to_pylist()
    assert [{**row, "pack": ""} for row in images] == [{**row, "pack": ""} for row in others]


def test_one_bad_row_costs_only_itself(lake: Lake) -> None:
    made = run_stage(lake, call(MAKE, count=6, bad=(4,)))
    (failure,) = lake.read(made.key, "failures").to_pylist()
    assert failure["row_id"] == "seed-0004"
    assert failure["kind"] == "exception:ValueError"
    assert failure["message"] == "number 4 at <object object at 0x…>"
    assert json.loads(failure["payload"]) == {"seed_id": "seed-0004", "number": 4}
    (detail,) = lake.read(made.key, "failures_detail").to_pylist()
    assert "raise ValueError" in detail["traceback"]
    assert made.rows("samples") == 5
    looked = run_stage(lake, call(LOOK, made.key, bad=(1, 3)))
    assert looked.counts.failed == 2
    talked = run_stage(lake, call(TALK, made.key, worker=toy.waves, bad=(0, 5)))
    assert (talked.counts.kept, talked.counts.failed) == (3, 2)


@pytest.mark.parametrize(
    "bad", [{"sample_id": 3}, {"nonsense": "x"}, {"actions": 10**30}, {"actions": "many"}, {"sample_id": "\udcff"}, 7]
)
def test_a_row_that_fits_no_table_costs_only_itself(lake: Lake, bad: object) -> None:
    def run(row: dict[str, object], p: P, ctx: object) -> Keep:
        return Keep(bad if row["number"] == 1 else {"sample_id": "fine"})

    stage = Stage("fit", 1, "map", P, "seed_id", "checks", run, source=toy.numbers)
    made = run_stage(lake, call(stage, count=4))
    assert (made.counts.kept, made.counts.failed) == (3, 1)
    assert lake.read(made.key, "failures")["row_id"].to_pylist() == ["seed-0001"]


@pytest.mark.parametrize("wrong", [None, {"sample_id": "x"}, Keep({}, {"traces": []}), Expansion([])])
def test_what_a_stage_may_not_return_is_that_rows_failure(lake: Lake, wrong: object) -> None:
    stage = Stage("wrong", 1, "map", P, "seed_id", "checks", lambda row, p, ctx: wrong, source=toy.numbers)
    with pytest.raises(TooManyFailures, match=r"3 of 3 rows failed \(100.0%; allowed 50.0%\)"):
        run_stage(lake, call(stage, count=3))


def test_a_repeated_input_id_names_stage_and_id(lake: Lake) -> None:
    twice = [{"seed_id": "a", "number": 1}, {"seed_id": "b", "number": 1}, {"seed_id": "a", "number": 2}]
    stage = Stage("twice", 1, "expand", P, "seed_id", "samples", toy.make, source=lambda p: twice)
    with pytest.raises(BadInput, match="stage twice: seed_id a comes twice"):
        run_stage(lake, call(stage))


def test_a_repeated_child_id_breaks_the_law_also_across_parts(lake: Lake) -> None:
    def run(row: dict[str, object], p: P, ctx: object) -> Expansion:
        return Expansion([Child(f"child-{int(str(row['number'])) // p.count}", Drop("x"))])

    stage = Stage("siblings", 1, "expand", P, "seed_id", "samples", run, source=toy.numbers)
    for part_rows in (1, 5):
        with pytest.raises(LawBroken, match="child child-0 left twice"):
            run_stage(lake, call(stage, count=3, part_rows=part_rows))
        assert not lake.keys()


@pytest.mark.parametrize("ids", [["seed-0000"], ["seed-0000", "seed-0001", "seed-0001"], ["seed-0000", "other"]])
def test_a_whole_stage_that_loses_or_invents_rows_breaks_the_law(lake: Lake, ids: list[str]) -> None:
    stage = Stage(
        "whole", 1, "whole", P, "seed_id", "curated", lambda t, p, ctx: [(i, Keep({})) for i in ids], source=toy.numbers
    )
    with pytest.raises(LawBroken, match="stage whole"):
        run_stage(lake, call(stage, count=2))
    assert not lake.keys()


def test_above_max_failed_there_is_no_manifest_and_running_again_retries(lake: Lake) -> None:
    mended: list[bool] = []

    def run(row: dict[str, object], p: P, ctx: object) -> Keep | Fail:
        if row["number"] == 1 and not mended:
            raise OSError("disk full")
        return Keep({"sample_id": str(row["seed_id"])})

    stage = Stage("retry", 1, "map", P, "seed_id", "checks", run, source=toy.numbers)
    with pytest.raises(TooManyFailures, match="exception:OSError: disk full"):
        run_stage(lake, call(stage, max_failed=0.01))
    assert not lake.keys()
    mended.append(True)
    assert run_stage(lake, call(stage, max_failed=0.01)).counts.kept == 10


def test_max_failed_may_be_raised_without_running_anything_again(lake: Lake) -> None:
    runs: list[object] = []

    def run(row: dict[str, object], p: P, ctx: object) -> Fail:
        runs.append(row)
        return Fail("hopeless", "always")

    stage = Stage("hopeless", 1, "map", P, "seed_id", "checks", run, source=toy.numbers)
    with pytest.raises(TooManyFailures):
        run_stage(lake, call(stage, max_failed=0.01))
    assert run_stage(lake, call(stage, max_failed=1.0)).counts.failed == 10
    assert len(runs) == 10


def test_transient_failures_are_retried_first_and_only_their_parts(lake: Lake, tmp_path: Path) -> None:
    flaky = tmp_path / "server-is-up"
    broken = call(MAKE, count=9, flaky=str(flaky), max_failed=0.01)
    with pytest.raises(TooManyFailures):
        run_stage(lake, broken)
    before = {index: receipt.attempt for index, receipt in read_receipts(lake.work(broken.key)).items()}
    assert before == {0: 1, 1: 1, 2: 1}
    flaky.touch()
    told: list[Progress] = []
    made = run_stage(lake, broken, progress=told.append)
    assert made.counts.expanded == 9
    assert not made.rows("failures")
    assert not list(lake.root.glob("failures/**/*.parquet")), "what the first attempt left is gone"
    assert told[-1].parts_done == told[-1].parts == 3
    assert told[-1].rows_done == 9


def test_unfinished_upstream_is_named(lake: Lake) -> None:
    with pytest.raises(NotDone, match="is not finished"):
        run_stage(lake, call(LOOK, "0" * 32))


def test_resumed_stage_is_byte_identical_and_repeats_no_finished_part(lake: Lake, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    fresh = Lake(tmp_path / "fresh")
    whole = run_stage(fresh, call(MAKE))
    done: list[int] = []

    def dies_after_two(tasks: object) -> None:
        from pipelines.runner.part import run_part

        for task in tasks:
            if len(done) == 2:
                raise Killed
            done.append(run_part(task).index)

    with pytest.raises(Killed):
        run_stage(lake, call(MAKE), runner=dies_after_two)
    seen: list[int] = []
    resumed = run_stage(lake, call(MAKE, part_rows=99), runner=lambda tasks: seen.extend(_run_all(tasks)))
    assert seen == [2, 3], "the cut of the first attempt stands, and its finished parts too"
    assert data(lake, resumed) == data(fresh, whole)


def test_a_resumed_stage_leaves_nothing_of_its_first_attempt(lake: Lake, tmp_path: Path) -> None:
    """Killed in the middle of part 2, then run again: the folder holds what an uninterrupted one holds, and no more."""

    class Killed(BaseException):
        pass

    alive: list[bool] = []

    def run(row: dict[str, object], p: P, ctx: object) -> Expansion:
        if row["number"] == 7 and not alive:
            raise Killed
        return toy.make(row, p, ctx)

    stage = Stage("make", 1, "expand", P, "seed_id", "samples", run, source=toy.numbers)
    with pytest.raises(Killed):
        run_stage(lake, call(stage))
    assert not lake.keys()
    alive.append(True)
    resumed = run_stage(lake, call(stage))
    fresh = Lake(tmp_path / "fresh")
    whole = run_stage(fresh, call(stage))
    assert data(lake, resumed) == data(fresh, whole)
    assert _files(lake) == _files(fresh)


def _files(lake: Lake) -> set[str]:
    return {path.relative_to(lake.root).as_posix() for path in lake.root.rglob("*")}


def _run_all(tasks: object) -> list[int]:
    from pipelines.runner.part import run_part

    return [run_part(task).index for task in tasks]


def test_a_worker_that_is_another_is_refused(lake: Lake) -> None:
    made = run_stage(lake, call(MAKE, count=1))
    wrong = call(TALK, made.key, worker=lambda load: toy.Echo(True))
    other = type(IDENTITY)("toy", "other", "1")
    with pytest.raises(ValueError, match="planned for"):
        run_stage(lake, wrong.__class__(TALK, P(), (made.key,), type(wrong.worker)(other, toy.waves)))


def test_servers_and_waves_give_the_same_tables(lake: Lake, tmp_path: Path) -> None:
    other = Lake(tmp_path / "other")
    results = []
    for each, worker in ((lake, toy.waves), (other, toy.server)):
        made = run_stage(each, call(MAKE, count=7))
        talked = run_stage(each, call(TALK, made.key, worker=worker))
        results.append((data(each, talked), each.read(talked.key, "cost")["requests"].to_pylist()))
    assert results[0] == results[1]
    assert results[0][1] == [9, 9, 3]


def test_pictures_known_upstream_are_not_packed_again(lake: Lake) -> None:
    def again(row: dict[str, object], p: P, ctx: object) -> Keep:
        for number in (0, 500, 500):
            ctx.store(toy.paint(number), origin="tool", license="CC0-1.0")
        return Keep({"sample_id": str(row["sample_id"])})

    made = run_stage(lake, call(MAKE, count=2))
    stage = Stage("again", 1, "map", P, "sample_id", "checks", again, sql="SELECT * FROM samples")
    stored = run_stage(lake, call(stage, made.key))
    assert (stored.rows("images"), stored.rows("packs")) == (1, 1)


def test_sql_binds_parameters_and_sees_empty_tables(lake: Lake) -> None:
    made = run_stage(lake, call(MAKE, count=5))
    sql = "SELECT * FROM samples WHERE answer::INT < $count AND sample_id NOT IN (SELECT sample_id FROM curated)"
    stage = Stage("few", 1, "map", P, "sample_id", "checks", toy.look, sql=sql)
    assert run_stage(lake, call(stage, made.key, count=2)).counts.read == 2
