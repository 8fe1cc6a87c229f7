"""Driving ask stages: many conversations at once, with answers that do not depend on timing.

A worker that answers in waves (`local:`) gets the pending requests of a fixed group of rows in one call, ordered by
(row, request), and all conversations of the group advance in lock-step; a wave is repeated whole or not at all. Any
other worker (a server) is asked conversation by conversation, some in flight at a time, with no barrier between them.
Either way outcomes come back in the order of the conversations.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from schemas.outcome import Outcome
from schemas.requests import Failed, Request, Result, Worker

Conversation: TypeAlias = Generator[list[Request], list[Result], Outcome]
Start: TypeAlias = Callable[[], Conversation]
OnError: TypeAlias = Callable[[int, Exception], Outcome]
"""(index of the conversation, what it raised) → how the row leaves the stage."""
Value = TypeVar("Value")


def drive(
    starts: Sequence[Start], worker: Worker, on_error: OnError, *, wave_rows: int, concurrency: int
) -> list[Outcome]:
    """Bring every conversation to its end. What one raises costs only itself."""
    if worker.in_waves:
        waves = [range(first, min(first + wave_rows, len(starts))) for first in range(0, len(starts), wave_rows)]
        return [outcome for wave in waves for outcome in _wave(starts, wave, worker, on_error)]
    if not starts:
        return []
    with ThreadPoolExecutor(max_workers=min(concurrency, len(starts)), thread_name_prefix="ask") as pool:
        try:
            return list(pool.map(lambda index: _alone(index, starts[index], worker, on_error), range(len(starts))))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@dataclass
class _Talk:
    """A conversation under way: what it waits for, or how it ended."""

    generator: Conversation
    pending: list[Request]
    outcome: Outcome | None = None


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


def _alone(index: int, start: Start, worker: Worker, on_error: OnError) -> Outcome:
    talk = _begin(index, start, on_error)
    while talk.outcome is None:
        _advance(index, talk, answer(worker, talk.pending), on_error)
    return talk.outcome


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
        return [Failed(kind=f"exception:{type(error).__name__}", message=str(error))]
    if len(results) != len(requests):
        raise RuntimeError(f"the worker answered {len(results)} of {len(requests)} requests")
    return results
