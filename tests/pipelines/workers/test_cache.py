"""The request cache: what it finds again, what it never keeps, and how it fares among threads, forks and kills."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.workers import WorkerSpec, cache, prune
from pipelines.workers.store import Store
from schemas.messages import Message, Picture, Text
from schemas.requests import (
    Embed,
    Failed,
    Generate,
    Generated,
    Gradients,
    Ok,
    Request,
    Sampling,
    Score,
    Scored,
    TokenLogprob,
    Vector,
)
from tests.pipelines.workers.conftest import user
from tests.pipelines.workers.paid import PINNED, Paid, again, question

A, B = "a" * 32, "b" * 32


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("EVOLENS_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"
    cache.store_at.cache_clear()


def test_an_answer_is_paid_for_once(folder: Path) -> None:
    first, second = Paid(), Paid()
    (told,) = again(first).answer([question("?", "one")])
    (found,) = again(second).answer([replace(question("?", "another name"), priority=9)])
    assert (told, found) == (Generated("to one", "stop", 7, 3),) * 2
    assert isinstance(told, Generated) and isinstance(found, Generated)
    assert (told.cached, found.cached) == (False, True)
    assert (found.attempts, found.seconds) == (2, 0.25)
    assert (len(first.asked), len(second.asked)) == (1, 0)
    assert [path.name for path in folder.glob("*.sqlite")] == [cache.file_in(folder).name]


ASKED = Generate("g", (user("look", Picture(A), "é"),), Sampling(8, 0.5, 0.9, (";",)), 3)


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, seed=4),
        replace(ASKED, messages=(user("look", Picture(B), "é"),)),
        replace(ASKED, messages=(user("look", "é", Picture(A)),)),
        replace(ASKED, messages=(user("look", Picture(A), "e\u0301"),)),
        replace(ASKED, messages=(Message("tool", (Text("look"), Picture(A), Text("é"))),)),
        replace(ASKED, messages=(user("look", A, "é"),)),
        *(
            replace(ASKED, sampling=replace(ASKED.sampling, **changed))
            for changed in (
                {"max_tokens": 9},
                {"temperature": 0.6},
                {"top_p": 1.0},
                {"stop": ()},
                {"top_k": 5},
                {"n": 2},
                {"json_schema": "{}"},
                {"logprobs": 0},
                {"prompt_logprobs": 0},
            )
        ),
        Score("g", ASKED.messages),
        Gradients("g", ASKED.messages, 8, 3),
        Embed("g", A),
    ],
    ids=lambda request: f"{type(request).__name__}",
)
def test_whatever_decides_an_answer_is_in_its_key(other: Request) -> None:
    keys = {cache.key_of(PINNED, request) for request in (ASKED, other, replace(ASKED, request_id="h"))}
    assert len(keys) == 2


def test_who_answers_is_in_the_key() -> None:
    who = [PINNED, replace(PINNED, revision="v2"), replace(PINNED, weights="f" * 32), replace(PINNED, model="other")]
    assert len({cache.key_of(each, ASKED, about) for each in who for about in (None, ["http://a/v1"])}) == 8


def test_failures_are_never_kept() -> None:
    worker = Paid()
    for _ in range(2):
        (result,) = again(worker).answer([Embed("e", A)])
        assert isinstance(result, Failed)
    assert len(worker.asked) == 2


def test_without_a_revision_only_this_session_finds_its_answers(tmp_path: Path) -> None:
    unpinned = replace(PINNED, revision=None)
    first, second, elsewhere = Paid(unpinned), Paid(unpinned), Paid(unpinned)
    again(first).answer([question("?", "g")])
    again(second).answer([question("?", "g")])
    again(elsewhere, "http://b/v1").answer([question("?", "g")])
    assert (len(second.asked), len(elsewhere.asked)) == (0, 1)
    code = (
        "from dataclasses import replace\n"
        "from tests.pipelines.workers.paid import *\n"
        "unpinned, pinned = Paid(replace(PINNED, revision=None)), Paid()\n"
        "for worker in (unpinned, pinned): again(worker).answer([question('?')])\n"
        "print(len(unpinned.asked), len(pinned.asked))"
    )
    again(Paid()).answer([question("?", "g")])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0"]


def test_equal_requests_under_way_are_asked_once() -> None:
    hold = threading.Event()
    worker = Paid(hold=hold)
    opened = again(worker)
    futures = [opened.submit(question("?", str(number))) for number in range(5)]
    hold.set()
    results = [future.result(30) for future in futures]
    assert len(worker.asked) == 1
    assert [isinstance(result, Generated) and result.cached for result in results] == [False, True, True, True, True]
    assert (
        len(set(map(str, (replace(result, cached=False) for result in results if isinstance(result, Generated))))) == 1
    )


def test_who_cancels_harms_nobody_else() -> None:
    hold = threading.Event()
    worker = Paid(hold=hold)
    worker._pool = ThreadPoolExecutor(1)
    opened = again(worker)
    blocker = opened.submit(question("blocks the only thread", "first"))
    waiting = [opened.submit(question("shared", str(number))) for number in range(2)]
    left = [opened.submit(question("left", str(number))) for number in range(2)]
    assert waiting[0].cancel() and left[0].cancel()
    assert not worker.futures[-1].cancelled()
    assert left[1].cancel()
    assert worker.futures[-1].cancelled()
    hold.set()
    shared, first = waiting[1].result(30), blocker.result(30)
    assert isinstance(shared, Generated) and not shared.cached
    assert isinstance(first, Generated)
    (asked_again,) = opened.answer([question("left", "back")])
    assert isinstance(asked_again, Generated) and not asked_again.cached


numbers = st.floats(allow_nan=False)
logprobs = st.builds(TokenLogprob, st.text(), st.none() | numbers, st.lists(st.tuples(st.text(), numbers)).map(tuple))
said = st.builds(
    Generated,
    text=st.text(st.characters(), max_size=20),
    finish=st.sampled_from(["stop", "length"]),
    prompt_tokens=st.integers(0, 10**6),
    completion_tokens=st.integers(0, 10**6),
    logprobs=st.none() | st.lists(logprobs, max_size=3).map(tuple),
    prompt_logprobs=st.none() | st.lists(logprobs, max_size=3).map(tuple),
    others=st.lists(st.builds(Generated, st.text(), st.just("stop"), st.just(0), st.just(0)), max_size=2).map(tuple),
    attempts=st.integers(1, 9),
    seconds=st.floats(0, 1e6),
)


@given(
    said
    | st.builds(Scored, st.lists(numbers, max_size=5).map(tuple), st.integers(0, 99))
    | st.builds(Vector, st.lists(numbers, max_size=5).map(tuple), st.none() | numbers)
)
def test_every_answer_comes_back_as_it_was(result: Ok) -> None:
    found = cache.from_bytes(cache.to_bytes(result))
    assert found == result
    assert repr(found) == repr(result)  # the fields that equality leaves out, and minus zero


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"[]", b'{"kind": "Failed"}', b'{"kind": "Generated", "text": 3}', b"\xff"]
)
def test_bytes_that_are_no_answer_are_none(value: bytes) -> None:
    assert cache.from_bytes(value) is None


def test_a_changed_value_is_not_there_and_is_paid_for_again(folder: Path) -> None:
    again(Paid()).answer([question("?", "g")])
    with sqlite3.connect(cache.file_in(folder)) as connection:
        connection.execute("UPDATE answers SET value = CAST(replace(value, 'to g', 'to h') AS BLOB)")
    worker = Paid()
    assert again(worker).answer([question("?", "g")]) == [Generated("to g", "stop", 7, 3)]
    assert again(worker).answer([question("?", "g")]) == [Generated("to g", "stop", 7, 3)]
    assert len(worker.asked) == 1


def test_a_broken_file_is_set_aside_with_one_warning(folder: Path) -> None:
    worker = Paid()
    opened = again(worker)
    opened.answer([question(str(number)) for number in range(50)])
    path = cache.file_in(folder)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))
    fresh = again(worker)
    with pytest.warns(RuntimeWarning, match=r"set aside as .*\.broken") as warned:
        for number in range(50, 60):
            assert fresh.answer([question(str(number))]) == [Generated("to g", "stop", 7, 3)]
    assert len(warned) == 1
    assert path.with_name(f"{path.name}.broken").exists()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = opened.answer([question("new"), question("59")])  # it had the old file open, and follows
    assert [isinstance(result, Generated) and result.cached for result in results] == [False, True]


def test_a_folder_that_cannot_be_written_costs_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    monkeypatch.setenv("EVOLENS_CACHE", str(blocked / "cache"))
    opened = again(Paid())
    with pytest.warns(RuntimeWarning, match="going on without it") as warned:
        results = opened.answer([question(str(number % 3), str(number)) for number in range(9)])
    assert len(warned) == 1
    assert all(isinstance(result, Generated) for result in results)


def test_a_removed_file_is_made_again(folder: Path) -> None:
    worker = Paid()
    opened = again(worker)
    opened.answer([question("?", "g")])
    for path in folder.iterdir():
        path.unlink()
    opened.answer([question("?", "g")])
    opened.answer([question("?", "g")])
    assert len(worker.asked) == 2
    assert cache.file_in(folder).exists()


@pytest.mark.parametrize("value", ["off", "OFF"])
def test_the_off_switches(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Paid()
    assert cache.cached(worker, address="a", switch=False) is worker
    assert [
        WorkerSpec("openai:a", options=(("cache", said),)).switch("cache") for said in ("on", "off", True, False)
    ] == [*(True, False, True, False)]
    with pytest.raises(ValueError, match="cache is on or off, not 'maybe'"):
        WorkerSpec("openai:a", options=(("cache", "maybe"),)).switch("cache")
    monkeypatch.setenv("EVOLENS_CACHE", value)
    assert cache.cached(worker, address="a") is worker


def test_the_default_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EVOLENS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "evolens"


def test_a_forked_child_goes_on_by_itself() -> None:
    opened = again(Paid())
    opened.answer([question("?", "g")])
    opened._worker._pool.shutdown()  # type: ignore[attr-defined]  # breaks it on purpose
    opened._worker._pool = None  # type: ignore[attr-defined]  # as above
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        opened._worker = Paid()
        told = [getattr(each, "cached", None) for each in opened.answer([question("?", "g"), question("new", "n")])]
        os.write(write, str(told).encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 100) == b"[True, False]"
    opened._worker = Paid()
    assert [getattr(each, "cached", None) for each in opened.answer([question("new", "n")])] == [True]


WRITER = """
import sys
from tests.pipelines.workers.paid import *
opened = again(Paid())
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    (result,) = opened.answer([question(str(number))])
    print(number, result.cached, flush=True)
