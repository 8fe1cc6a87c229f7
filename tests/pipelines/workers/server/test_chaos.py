"""A server that misbehaves half of the time and dies twice, a client that is killed: nothing is lost or paid twice."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.lake import Lake
from tests.pipelines.toy import data, debris
from tests.pipelines.workers.server import staged
from tests.pipelines.workers.server.asker import CONCURRENCY, TIMEOUT_S

REPOSITORY = Path(__file__).parents[4]
COUNT = 3000
SLACK_S = 8.0
"""For a machine that is busy with other things."""


def run(module: str, *arguments: object, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"tests.pipelines.workers.server.{module}", *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, "NO_PROXY": "127.0.0.1", **environment})


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


class Log:
    """What the server wrote down: (got | paid, question, when)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[tuple[str, str, float]]:
        text = self.path.read_text() if self.path.exists() else ""
        found = [line.split() for line in text.splitlines() if line]
        return [(what, question, float(at)) for what, question, at in found]

    def paid(self) -> list[str]:
        return [question for what, question, _ in self.lines() if what == "paid"]


def until(done: Callable[[], bool], *alive: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 240
    while not done():
        assert time.monotonic() < end, "it should long have come this far"
        assert all(process.poll() is None for process in alive), "a process ended too soon"
        time.sleep(0.05)


@pytest.mark.slow
def test_every_request_ends_once_and_none_is_paid_for_twice(tmp_path: Path) -> None:
    port, log, told, cache = free_port(), Log(tmp_path / "log"), tmp_path / "told", str(tmp_path / "cache")
    processes = [run("chaos", port, log.path)]
    try:
        client = run("asker", port, COUNT, tmp_path / "lost", EVOLENS_CACHE=cache)
        processes.append(client)
        until(lambda: len(log.paid()) > 500, client)
        kill(processes[0])
        processes.append(run("chaos", port, log.path))
        until(lambda: len(log.paid()) > 1500, client)
        kill(client)

        before, restarted = log.paid(), time.monotonic()
        client = run("asker", port, COUNT, told, EVOLENS_CACHE=cache)
        processes.append(client)
        until(lambda: len(log.paid()) > 2200, client)
        kill(processes[2])
        processes.append(run("chaos", port, log.path))
        assert client.wait(240) == 0
    finally:
        for process in processes:
            kill(process)

    results: list[dict[str, Any]] = [json.loads(line) for line in told.read_text().splitlines()]
    assert Counter(result["number"] for result in results) == Counter(range(COUNT)), "each ends exactly once"
    answers = [result for result in results if "text" in result]
    assert all(result["text"] == f"answer to question-{result['number']}" for result in answers)
    failed = [result for result in results if "text" not in result]
    assert all(result["transient"] for result in failed)
    assert len(failed) < COUNT / 50, "eight attempts fail together once in 256"

    first: dict[str, float] = {}
    for what, question, at in log.lines():
        if what == "got" and at > restarted:
            first.setdefault(question, at)
    late = [
        result for result in results
        if result["at"] - first.get(f"question-{result['number']}", result["at"]) > TIMEOUT_S + SLACK_S
    ]  # fmt: skip
    assert not late

    # What was on its way when the client, or a server, was killed may have been answered for nothing.
    again = set(before) & set(first)
    assert len(again) <= CONCURRENCY
    cached = [result for result in answers if result["cached"]]
    assert len(set(before)) - CONCURRENCY <= len(cached) <= len(set(before))
    assert len(log.paid()) <= len(answers) + 2 * CONCURRENCY


@pytest.mark.slow
def test_a_killed_stage_goes_on_byte_identical_and_pays_for_what_was_unfinished(tmp_path: Path) -> None:
    port, log, count = free_port(), Log(tmp_path / "log"), 240
    server = run("chaos", port, log.path, 0.2)
    try:
        for moment in (200, 450):
            stage = run("staged", port, tmp_path / "lake", count, EVOLENS_CACHE=str(tmp_path / "cache"))
            until(lambda at=moment: len(log.paid()) > at, stage)
            kill(stage)
        stage = run("staged", port, tmp_path / "lake", count, EVOLENS_CACHE=str(tmp_path / "cache"))
        assert stage.wait(120) == 0
        paid = Counter(log.paid())
        staged.talk(port, str(tmp_path / "whole"), count)
    finally:
        kill(server)
    assert len(paid) == 3 * count
    assert sum(paid.values()) <= 3 * count + 2 * staged.CONCURRENCY
    killed, unkilled = Lake(tmp_path / "lake"), Lake(tmp_path / "whole")
    assert killed.keys() == unkilled.keys()
    for key in killed.keys():  # noqa: SIM118 - a lake is no mapping
        assert data(killed, killed.verify(key)) == data(unkilled, unkilled.verify(key))
        assert killed.manifest(key).counts.failed == 0
    assert not debris(killed)
