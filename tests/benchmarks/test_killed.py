"""`kill -9` amid many trees: a server is asked nothing twice that it had finished, and `local:` ends byte-identical."""

from __future__ import annotations

import json
import random
import shutil
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.difficulty import killed
from pipelines.lake import Lake
from schemas.ids import digest
from tests.pipelines.workers.server.test_worker import said, serve

TREES = 500


class Counting:
    """A server that answers by what it is asked, seldom rightly, and counts; it can keep its answers back."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.flowing = threading.Event()
        self.flowing.set()

    def behave(self, _: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        name = digest(json.dumps(body, sort_keys=True).encode())
        self.asked[name] += 1
        self.flowing.wait(60)
        self.paid[name] += 1
        draw = random.Random(name)
        if body.get("stop") and draw.random() < 0.8:
            return said(f"red circle {draw.randrange(50)};", stop_reason=";")
        return said(f"<answer>{draw.randrange(40)}</answer>", stop_reason=None)

    def many(self, count: int, alive: Any) -> None:
        deadline = time.monotonic() + 240
        while self.paid.total() < count:
            assert alive.poll() is None and time.monotonic() < deadline, f"{self.paid.total()} answers, not {count}"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "lake"
    killed.draw(root, TREES)
    return root


@pytest.mark.slow
def test_a_server_is_asked_nothing_twice_that_it_had_finished(
    tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("EVOLENS_CACHE", str(tmp_path / "cache"))
    lake, server = tmp_path / "lake", Counting()
    shutil.copytree(drawn, lake)
    with serve(server.behave) as counted:
        url = f"openai:{counted.address}"
        process = killed.start(lake, url, TREES)
        server.many(3000, process)
        server.flowing.clear()  # whatever was answered has arrived when we kill
        time.sleep(2)
        killed.kill(process)
        finished = set(server.paid)
        server.flowing.set()
        time.sleep(0.5)
        before = server.asked.copy()
        process = killed.start(lake, url, TREES)
        assert process.wait(240) == 0
        again = {name for name, count in (server.asked - before).items() if count and name in finished}
        assert len(finished) >= 3000 and not again
        asked = len(server.asked)
        monkeypatch.setenv("EVOLENS_CACHE", "off")
        whole = tmp_path / "whole"
        shutil.copytree(drawn, whole)
        killed.run(whole, url, TREES)
        assert len(server.asked) == asked, "another request came than in the life with a kill"
    assert killed.data(whole) == killed.data(lake)
    # A lake is no mapping: it has keys, and cannot be walked through.
    (measured,) = [key for key in Lake(lake).keys() if Lake(lake).manifest(key).stage == "difficulty"]  # noqa: SIM118
    roots = Lake(lake).read(measured, "tree_nodes").to_pylist()
    assert len({row["sample_id"] for row in roots}) == TREES


@pytest.mark.slow
def test_killed_trees_of_local_end_byte_identical(tmp_path: Path) -> None:
    whole, broken, count = tmp_path / "whole", tmp_path / "broken", 60
    for root in (whole, broken):
        killed.draw(root, count)
    killed.run(whole, "local:seedling", count)
    process = killed.start(broken, "local:seedling", count)
    deadline = time.monotonic() + 240
    while killed.receipts(broken) < 1:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    killed.kill(process)
    assert killed.receipts(broken) < 3, "it was killed too late to tell anything"
    killed.run(broken, "local:seedling", count)
    assert killed.data(broken) == killed.data(whole)
