"""Driving ask stages: many conversations at once, with answers that do not depend on timing.

A worker that answers in waves (`local:`) gets the pending requests of a fixed group of rows in one call, ordered by
(row, request), and all conversations of the group advance in lock-step; a wave is repeated whole or not at all. A
server is asked request by request: each conversation moves on when its own answers have come, in whatever order that
is, and none waits for another. Either way outcomes come back in the order of the conversations.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import TypeAlias

from schemas.outcome import Outcome
from schemas.requests import Failed, Generate, Request, Result, Server, Worker

Conversation: TypeAlias = Generator[list[Request], list[Result], Outcome]
Start: TypeAlias = Callable[[], Conversation]
OnError: TypeAlias = Callable[[int, Exception], Outcome]
"""(index of the conversation, what it raised) → how the row leaves the stage."""

HEADSTART = 8
"""So many steps of priority at most does a conversation gain by what it has asked already: what has begun is finished
first, and a long search does not stand behind every new row again in each of its rounds.
"""


def drive(
    starts: Sequence[Start], worker: Worker, on_error: OnError, *, wave_rows: int, concurrency: int
) -> list[Outcome]:
    """Bring every conversation to its end. What one raises costs only itself. At a server, `concurrency` conversations
    are under way.
    """
    if not worker.in_waves:
        assert isinstance(worker, Server)
        return _Talks(starts, worker, on_error).drive(concurrency)
    waves = [range(first, min(first + wave_rows, len(starts))) for first in range(0, len(starts), wave_rows)]
    return [outcome for wave in waves for outcome in _wave(starts, wave, worker, on_error)]


@dataclass
class _Talk:
    """A conversation under way: what it waits for, or how it ended."""

    generator: Conversation
    pending: list[Request]
    outcome: Outcome | None = None
    rounds: int = 0
    asked: list[Future[Result]] = field(default_factory=list)
    missing: int = 0


def _wave(starts: Sequence[Start], wave: range, worker: Worker, on_error: OnError) -> list[Outcome]:
    talks: dict[int, _Talk] = {}
    for index in wave:
        talks[index] = _begin(index, starts[index], on_error)
    while any(talk.outcome is None for talk in talks.values()):
        open_talks = [(index, talk) for index, talk in talks.items() if talk.outcome is None]
        results = answer(worker, [request for _, talk in open_talks for request in talk.pending])
        for index, talk in open_talks:
            mine, results = results[: len(talk.pending)], results[len(talk.pending) :]
            _advance(index, talk, mine, on_error)
    return [_ended(talk) for talk in talks.values()]


class _Talks:
    """Conversations with a server, advanced by the thread that drives them as their answers come."""

    def __init__(self, starts: Sequence[Start], worker: Server, on_error: OnError) -> None:
        self._starts, self._worker, self._on_error = starts, worker, on_error
        self._talks: dict[int, _Talk] = {}
        self._told: SimpleQueue[int] = SimpleQueue()
        self._outcomes: dict[int, Outcome] = {}

    def drive(self, concurrency: int) -> list[Outcome]:
        ahead = iter(range(len(self._starts)))
        try:
            while len(self._outcomes) < len(self._starts):
                while len(self._talks) < concurrency and (index := next(ahead, None)) is not None:
                    self._talks[index] = _begin(index, self._starts[index], self._on_error)
                    self._move(index)
                if self._talks:
                    self._hear(self._told.get())
        except BaseException:
            for talk in self._talks.values():
                for future in talk.asked:
                    future.cancel()
            raise
        return [self._outcomes[index] for index in range(len(self._starts))]

    def _move(self, index: int) -> None:
        """Ask what the conversation wants to know, or record how it ended."""
        talk = self._talks[index]
        while talk.outcome is None and not talk.pending:
            _advance(index, talk, [], self._on_error)
        if talk.outcome is not None:
            self._outcomes[index] = talk.outcome
            del self._talks[index]
            return
        talk.missing = len(talk.pending)
        talk.asked = [self._ask(request, talk.rounds) for request in talk.pending]
        talk.rounds += 1
        for future in talk.asked:
            future.add_done_callback(lambda _: self._told.put(index))

    def _ask(self, request: Request, rounds: int) -> Future[Result]:
        if isinstance(request, Generate):
            request = replace(request, priority=request.priority - min(rounds, HEADSTART))
        try:
            return self._worker.submit(request)
        except Exception as error:
            failed: Future[Result] = Future()
            failed.set_result(_failed(error))
            return failed

    def _hear(self, index: int) -> None:
        talk = self._talks[index]
        talk.missing -= 1
        if not talk.missing:
            results, talk.asked = [_result(future) for future in talk.asked], []
            _advance(index, talk, results, self._on_error)
            self._move(index)


def _result(future: Future[Result]) -> Result:
    try:
        return future.result()
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> Failed:
    return Failed(kind=f"exception:{type(error).__name__}", message=str(error))


def _begin(index: int, start: Start, on_error: OnError) -> _Talk:
    talk = _Talk(start(), [])
    _step(index, talk, lambda: next(talk.generator), on_error)
    return talk


def _advance(index: int, talk: _Talk, results: list[Result], on_error: OnError) -> None:
    _step(index, talk, lambda: talk.generator.send(results), on_error)


def _step(index: int, talk: _Talk, move: Callable[[], list[Request]], on_error: OnError) -> None:
    try:
        talk.pending = list(move())
    except StopIteration as end:
        talk.outcome = end.value
    except Exception as error:  # whatever a row raises is that row's accident
        talk.outcome = on_error(index, error)


def _ended(talk: _Talk) -> Outcome:
    assert talk.outcome is not None
    return talk.outcome


def answer(worker: Worker, requests: list[Request]) -> list[Result]:
    """Answers in the order of the requests.

    A worker that raises is asked again one request at a time, so that one request cannot empty a whole batch; what
    still raises is `Failed`. Raises `RuntimeError` for a worker that answers a different number of requests.
    """
    if not requests:
        return []
    try:
        results = worker.answer(requests)
    except Exception as error:  # see above
        if len(requests) > 1:
            return [result for request in requests for result in answer(worker, [request])]
        return [_failed(error)]
    if len(results) != len(requests):
        raise RuntimeError(f"the worker answered {len(results)} of {len(requests)} requests")
    return results
