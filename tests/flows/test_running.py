"""Records of runs: what moves the ref, and what a killed run leaves is mended."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from flows import run_round
from flows.cards.write import card_path
from flows.console import Progress, peak_memory
from flows.plan import Plan
from flows.running import begin, finish, mend, open_plan, replay_stage, run_named
from pipelines.lake import runs
from pipelines.lake.catalog import NAME, build_catalog
from tests.flows import rounds


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return open_plan(str(rounds.write_recipe(tmp_path)), tmp_path / "lake", None, {})


def test_a_stage_alone_is_a_partial_run_that_only_all_tables_show(plan: Plan) -> None:
    assert [node.name for node in run_named(plan, ["banks"])] == ["banks"]
    assert [run.status for run in runs.list_runs(plan.lake.root)] == ["partial"]
    assert runs.refs(plan.lake.root) == {}
    with duckdb.connect(str(plan.lake.root / NAME), read_only=True) as catalog:
        assert catalog.execute("SELECT (SELECT count(*) FROM banks), (SELECT count(*) FROM all_banks)").fetchone() == (
            0,
            10,
        )
    run_named(plan, ["banks"])
    assert len(runs.list_runs(plan.lake.root)) == 1  # nothing was made, so nothing was recorded


def test_a_replay_is_recorded_so_that_queries_see_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "metadata.jsonl").write_text('{"file_name": "gone.png", "caption": "Nothing."}\n')
    settings = {"sources.0.path": str(source), "execution.max_failed": 1.0}
    plan = open_plan(str(rounds.write_recipe(tmp_path)), tmp_path / "lake", None, settings)
    run_named(plan, ["ingest"])
    made = replay_stage(plan, "ingest")
    assert made.made
    assert made.as_json()["failures"][0]["kind"] == "missing_file"
    assert [run.status for run in runs.list_runs(plan.lake.root)] == ["partial", "partial"]
    with duckdb.connect(str(plan.lake.root / NAME), read_only=True) as catalog:
        keys = catalog.execute("SELECT stage_key FROM all_failures ORDER BY run_id").fetchall()
    assert keys == [(plan.nodes["ingest"].key,), (made.manifest.key,)]


def test_a_stage_that_raises_ends_its_run_as_failed(plan: Plan, tmp_path: Path) -> None:
    (plan.lake.root / "_work").write_text("no folder")
    with pytest.raises(OSError, match="_work"):
        run_named(plan, ["banks"])
    assert [run.status for run in runs.list_runs(plan.lake.root)] == ["failed"]


def test_catalog_and_card_older_than_the_ref_are_made_again(plan: Plan) -> None:
    mend(plan)
    assert not (plan.lake.root / NAME).exists()  # there is no run to make it of
    run = begin(plan, range(1, 2))
    build_catalog(plan.lake)
    run.finish("complete")  # killed here
    mend(plan)
    assert run.run_id in card_path(plan.lake, plan.recipe.name).read_text()
    with duckdb.connect(str(plan.lake.root / NAME), read_only=True) as catalog:
        assert catalog.execute("SELECT DISTINCT status FROM runs").fetchall() == [("complete",)]
    written = (plan.lake.root / NAME).stat().st_mtime_ns
    mend(plan)
    assert (plan.lake.root / NAME).stat().st_mtime_ns == written
    os.utime(card_path(plan.lake, plan.recipe.name), (0, 0))
    mend(plan)
    assert (plan.lake.root / NAME).stat().st_mtime_ns > written


def test_only_the_last_round_moves_the_ref(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, lake = str(rounds.write_recipe(tmp_path)), tmp_path / "lake"
    earlier = open_plan(recipe, lake, None, {})
    before = begin(earlier, range(1, 2))
    finish(earlier, before)

    def tasks(_plan: Plan, number: int, _run: runs.Run) -> dict[str, str]:
        if failing == number:
            raise RuntimeError("a stage broke")
        return {}

    monkeypatch.setattr(run_round, "run_tasks", tasks)
    monkeypatch.setattr(run_round.events, "tell", lambda *_: None)
    failing = 2
    run_round.run_round.fn(recipe, str(lake), 1, {"rounds": 2})
    with pytest.raises(RuntimeError, match="broke"):
        run_round.run_round.fn(recipe, str(lake), 2, {"rounds": 2})
    assert [run.status for run in runs.list_runs(lake)] == ["complete", "partial", "failed"]
    assert runs.refs(lake) == {"tiny": before.run_id}
    failing = 0
    run_round.run_round.fn(recipe, str(lake), 2, {"rounds": 2})
    newest = runs.newest(lake, "tiny")
    assert newest is not None
    assert {node.round for node in newest.nodes.values()} == {0, 1, 2}


def test_progress_counts_parts_or_says_how_long_one_part_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter((100.0, 103.0, 107.0, 108.0, 109.0))
    monkeypatch.setattr("flows.console.time", SimpleNamespace(monotonic=lambda: next(clock)))
    whole = Progress("whole", every=0)
    whole(0, 1)
    whole(0, 1)
    Progress("cut", every=0)(1, 4)
    said = capsys.readouterr().err
    assert "whole: 3 s so far" in said and "whole: 7 s so far" in said
    assert "cut: 1 of 4 parts" in said
    assert "MiB" in peak_memory()
