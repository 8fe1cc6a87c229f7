from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import waves
from schemas.outcome import Fail, Keep, Outcome
from schemas.requests import Failed, Generate, Generated, Request, Result
from tests.pipelines.toy import Echo, ask


def turns(name: str, lengths: list[int]) -> Generator[list[Request], list[Result], Outcome]:
    """One round per length, each with so many requests; keeps what it was told."""
    heard: list[str] = []
    for number, length in enumerate(lengths):
        results = yield [ask(f"{name}.{number}.{index}", 0) for index in range(length)]
        heard += [result.text for result in results if isinstance(result, Generated)]
    return Keep({"name": name, "heard": heard})


class Held(Echo):
    """A server that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(False)
        self.asked: list[Generate] = []
        self.waiting: dict[str, Future[Result]] = {}
        self._changed = threading.Condition()
        self._freely = False

    def submit(self, request: Request) -> Future[Result]:
        assert isinstance(request, Generate)
        future: Future[Result] = Future()
        with self._changed:
            self.asked.append(request)
            self.waiting[request.request_id] = future
            self._changed.notify_all()
            freely = self._freely
        if freely:
            self.tell(request.request_id)
        return future

    def tell(self, name: str) -> None:
        self.waiting[name].set_result(Generated(f"<{name}>", "stop", 1, 1))

    def tell_all(self) -> None:
        with self._changed:
            self._freely = True
            still = [name for name, future in self.waiting.items() if not future.done()]
        for name in still:
            self.tell(name)

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= count, 10)
        assert len(self.asked) == count


def in_thread(work: Callable[[], list[Outcome]]) -> Future[list[Outcome]]:
    future: Future[list[Outcome]] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def drive(plan: dict[str, list[int]], worker: Echo, wave_rows: int) -> list[Outcome]:
    starts = [partial(turns, name, lengths) for name, lengths in plan.items()]
    return waves.drive(starts, worker, lambda _, error: Fail("error", str(error)), wave_rows=wave_rows, concurrency=3)


PLANS = st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.integers(0, 3), max_size=3), max_size=6)


@given(plan=PLANS, wave_rows=st.integers(1, 4), in_waves=st.booleans())
def test_every_conversation_hears_its_own_answers_in_order(
    plan: dict[str, list[int]], wave_rows: int, in_waves: bool
) -> None:
    outcomes = drive(plan, Echo(in_waves), wave_rows)
    for (name, lengths), outcome in zip(plan.items(), outcomes, strict=True):
        heard = [f"<{name}.{number}.{i}>" for number, length in enumerate(lengths) for i in range(length)]
        assert outcome == Keep({"name": name, "heard": heard})


def test_a_wave_asks_in_row_and_request_order_and_advances_in_lock_step() -> None:
    worker = Echo(True)
    drive({"a": [1, 1], "b": [2], "c": [1, 1, 1]}, worker, wave_rows=2)
    assert worker.calls == [["a.0.0", "b.0.0", "b.0.1"], ["a.1.0"], ["c.0.0"], ["c.1.0"], ["c.2.0"]]


def test_a_server_is_asked_request_by_request_and_what_has_begun_goes_first() -> None:
    worker = Held()
    ended = in_thread(lambda: drive({name: [2, 1] for name in "abcde"}, worker, wave_rows=1))
    worker.wait_for(6)  # two requests of each of three conversations, and no more of them are under way
    assert [(request.request_id, request.priority) for request in worker.asked] == [
        (f"{name}.0.{number}", 0) for name in "abc" for number in range(2)
    ]
    worker.tell("b.0.1")
    worker.tell("b.0.0")  # all that b waits for: it moves on while a and c stand
    worker.wait_for(7)
    assert [(request.request_id, request.priority) for request in worker.asked[6:]] == [("b.1.0", -1)]
    worker.tell("b.1.0")
    worker.wait_for(9)
    assert [request.request_id for request in worker.asked[7:]] == ["d.0.0", "d.0.1"]
    worker.tell_all()
    names = [outcome.row["name"] for outcome in ended.result(10) if isinstance(outcome, Keep)]
    assert names == list("abcde"), "in the order of the rows, though b ended first"


def test_priority_grows_with_what_was_asked_and_no_further() -> None:
    worker = Held()
    ended = in_thread(lambda: drive({"long": [1] * 12}, worker, wave_rows=1))
    worker.tell_all()
    ended.result(10)
    assert [request.priority for request in worker.asked] == [0, -1, -2, -3, -4, -5, -6, -7, -8, -8, -8, -8]


def test_when_the_stage_is_interrupted_nothing_more_is_asked() -> None:
    worker = Held()

    def interrupted() -> Generator[list[Request], list[Result], Outcome]:
        yield [ask("x", 0)]
        raise KeyboardInterrupt

    starts = [partial(turns, "a", [2]), interrupted]
    ended = in_thread(lambda: waves.drive(starts, worker, lambda *_: Fail("", ""), wave_rows=1, concurrency=2))
    worker.wait_for(3)
    worker.tell("x")
    with pytest.raises(KeyboardInterrupt):
        ended.result(10)
    assert all(worker.waiting[name].cancelled() for name in ("a.0.0", "a.0.1"))


def test_a_server_that_raises_fails_the_request_and_no_other() -> None:
    class Broken(Echo):
        def submit(self, request: Request) -> Future[Result]:
            if request.request_id == "b.0.0":
                raise OSError("no more threads")
            return super().submit(request)

    outcomes = drive({"a": [1], "b": [2], "c": [1]}, Broken(False), wave_rows=3)
    heard = [outcome.row["heard"] for outcome in outcomes if isinstance(outcome, Keep)]
    assert heard == [["<a.0.0>"], ["<b.0.1>"], ["<c.0.0>"]]


def test_a_worker_that_raises_fails_only_the_request_that_it_cannot_answer() -> None:
    def fail(request: Generate) -> Failed | None:
        if request.request_id == "b.0.0":
            raise MemoryError("too long")
        return None

    outcomes = drive({"a": [1], "b": [1], "c": [1]}, Echo(True, fail), wave_rows=3)
    heard = [outcome.row["heard"] for outcome in outcomes if isinstance(outcome, Keep)]
    assert heard == [["<a.0.0>"], [], ["<c.0.0>"]]


def test_an_error_is_never_an_answer_and_a_conversation_that_raises_costs_only_itself() -> None:
    def raising() -> Generator[list[Request], list[Result], Outcome]:
        yield [ask("x", 0)]
        raise ValueError("no")

    starts = [partial(turns, "a", [1]), raising, partial(turns, "c", [1])]
    outcomes = waves.drive(starts, Echo(True), lambda i, e: Fail(str(i), str(e)), wave_rows=3, concurrency=1)
    assert outcomes[1] == Fail("1", "no")
    assert all(isinstance(outcome, Keep) for outcome in (outcomes[0], outcomes[2]))
