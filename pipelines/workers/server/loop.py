"""The one thread of a process that talks to servers: an event loop and a pool of connections, shared by all workers.

It is started when it is first needed. A forked child has threads of its own to start: what it inherits of its parent's
is forgotten.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import aiohttp

KEPT_ALIVE_S = 3.0
"""How long an unused connection is kept: less than servers keep it (uvicorn 5 s), or requests would find it closed."""
BUILDERS = 4
"""Threads that make bodies: reading and encoding pictures must not hold the loop up."""

Value = TypeVar("Value")


class Loop:
    """An event loop in a thread of its own, with the connections that belong to it."""

    def __init__(self) -> None:
        self.asyncio = asyncio.new_event_loop()
        self._builders = ThreadPoolExecutor(BUILDERS, thread_name_prefix="request-body")
        threading.Thread(target=self.asyncio.run_forever, name="requests", daemon=True).start()
        self.session = asyncio.run_coroutine_threadsafe(self._open(), self.asyncio).result()

    async def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_ALIVE_S),  # `limit` bounds what is in flight
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),  # each attempt has a deadline of its own
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,
        )

    async def build(self, make: Callable[[], Value]) -> Value:
        """Run `make` beside the loop. Raises what it raises."""
        return await self.asyncio.run_in_executor(self._builders, make)

    def close(self) -> None:
        """Give the connections back; what is under way is lost."""
        asyncio.run_coroutine_threadsafe(self.session.close(), self.asyncio).result(timeout=5)
        self.asyncio.call_soon_threadsafe(self.asyncio.stop)


_lock = threading.Lock()
_running: list[Loop] = []
_inherited: list[Loop] = []
"""A parent's loops. They are kept, because letting them go would close connections that the parent still uses."""


def running() -> Loop:
    """This process's loop."""
    with _lock:
        if not _running:
            _running.append(Loop())
            atexit.register(_running[0].close)
        return _running[0]


def _forget() -> None:
    global _lock  # noqa: PLW0603 - the parent's may have been held when it forked
    _lock = threading.Lock()
    for parents in _running:
        atexit.unregister(parents.close)
    _inherited.extend(_running)
    _running.clear()


os.register_at_fork(after_in_child=_forget)
