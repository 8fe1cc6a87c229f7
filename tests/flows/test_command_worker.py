"""evolens worker: what runs is told, what cannot be started is one line, and any worker's pace is taken."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows import command_worker
from flows.cli import app
from pipelines.workers import slots
from pipelines.workers.bench import LONGEST, Drawn, in_batches, pace
from pipelines.workers.slots import Slot, stop
from schemas.requests import Failed, Generate, Generated, Request, Result, WorkerIdentity
from tests.pipelines.workers.test_slots import order_of

run = CliRunner()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "servers").mkdir()
    monkeypatch.setattr(slots, "folder", lambda: tmp_path / "servers")
    yield tmp_path / "servers"
    for folder in (tmp_path / "servers").iterdir():
        stop(folder)


def test_status_tells_what_runs(place: Path, tmp_path: Path) -> None:
    assert "No server of ours runs" in run.invoke(app, ["worker", "status"]).output
    assert json.loads(run.invoke(app, ["worker", "status", "--json"]).output) == []
    state = Slot("slot", order_of(tmp_path / "births")).enter()
    (said,) = json.loads(run.invoke(app, ["worker", "status", "--json"]).output)
    assert said | {"model": "small", "state": "ready", "address": state.address, "life": 1, "running": None} == said
    assert Path(said["log"]).read_text() == "loading the weights\n"
    assert "small" in run.invoke(app, ["worker", "status"]).output


def test_only_a_server_of_ours_is_started() -> None:
    for url, why in (("local:seedling", "only a vllm: worker is started"), ("vllm:./nowhere", "holds no config.json")):
        result = run.invoke(app, ["worker", "start", url])
        assert result.exit_code == 1
        assert why in str(result.exception)
    result = run.invoke(app, ["worker", "start", "vllm:seedling", "--option", f"server_python={sys.executable}"])
    assert "there is no vLLM in" in str(result.exception)
    assert "NAME=VALUE" in str(run.invoke(app, ["worker", "start", "vllm:seedling", "--option", "cache"]).exception)


def test_what_it_is_doing_is_read_off_its_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = 'vllm:num_requests_running{engine="0",model_name="m"} 3.0\nvllm:num_requests_waiting{engine="0"} 12.0\n'
    assert command_worker.loads(lines) == {"running": 3, "waiting": 12}
    assert command_worker.loads("nothing") == {"running": None, "waiting": None}


def test_bench_measures_a_worker_here() -> None:
    result = run.invoke(app, ["worker", "bench", "local:seedling", "--requests", "6", "--median-tokens", "4", "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.output)
    assert said["worker"].startswith("seedling@")
    assert (said["requests"], said["failed"]) == (6, 0)
    assert said["tokens_per_second"] > 0


def test_requests_are_drawn_alike_and_with_long_tails() -> None:
    drawn = Drawn(200)
    assert [replace(request, request_id="") for request in Drawn(3).requests] == [
        replace(request, request_id="") for request in drawn.requests[:3]
    ]
    assert all(request.messages[0].parts for request in drawn.requests)
    lengths = sorted(request.sampling.max_tokens for request in drawn.requests)
    assert 24 <= lengths[100] <= 40
    assert lengths[-1] > 5 * lengths[100]
    assert lengths[-1] <= LONGEST


class Echo:
    """Answers at once; notes how many it was asked at a time."""

    in_waves = False
    identity = WorkerIdentity("echo", "echo", "1")

    def __init__(self) -> None:
        self.asked: list[int] = []

    def answer(self, requests: list[Request]) -> list[Result]:
        self.asked.append(len(requests))
        return [
            Generated("said", "stop", 1, request.sampling.max_tokens, seconds=1.0)
            if isinstance(request, Generate) and not request.request_id.endswith("3")
            else Failed("bad", "third")
            for request in requests
        ]


def test_a_pace_counts_what_was_said_and_what_failed() -> None:
    requests = Drawn(10).requests
    worker = Echo()
    found = pace(in_batches(worker, 4), requests)
    assert worker.asked == [4, 4, 2]
    assert (found.requests, found.failed, found.latency_median, found.latency_p95) == (10, 1, 1.0, 1.0)
    assert found.tokens == sum(request.sampling.max_tokens for request in requests if request.request_id[-1] != "3")
