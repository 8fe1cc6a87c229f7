"""Workers inside a part: connected once per process, counted per part."""

from __future__ import annotations

import pickle
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from pipelines.lake import Lake
from pipelines.stage import WorkerSpec
from schemas.ids import canonical_json
from schemas.requests import Failed, Generated, Request, Result, Server, Vector, Worker, WorkerIdentity

KEPT = 2
"""How many connected workers a process keeps: a model may fill its memory."""

COUNTED = (
    "requests",
    "prompt_tokens",
    "completion_tokens",
    "cached",
    "retries",
    "cached_tokens",
    "visual_tokens",
    "pixels",
    "request_ms",
)
"""The columns of table `cost` that a worker's answers fill."""

_CONNECTED: OrderedDict[tuple[str, str, bytes], Shared] = OrderedDict()
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Shared:
    """A worker that several stages of one process may hold."""

    worker: Worker
    lock: threading.Lock


def connected(lake: Lake, spec: WorkerSpec) -> Shared:
    """This process's worker for a spec. Raises `ValueError` when it is not the worker that the stage key names."""
    place = (str(lake.root), canonical_json(spec.identity.as_json()), pickle.dumps(spec.connect))
    with _LOCK:
        if place not in _CONNECTED:
            worker = spec.connect(lake.image, lake.pictures.data)
            if worker.identity != spec.identity:
                raise ValueError(f"the worker is {worker.identity}, but the stage was planned for {spec.identity}")
            _CONNECTED[place] = Shared(worker, threading.Lock())
        _CONNECTED.move_to_end(place)
        while len(_CONNECTED) > KEPT:
            _CONNECTED.popitem(last=False)
        return _CONNECTED[place]


class Meter:
    """A worker that counts what it is asked: `usage` holds the columns of table `cost`.

    A model in this process answers one wave at a time; a server is asked by many threads at once.
    """

    def __init__(self, shared: Shared) -> None:
        self._worker = shared.worker
        self._model: AbstractContextManager[object] = shared.lock if shared.worker.in_waves else nullcontext()
        self._lock = threading.Lock()
        self.usage: dict[str, int] = dict.fromkeys(COUNTED, 0)

    @property
    def identity(self) -> WorkerIdentity:
        return self._worker.identity

    @property
    def in_waves(self) -> bool:
        return self._worker.in_waves

    def answer(self, requests: Sequence[Request]) -> list[Result]:
        with self._model:
            results = self._worker.answer(requests)
        for result in results:
            self._count(result)
        return results

    def submit(self, request: Request) -> Future[Result]:
        assert isinstance(self._worker, Server)
        future = self._worker.submit(request)
        future.add_done_callback(self._told)
        return future

    def _told(self, future: Future[Result]) -> None:
        if not future.cancelled():
            self._count(future.result())

    def _count(self, result: Result) -> None:
        counted = {"requests": 1, **spent(result)}
        with self._lock:
            for name, value in counted.items():
                self.usage[name] += value


def spent(result: Result) -> dict[str, int]:
    """What an answer cost, as columns of table `cost`; one from the cache cost nothing but its look-up."""
    if isinstance(result, Vector):
        return {}
    if isinstance(result, Failed):
        return {"retries": result.attempts - 1}
    said = result.completion_tokens if isinstance(result, Generated) else 0
    if result.cached:
        return {"cached": 1, "cached_tokens": result.prompt_tokens + said}
    seen = {"visual_tokens": result.visual_tokens, "pixels": result.pixels} if isinstance(result, Generated) else {}
    return {
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": said,
        "retries": result.attempts - 1,
        "request_ms": round(1000 * result.seconds),
        **seen,
    }
