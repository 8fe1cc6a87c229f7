"""Rounds that are killed, and rounds that meet: the lake ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb

from pipelines.lake import runs
from tests.flows import rounds

KILLS = 10
COMMANDS = {1: "own server", 4: "shared server", 7: "shared server"}
"""Which of the kills take the whole tree of the real command: Prefect, its server when it started one, the stages."""


def test_ten_kills_change_no_byte(tmp_path: Path, finished: tuple[Path, Path], server: str) -> None:
    """`kill -9` of the process tree at ten random moments; every attempt goes on where the last one died."""
    recipe, whole = finished
    needed, moments = seconds(whole), random.Random(20)
    attempts = Attempts(recipe, tmp_path)
    for number in range(KILLS):
        moment = moments.uniform(0.02, 0.25) * needed
        if number in COMMANDS:
            attempts.kill_command(moment, server if COMMANDS[number] == "shared server" else None)
        else:
            attempts.kill_engine(moment)
    last = attempts.command(server)
    assert last.wait(600) == 0, attempts.log.read_text()[-4000:]
    assert rounds.data_hashes(attempts.lake) == rounds.data_hashes(whole)
    assert rounds.alive("PREFECT_HOME", attempts.home) == []


class Attempts:
    """Attempts at one round on one lake, one after the other; a fresh lake once one of them has come to its end."""

    def __init__(self, recipe: Path, folder: Path) -> None:
        self.recipe, self.folder = str(recipe), folder
        self.home, self.log = str(folder / "prefect"), folder / "log.txt"
        self.lake, self.ended = folder / "broken", 0

    def command(self, server: str | None) -> subprocess.Popen[bytes]:
        """Start the command that a user types."""
        joined = {"PREFECT_API_URL": server} if server else {}
        environment = {**os.environ, "PREFECT_HOME": self.home, **joined}
        return rounds.command("run", self.recipe, "--lake", str(self.lake), log=self.log, environment=environment)

    def kill_command(self, moment: float, server: str | None) -> None:
        """Kill the command's whole tree so many seconds after its round began."""
        known, child = len(runs.list_runs(self.lake)), self.command(server)
        self.until(lambda: child.poll() is not None or len(runs.list_runs(self.lake)) > known)
        try:
            child.wait(moment)
        except subprocess.TimeoutExpired:
            tree = rounds.alive("PREFECT_HOME", self.home)
            assert any("uvicorn" in line for line in tree) == (server is None), tree  # its own server dies with it
            rounds.kill_group(child.pid)
            child.wait(30)
            self.until(lambda: rounds.alive("PREFECT_HOME", self.home) == [])
        else:
            self.begin_again(child.returncode)
            self.kill_command(moment, server)

    def kill_engine(self, moment: float) -> None:
        """Kill what Prefect's tasks call, so many seconds after it started."""
        child = rounds.start(rounds.run_plain, self.recipe, str(self.lake), log=self.log)
        child.join(moment)
        if child.exitcode is None:
            rounds.kill_group(child.pid)
            child.join(30)
        else:
            self.begin_again(child.exitcode)
            self.kill_engine(moment)

    def begin_again(self, code: int | None) -> None:
        """The round came to its end between two kills: take a fresh lake, so that ten kills are ten."""
        assert code == 0, self.log.read_text()[-4000:]
        self.ended += 1
        self.lake = self.folder / f"broken-{self.ended}"

    def until(self, true: Callable[[], bool], within: float = 300.0) -> None:
        """Wait for it."""
        deadline = time.monotonic() + within
        while not true():
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.05)


def seconds(lake: Path) -> float:
    """How long the newest run of a lake took."""
    run = runs.list_runs(lake)[-1]
    assert run.ended is not None
    return (datetime.fromisoformat(run.ended) - datetime.fromisoformat(run.started)).total_seconds()


def test_two_runs_of_one_recipe_and_one_of_another_share_a_lake(tmp_path: Path, server: str) -> None:
    lake = tmp_path / "lake"
    one = rounds.write_recipe(tmp_path, "one")
    other = rounds.write_recipe(tmp_path, "other", rounds.TINY.replace("seed: 3", "seed: 4"))
    logs = [tmp_path / f"log-{number}.txt" for number in range(3)]
    # One through Prefect, as `evolens run` does it, beside one without: they meet on the same stages.
    children = [
        rounds.start(rounds.run_prefect, str(one), str(lake), server, log=logs[0]),
        rounds.start(rounds.run_plain, str(one), str(lake), log=logs[1]),
        rounds.start(rounds.run_plain, str(other), str(lake), log=logs[2]),
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
