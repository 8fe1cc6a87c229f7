"""Rounds that are killed, and rounds that meet: the lake ends as if nothing had happened."""

from __future__ import annotations

import random
import time
from pathlib import Path

import duckdb

from tests.flows import rounds

KILLS = 10


def test_ten_kills_change_no_byte(tmp_path: Path) -> None:
    """`kill -9` of the process tree at ten random moments; every attempt goes on where the last one died."""
    recipe, log = rounds.write_recipe(tmp_path), tmp_path / "log.txt"
    whole = tmp_path / "whole"
    started = time.monotonic()
    rounds.finish(rounds.start(rounds.run_plain, str(recipe), str(whole), log=log), log)
    needed = time.monotonic() - started

    broken, moments = tmp_path / "broken", random.Random(20)
    killed = 0
    while killed < KILLS:
        child = rounds.start(rounds.run_plain, str(recipe), str(broken), log=log)
        child.join(moments.uniform(0.02, 0.25) * needed)
        if child.exitcode is not None:  # it finished between kills: begin a fresh one, so that ten kills are ten
            assert child.exitcode == 0, log.read_text()[-4000:]
            broken = tmp_path / f"broken-{killed}"
            continue
        rounds.kill_group(child)
        killed += 1
    rounds.finish(rounds.start(rounds.run_plain, str(recipe), str(broken), log=log), log)
    assert rounds.data_hashes(broken) == rounds.data_hashes(whole)


def test_two_runs_of_one_recipe_and_one_of_another_share_a_lake(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    one = rounds.write_recipe(tmp_path, "one")
    other = rounds.write_recipe(tmp_path, "other", rounds.TINY.replace("seed: 3", "seed: 4"))
    logs = [tmp_path / f"log-{number}.txt" for number in range(3)]
    # One through Prefect, as `evolens run` does it, beside one without: they meet on the same stages.
    children = [
        rounds.start(target, str(recipe), str(lake), log=log)
        for target, recipe, log in zip(
            (rounds.run_prefect, rounds.run_plain, rounds.run_plain), (one, one, other), logs, strict=True
        )
    ]
    for child, log in zip(children, logs, strict=True):
        rounds.finish(child, log)
    with duckdb.connect(str(lake / "catalog.duckdb"), read_only=True) as catalog:
        shown = catalog.execute("SELECT DISTINCT recipe, status FROM runs ORDER BY ALL").fetchall()
        per_run = catalog.execute(
            "SELECT run_id, count(*), count(DISTINCT sample_id) FROM samples GROUP BY 1"
        ).fetchall()
    assert shown == [("one", "complete"), ("other", "complete")]
    assert len(per_run) == 2
    assert all(rows == distinct > 0 for _, rows, distinct in per_run)
    assert not list(lake.rglob(".tmp-*"))
    assert not list((lake / "_leases").glob("*.json"))