"""


def test_what_was_told_survives_kill_9_and_processes_share_a_file() -> None:
    spans = [(0, 100000), (50, 100000), (0, 100000)]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, *map(str, span)], stdout=subprocess.PIPE, text=True)
        for span in spans
    ]
    told = set()
    for writer in writers:
        assert writer.stdout is not None
        told |= {writer.stdout.readline() for _ in range(60)}
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
    for writer in writers:
        told |= {line for line in writer.communicate()[0].splitlines(keepends=True) if line.endswith("\n")}
    numbers = sorted({int(line.split()[0]) for line in told})
    assert len(numbers) >= 60
    worker = Paid()
    again(worker).answer([question(str(number)) for number in numbers])
    assert worker.asked == []


def test_an_answer_is_told_when_it_is_kept_and_reading_waits_for_nobody(folder: Path) -> None:
    opened = again(Paid())
    opened.answer([question("old")])
    with closing(sqlite3.connect(cache.file_in(folder), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        new = opened.submit(question("new"))
        for _ in range(20):
            (old,) = opened.answer([question("old")])
            assert isinstance(old, Generated) and old.cached
        assert not new.done()
        other.execute("ROLLBACK")
        assert isinstance(new.result(30), Generated)
        assert other.execute("SELECT count(*) FROM answers").fetchone() == (2,)


def test_pruning_spares_what_a_living_run_has_used(folder: Path) -> None:
    code = (
        "from tests.pipelines.workers.paid import *\n"
        "again(Paid()).answer([question(str(number)) for number in range(20)])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    path = cache.file_in(folder)
    assert prune.prune(path, unused_seconds=0, most_bytes=None, dry_run=True) == prune.Pruned(20, 20 * SIZE, 0)
    worker = Paid()
    again(worker).answer([question(str(number)) for number in range(5)])
    assert worker.asked == []
    assert prune.prune(path, unused_seconds=0, most_bytes=0, dry_run=True) == prune.Pruned(15, 15 * SIZE, 5)
    assert prune.prune(path, unused_seconds=None, most_bytes=12 * SIZE) == prune.Pruned(8, 8 * SIZE, 0)
    assert prune.prune(path, unused_seconds=3600, most_bytes=None) == prune.Pruned(0, 0, 0)
    assert prune.prune(path, unused_seconds=0, most_bytes=None) == prune.Pruned(7, 7 * SIZE, 5)
    (left,) = prune.held(path)
    assert (left.worker, left.answers, left.bytes) == ("tiny@main", 5, 5 * SIZE)
    again(worker).answer([question(str(number)) for number in range(5)])
    assert worker.asked == []


SIZE = len(cache.to_bytes(Generated("to g", "stop", 7, 3, attempts=2, seconds=0.25))) + 160


def test_there_may_be_nothing_to_prune(tmp_path: Path) -> None:
    assert prune.held(tmp_path / "none.sqlite") == []
    assert prune.prune(tmp_path / "none.sqlite", unused_seconds=0, most_bytes=0) == prune.Pruned(0, 0, 0)
    assert list(tmp_path.glob("none*")) == []


def test_pruning_gives_the_disk_back(folder: Path) -> None:
    store = Store(folder / "big.sqlite")
    done = threading.Semaphore(0)
    for number in range(300):
        store.put(number.to_bytes(16), "w", os.urandom(4000), done.release)
    for _ in range(300):
        assert done.acquire(timeout=30)
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute("DELETE FROM sessions")
    before = prune.bytes_on_disk(store.path)
    assert prune.prune(store.path, unused_seconds=None, most_bytes=0).answers == 300
    assert prune.bytes_on_disk(store.path) < before / 10
