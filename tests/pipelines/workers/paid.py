"""A server in this process that counts what it is asked. Imports little, because tests start processes that need it."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from pipelines.workers import cache
from schemas.messages import Message, Text
from schemas.requests import Embed, Failed, Generate, Generated, Request, Result, Sampling, WorkerIdentity

PINNED = WorkerIdentity("openai", "tiny", "main")


class Paid:
    """A server in this process that counts what it is asked; `hold` lets answers wait."""

    in_waves = False

    def __init__(self, identity: WorkerIdentity = PINNED, hold: threading.Event | None = None) -> None:
        self.identity = identity
        self.asked: list[Request] = []
        self.futures: list[Future[Result]] = []
        self._pool = ThreadPoolExecutor(4)
        self._hold = hold

    def submit(self, request: Request) -> Future[Result]:
        self.asked.append(request)
        future = self._pool.submit(self._answer, request)
        self.futures.append(future)
        return future

    def answer(self, requests: list[Request]) -> list[Result]:
        return [self.submit(request).result() for request in requests]

    def _answer(self, request: Request) -> Result:
        if self._hold is not None:
            assert self._hold.wait(30)
        if isinstance(request, Embed):
            return Failed("unsupported", "no")
        return Generated(f"to {request.request_id}", "stop", 7, 3, attempts=2, seconds=0.25)


def again(worker: Paid, address: str = "http://a/v1") -> cache.Cached:
    """The worker behind the cache as another process would open it."""
    cache.store_at.cache_clear()
    opened = cache.cached(worker, address=address)
    assert isinstance(opened, cache.Cached)
    return opened


def question(text: str, name: str = "g") -> Generate:
    return Generate(name, (Message("user", (Text(text),)),), Sampling(8), 0)
