"""Waiting, sending, trying again and ending, against a real server on loopback: above all, that all of it ends."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.workers.server.limit import START
from schemas.requests import Failed, Generate, Generated, Result, Server
from tests.pipelines.workers.conftest import Album, ask, user
from tests.pipelines.workers.server.test_chaos import free_port, kill, run, until
from tests.pipelines.workers.server.test_worker import Server as Served
from tests.pipelines.workers.server.test_worker import said, serve, worker_at


def questions(count: int) -> list[Generate]:
    return [ask(f"row-{number}", user(f"question-{number}")) for number in range(count)]


def asked(server: Served) -> list[str]:
    return [body["messages"][0]["content"][0]["text"] for body in server.bodies]


def worker_of(server: Served, album: Album, **options: str | int | float) -> Server:
    worker = worker_at(server, album, cache="off", picture_names="off", **options)
    assert isinstance(worker, Server)
    return worker


def kinds(results: list[Result]) -> Counter[str]:
    return Counter(result.kind if isinstance(result, Failed) else "answered" for result in results)


@contextmanager
def dripping() -> Iterator[Served]:
    """A server whose answers never end: a blank every now and then."""
    listener = socket.create_server(("127.0.0.1", 0))
    gone = threading.Event()

    def drip(peer: socket.socket) -> None:
        with peer:
            peer.recv(1 << 16)
            peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
            while not gone.wait(0.05):
                peer.sendall(b" ")

    def accept() -> None:
        while not gone.is_set():
            threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield Served(lambda *_: None, address=f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    gone.set()
    listener.close()


def test_a_slow_drip_of_bytes_is_no_answer(album: Album) -> None:
    with dripping() as server:
        (result,) = worker_of(server, album, timeout_s=0.6).answer(questions(1))
    assert isinstance(result, Failed)
    assert (result.kind, result.transient) == ("timeout", True)


def test_a_request_is_tried_again_within_its_time_when_an_attempt_hangs(album: Album) -> None:
    released = threading.Event()

    def behave(number: int, body: dict[str, Any]) -> Any:
        if number == 0:
            released.wait(30)
        return said("2")

    with serve(behave) as server:
        (result,) = worker_of(server, album, timeout_s=20, attempt_s=0.3).answer(questions(1))
        released.set()
    assert isinstance(result, Generated)
    assert result.attempts >= 2
    assert result.seconds >= 0.3


def test_a_full_queue_before_a_server_that_hangs_fails_without_being_sent(album: Album) -> None:
    released = threading.Event()

    def behave(*_: Any) -> Any:
        released.wait(60)
        return said("too late")

    with serve(behave) as server:
        results = worker_of(server, album, concurrency=2, attempts=1, timeout_s=0.8).answer(questions(200))
        released.set()
        sent = len(server.bodies)
    assert kinds(results) == {"timeout": 200}
    assert sent < 20, "two at a time until the queue is given up; a hundred times two would be a hundred time-outs"


def test_a_server_that_is_gone_keeps_nobody_waiting_and_may_come_back(album: Album) -> None:
    back = threading.Event()
    with serve(lambda *_: said("2") if back.is_set() else None) as server:
        worker = worker_of(server, album, attempts=3, timeout_s=2)
        first = worker.answer(questions(60))
        assert kinds(first).keys() <= {"timeout", "connection"}
        sent = len(server.bodies)
        for _ in range(20):  # each batch would wait two seconds, if it waited
            assert kinds(worker.answer(questions(60))).keys() <= {"timeout", "connection"}
        assert len(server.bodies) < sent + 25
        back.set()
        until(lambda: any(isinstance(result, Generated) for result in worker.answer(questions(1))))
        assert kinds(worker.answer(questions(60))) == {"answered": 60}


def test_standing_in_the_queue_takes_no_time_from_a_request_while_the_queue_moves(album: Album) -> None:
    def behave(*_: Any) -> Any:
        time.sleep(0.05)
        return said("2")

    with serve(behave) as server:
        results = worker_of(server, album, concurrency=1, timeout_s=1.0).answer(questions(60))
    assert kinds(results) == {"answered": 60}, "the last one waited three times its time limit"


def test_refusals_without_end_end_with_the_time(album: Album) -> None:
    with serve(lambda *_: (503, {"retry-after": "0.1"}, {})) as server:
        results = worker_of(server, album, attempts=1000, timeout_s=1.0).answer(questions(5))
    assert kinds(results) == {"http_503": 5}
    attempts = [result.attempts for result in results if isinstance(result, Failed)]
    assert max(attempts) < 30
    assert sum(attempts) > len(attempts)  # whose turn it is to be tried again is a matter of time


def test_a_server_that_is_started_again_finds_the_queue_waiting(album: Album, tmp_path: Path) -> None:
    """While it is away, what waits spends no attempts; what was on its way, a few."""
    port = free_port()
    worker = worker_of(Served(lambda *_: None, address=f"http://127.0.0.1:{port}/v1"), album, attempts=5)
    futures = [worker.submit(request) for request in questions(400)]
    time.sleep(1)
    server = run("chaos", port, tmp_path / "log", 0)
    try:
        results = [future.result() for future in futures]
    finally:
        kill(server)
    attempts = Counter(result.attempts for result in results if isinstance(result, Generated))
    assert kinds(results) == {"answered": 400}
    assert attempts[1] >= 400 - 2 * START


def test_who_is_asked_first(album: Album) -> None:
    """By priority; among equals by arrival; and what comes back for another attempt goes ahead of what came later."""
    first = threading.Event()
    refused: list[str] = []

    def behave(number: int, body: dict[str, Any]) -> Any:
        question = body["messages"][0]["content"][0]["text"]
        if number == 0:
            first.wait(30)
        elif question == "question-2" and not refused:
            refused.append(question)
            return 503, {"retry-after": "0.05"}, {}
        time.sleep(0.2)
        return said("2")

    requests = questions(6)
    requests[4] = replace(requests[4], priority=-1)
    requests[1] = replace(requests[1], priority=1)
    with serve(behave) as server:
        worker = worker_of(server, album, concurrency=1)
        futures = [worker.submit(requests[0])]
        until(lambda: len(server.bodies) == 1)
        futures += [worker.submit(request) for request in requests[1:]]
        first.set()
        assert kinds([future.result() for future in futures]) == {"answered": 6}
    order = [int(question.partition("-")[2]) for question in asked(server)]
    assert order == [0, 4, 2, 3, 2, 5, 1]


def test_what_is_cancelled_while_it_waits_is_never_sent(album: Album) -> None:
    first = threading.Event()

    def behave(*_: Any) -> Any:
        first.wait(30)
        return said("2")

    with serve(behave) as server:
        worker = worker_of(server, album, concurrency=1)
        futures = [worker.submit(request) for request in questions(4)]
        until(lambda: len(server.bodies) == 1)
        assert futures[2].cancel()
        assert not futures[0].cancel(), "it is on its way"
        first.set()
        assert kinds([futures[place].result() for place in (0, 1, 3)]) == {"answered": 3}
    assert asked(server) == ["question-0", "question-1", "question-3"]


def test_all_workers_of_a_process_share_one_thread_and_its_connections(album: Album) -> None:
    with serve(lambda *_: said("2")) as server:
        for _ in range(5):
            worker_of(server, album).answer(questions(3))
        assert [thread.name for thread in threading.enumerate()].count("requests") == 1


def test_a_forked_child_asks_with_a_loop_of_its_own(album: Album) -> None:
    with serve(lambda *_: said("2")) as server:
        worker = worker_of(server, album)
        worker.answer(questions(2))
        here, there = multiprocessing.Pipe()
        child = os.fork()
        if child == 0:
            try:
                there.send([result.text for result in worker.answer(questions(2)) if isinstance(result, Generated)])
            finally:
                os._exit(0)
        assert here.poll(30)
        assert here.recv() == ["2", "2"]
        os.waitpid(child, 0)
        assert kinds(worker.answer(questions(2))) == {"answered": 2}, "and the parent's works on"


@pytest.mark.parametrize("schema", ["{", '{"type": object}'])
def test_a_body_that_cannot_be_made_costs_its_own_request(album: Album, schema: str) -> None:
    good, bad = questions(2)
    bad = replace(bad, sampling=replace(bad.sampling, json_schema=schema))
    with serve(lambda *_: said("2")) as server:
        results = worker_of(server, album).answer([bad, good])
    assert kinds(results) == {"bad_request": 1, "answered": 1}
    assert len(server.bodies) == 1
