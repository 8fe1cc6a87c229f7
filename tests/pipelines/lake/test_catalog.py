from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from pipelines.lake import Lake, tables
from pipelines.lake.catalog import build_catalog, run_views
from pipelines.runner import replay, run_stage
from pipelines.stage import Stage
from schemas.arrow import TABLES
from schemas.outcome import Keep
from tests.pipelines.toy import CHOOSE, LOOK, MAKE, P, call, debris, record


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def ask(lake: Lake, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(lake.root / "catalog.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_an_empty_lake_has_every_view_with_types(lake: Lake) -> None:
    build_catalog(lake)
    counted = " UNION ALL ".join(
        f"SELECT count(*) FROM {name} UNION ALL SELECT count(*) FROM all_{name}" for name in TABLES
    )
    assert ask(lake, counted) == [(0,)] * (2 * len(TABLES))
    columns = {row[0]: row[1] for row in ask(lake, "DESCRIBE traces")}
    assert columns["round"] == "BIGINT"
    assert columns["steps"].startswith("STRUCT(kind VARCHAR, ")
    assert columns["steps"].endswith("[]")
    assert ask(lake, "SELECT count(*) FROM runs") == [(0,)]
    assert ask(lake, "SELECT split FROM samples") == []


def test_views_show_the_newest_run_once_and_all_views_every_run(lake: Lake) -> None:
    old = run_stage(lake, call(MAKE, count=3))
    made = run_stage(lake, call(MAKE, count=5))
    looked = run_stage(lake, call(LOOK, made.key))
    chosen = run_stage(lake, call(CHOOSE, made.key))
    before = record(lake, "toy", [("r1/make", 1, old.key)])
    after = record(
        lake,
        "toy",
        [("r1/make", 1, made.key), ("r1/look", 1, looked.key), ("r2/make", 2, made.key), ("r1/choose", 1, chosen.key)],
    )
    failed = record(lake, "toy", [("r1/make", 1, old.key)], "failed")
    build_catalog(lake)
    assert ask(lake, "SELECT DISTINCT run_id, round, stage_key FROM samples") == [(after.run_id, 1, made.key)]
    assert ask(lake, "SELECT count(*) FROM samples") == [(5,)], "one key in two rounds counts once"
    totals = {before.run_id: 3, after.run_id: 5, failed.run_id: 3}
    assert dict(ask(lake, "SELECT run_id, count(*) FROM all_samples GROUP BY 1")) == totals
    kept = ask(
        lake, "SELECT node, node_status, kept FROM runs WHERE round = 1 AND run_id = (SELECT max(run_id) FROM checks)"
    )
    assert sorted(kept) == [("r1/choose", "ran", 3), ("r1/look", "ran", 2), ("r1/make", "ran", 0)]
    joined = "SELECT count(*) FROM checks JOIN samples USING (run_id, sample_id) JOIN images ON image_id = image_ids[1]"
    assert ask(lake, joined) == [(2,)]
    assert ask(lake, "SELECT count(*) FROM lineage") == [(5,)]


def test_cost_is_summed_by_stage_and_divided_by_what_it_kept(lake: Lake) -> None:
    made = run_stage(lake, call(MAKE, count=6))
    chosen = run_stage(lake, call(CHOOSE, made.key))
    record(lake, "toy", [("r1/make", 1, made.key), ("r2/make", 2, made.key), ("r1/choose", 1, chosen.key)])
    build_catalog(lake)
    rows = ask(
        lake,
        "SELECT c.stage, kept, c.seconds = t.seconds, abs(seconds_per_kept * kept - c.seconds) < 1e-9, retries_per_kept"
        " FROM stage_cost c JOIN (SELECT stage_key, sum(seconds) AS seconds FROM cost GROUP BY 1) t USING (stage_key)"
        " ORDER BY c.stage",
    )
    assert rows == [("choose", chosen.counts.kept, True, True, 0.0), ("make", 6, True, True, 0.0)]
    assert ask(lake, "SELECT count(*) FROM all_stage_cost") == [(2,)]


def test_a_replay_is_counted_once(lake: Lake, tmp_path: Path) -> None:
    up = tmp_path / "up"
    first = call(MAKE, count=5, flaky=str(up))
    made = run_stage(lake, first)
    record(lake, "toy", [("make", 1, made.key)])
    build_catalog(lake)
    assert ask(lake, "SELECT (SELECT count(*) FROM samples), (SELECT count(*) FROM failures)") == [(4, 1)]
    up.touch()
    again = replay(lake, first)
    record(lake, "toy", [("make", 1, again.key)])
    build_catalog(lake)
    assert ask(lake, "SELECT (SELECT count(*) FROM samples), (SELECT count(*) FROM failures)") == [(5, 0)]


def test_an_open_shell_keeps_its_catalog_while_the_next_is_swapped_in(lake: Lake) -> None:
    made = run_stage(lake, call(MAKE, count=3))
    record(lake, "toy", [("make", 1, made.key)])
    build_catalog(lake)
    with duckdb.connect(str(lake.root / "catalog.duckdb"), read_only=True) as shell:
        assert shell.execute("SELECT count(*) FROM samples").fetchall() == [(3,)]
        more = run_stage(lake, call(MAKE, count=8))
        record(lake, "toy", [("make", 1, more.key)])
        build_catalog(lake)
        assert shell.execute("SELECT count(*) FROM samples").fetchall() == [(3,)]
    assert ask(lake, "SELECT count(*) FROM samples") == [(8,)]
    assert not debris(lake)


def test_samples_say_what_curation_made_of_them(lake: Lake) -> None:
    def split(row: dict[str, object], p: P, ctx: object) -> Keep:
        return Keep({"sample_id": row["sample_id"], "arm": "curated", "split": "sft"})

    made = run_stage(lake, call(MAKE, count=3))
    sql = "SELECT sample_id FROM samples WHERE answer::INT < 2"
    chosen = run_stage(lake, call(Stage("c", 1, "map", P, "sample_id", "curated", split, sql=sql), made.key))
    record(lake, "toy", [("make", 1, made.key), ("c", 1, chosen.key)])
    build_catalog(lake)
    assert sorted(ask(lake, "SELECT answer, split FROM samples")) == [("0", "sft"), ("1", "sft"), ("2", None)]


def test_a_row_that_a_run_made_twice_is_shown_once_under_the_first_round(lake: Lake) -> None:
    first = run_stage(lake, call(MAKE, count=5))
    more = run_stage(lake, call(MAKE, count=8))  # makes the first five again
    run = record(lake, "toy", [("r1/make", 1, first.key), ("r2/make", 2, more.key)])
    build_catalog(lake)
    shown = "SELECT round, count(*), count(DISTINCT sample_id) FROM samples GROUP BY ALL ORDER BY ALL"
    assert ask(lake, shown) == [(1, 5, 5), (2, 3, 3)]
    assert ask(lake, "SELECT count(*) FROM _repeats WHERE table_name = 'samples'") == [(5,)]
    with tables.connect(run_views(lake, run)) as connection:  # without a catalog
        assert connection.execute(shown).fetchall() == [(1, 5, 5), (2, 3, 3)]
    with lake.connect((first.key, more.key)) as connection:
        assert connection.execute("SELECT count(*) FROM samples").fetchall() == [(8,)]


def test_a_query_that_asks_for_no_split_joins_nothing(lake: Lake) -> None:
    made = run_stage(lake, call(MAKE, count=5))
    chosen = run_stage(lake, call(CHOOSE, made.key))
    record(lake, "toy", [("r1/make", 1, made.key), ("r1/choose", 1, chosen.key)])
    build_catalog(lake)
    ((_, plan),) = ask(lake, "EXPLAIN SELECT task, count(*) FROM samples WHERE dial > 1 GROUP BY task")
    ((_, joined),) = ask(lake, "EXPLAIN SELECT split, count(*) FROM samples GROUP BY split")
    assert "Join" not in str(plan) and "Join" in str(joined)


@pytest.mark.parametrize("old", [0, 1])
def test_parts_of_an_older_version_lack_columns_and_are_shown_with_nulls(lake: Lake, old: int) -> None:
    made = run_stage(lake, call(MAKE, count=6, part_rows=3))
    path = lake.root / made.files("samples")[old].name
    pq.write_table(pq.read_table(path).drop_columns(["pair_id", "task"]), path)
    record(lake, "toy", [("r1/make", 1, made.key)])
    build_catalog(lake)
    assert ask(lake, "SELECT count(*), count(task), count(sample_id) FROM samples") == [(6, 3, 6)]
