"""A stage behind the request cache: what it writes does not depend on what was cached, and what it costs does."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.lake import Lake
from pipelines.runner import run_stage
from pipelines.workers.cache import Cached, cached, store_at
from tests.pipelines.toy import MAKE, TALK, Echo, call, data

PAID: list[Echo] = []


def server(*_loaders: object) -> Cached:
    """An echo behind the cache, as another process would open it."""
    store_at.cache_clear()
    PAID.append(Echo(False))
    opened = cached(PAID[-1], address="http://a/v1")
    assert isinstance(opened, Cached)
    return opened


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLENS_CACHE", str(tmp_path / "cache"))


def talked(root: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    lake = Lake(root)
    made = run_stage(lake, call(MAKE, count=7))
    done = run_stage(lake, call(TALK, made.key, worker=server))  # type: ignore[arg-type]  # a double
    cost = lake.read(done.key, "cost").to_pylist()
    return data(lake, done), sorted(cost, key=lambda row: int(row["part"]))


def test_parts_do_not_depend_on_what_was_cached(tmp_path: Path) -> None:
    paid, cost = talked(tmp_path / "one")
    given, nothing = talked(tmp_path / "two")
    assert paid == given
    assert [len(each.calls) for each in PAID[-2:]] == [21, 0]
    assert [(row["requests"], row["cached"], row["prompt_tokens"], row["cached_tokens"]) for row in cost] == [
        *((9, 0, 27, 0), (9, 0, 27, 0), (3, 0, 9, 0))
    ]
    assert [(row["requests"], row["cached"], row["prompt_tokens"], row["cached_tokens"]) for row in nothing] == [
        *((9, 9, 0, 45), (9, 9, 0, 45), (3, 3, 0, 15))
    ]


KILLED = """
import itertools, os, signal, sys
from pathlib import Path
from tests.pipelines.runner import test_cached
from tests.pipelines.toy import Echo

tell, numbers = Echo._tell, itertools.count()
def die(self, future, request):
    if next(numbers) == 17:
        os.kill(os.getpid(), signal.SIGKILL)
    os.write(1, f"{request.request_id}\\n".encode())
    tell(self, future, request)
Echo._tell = die
test_cached.talked(Path(sys.argv[1]))
"""


def test_after_kill_9_only_what_was_unfinished_is_paid_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "killed")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    answered = set(done.stdout.split())
    whole, _ = talked(tmp_path / "killed")
    asked = [name for call_ids in PAID[-1].calls for name in call_ids]
    assert len(asked) == len(set(asked)) < 21
    # Of what the first had been answered, only what it had not yet written down, and so told nobody, is asked again.
    assert len(answered & set(asked)) < len(answered) <= 17
    monkeypatch.setenv("EVOLENS_CACHE", str(tmp_path / "fresh"))
    assert talked(tmp_path / "undisturbed")[0] == whole
