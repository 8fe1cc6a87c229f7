"""Where requests wait, are sent, are tried again and end: each exactly once, as an answer or as a `Failed`.

What waits is a request and its future and nothing else: its body, with the pictures, is made when a server has room for
it, and let go with the attempt.

A request's time (`timeout_s`) begins when it is first sent and covers all its attempts and the pauses between them, so
a hundred thousand may be queued and none runs out of time for standing at the end. While it waits before that, the
queue must move: when no server has answered anything for `timeout_s`, what has waited as long fails. When they gave
nothing but trouble for as long, they are gone: what comes then fails at once, but for the one request that asks now and
then whether they are back. So nobody waits beyond a deadline, whether a server hangs, drips, refuses or is gone.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import aiohttp

from pipelines.workers.counting import Count, TooLong
from pipelines.workers.server import retry, route
from pipelines.workers.server.limit import End, Limit, Waiting
from pipelines.workers.server.loop import Loop
from schemas.requests import Failed, Generate, Generated, Result, Score, Scored

TICK_S = 1.0
"""How often the queue is looked at while nothing happens; a fifth of `timeout_s` where that is less."""


@dataclass(frozen=True)
class Patience:
    """`attempts` for each request; `timeout_s` for all of them together, `attempt_s` for each."""

    attempts: int
    timeout_s: float
    attempt_s: float


@dataclass(frozen=True)
class Reply:
    """What came of an attempt; `retry_after` are the seconds for which the server asks not to be asked."""

    result: Result
    end: End
    retry_after: float | None = None


@dataclass(frozen=True)
class Body:
    """What is posted. `named` says that its pictures have names, `spared` which it names without carrying them; `count`
    is what it comes to, where that is known.
    """

    data: bytes
    named: bool = False
    spared: tuple[str, ...] = ()
    count: Count | None = None


class Asker(Protocol):
    """How one attempt is made."""

    def body(self, request: Generate | Score, address: str) -> Body:
        """What to post. May take its time, and raise: the request then fails."""

    async def send(self, request: Generate | Score, address: str, body: Body) -> Reply:
        """Post it. Raises what aiohttp raises; is cancelled when the attempt has lasted too long."""


@dataclass(eq=False)
class Ticket:
    """A request at the desk; `began` is when it was first sent."""

    request: Generate | Score
    arrived: float
    future: Future[Result]
    began: float | None = None
    attempts: int = 0
    trouble: Failed | None = None


class Desk:
    """Serves one worker on one loop. Everything but `submit` happens on the loop's thread."""

    def __init__(self, loop: Loop, servers: Mapping[str, Limit], asker: Asker, patience: Patience) -> None:
        self.loop = loop
        self._servers, self._asker, self._patience = servers, asker, patience
        self._clock = loop.asyncio.time
        self._inbox: deque[Ticket] = deque()
        self._woken = False
        self._waiting: Waiting[Ticket] = Waiting()
        self._tasks: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._answered = self._clock()

    def submit(self, request: Generate | Score) -> Future[Result]:
        """Ask, from any thread."""
        ticket = Ticket(request, self._clock(), Future())
        self._inbox.append(ticket)
        if not self._woken:
            self._woken = True
            self.loop.asyncio.call_soon_threadsafe(self._pump)
        return ticket.future

    def _pump(self) -> None:
        """Send what there is room for."""
        self._woken = False
        while self._inbox:
            self._wait(self._inbox.popleft())
        now = self._clock()
        while self._waiting and (address := self._choose(now)):
            ticket = self._waiting.pop()
            if ticket.began is not None or ticket.future.set_running_or_notify_cancel():
                self._servers[address].send()
                task = self.loop.asyncio.create_task(self._serve(ticket, address))
                self._tasks.add(task)  # the loop holds tasks weakly
                task.add_done_callback(self._tasks.discard)
        if self._waiting and self._gone(now - self._patience.timeout_s):
            self._dismiss(now)
        self._look_again(now)

    def _choose(self, now: float) -> str | None:
        return route.choose(self._servers, route.key_of(self._waiting.first().request), now)

    def _wait(self, ticket: Ticket) -> None:
        self._waiting.put(ticket, getattr(ticket.request, "priority", 0), ticket.arrived)

    def _look_again(self, now: float) -> None:
        """Nothing may ever come back to move the queue: look at it when a gate opens, and every so often."""
        if not self._waiting:
            return
        openings = [limit.opens for limit in self._servers.values() if limit.opens > now]
        soon = min([*openings, now + min(TICK_S, self._patience.timeout_s / 5)])
        if self._alarm is None or self._alarm.when() > soon:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = self.loop.asyncio.call_at(soon, self._look)

    def _look(self) -> None:
        self._alarm = None
        since = self._clock() - self._patience.timeout_s
        if self._answered <= since:
            self._dismiss(since)
        self._pump()

    def _gone(self, since: float) -> bool:
        return all(limit.closed and limit.silent_since <= since for limit in self._servers.values())

    def _dismiss(self, arrived: float) -> None:
        """Give up what came before and was never sent."""
        silence = f"no server has answered anything for {self._patience.timeout_s:g} s"
        for ticket in self._waiting.take(lambda each: each.began is None and each.arrived <= arrived):
            if ticket.future.set_running_or_notify_cancel():
                self._settle(ticket, Failed("timeout", silence, transient=True))

    async def _serve(self, ticket: Ticket, address: str) -> None:
        """One attempt, and what follows from it; then whatever there is room for now."""
        sent = self._clock()
        try:
            body = await self.loop.build(partial(self._asker.body, ticket.request, address))
        except Exception as error:  # whatever a picture loader raises costs its own request only
            refused = "too_long" if isinstance(error, TooLong) else "bad_request"
            kind = refused if isinstance(error, ValueError) else "bad_picture"
            reply = Reply(Failed(kind, f"{type(error).__name__}: {error}"), "unsent")
        else:
            sent = self._clock()
            reply = await self._attempt(ticket, sent, partial(self._asker.send, ticket.request, address, body))
        now = self._clock()
        said = reply.result.completion_tokens if isinstance(reply.result, Generated) else None
        self._servers[address].ended(reply.end, sent, now, said)
        if reply.end == "answered":
            self._answered = now
        self._follow(ticket, reply, now)
        self._pump()

    async def _attempt(self, ticket: Ticket, now: float, send: Callable[[], Awaitable[Reply]]) -> Reply:
        ticket.attempts += 1
        ticket.began = now if ticket.began is None else ticket.began
        end = min(ticket.began + self._patience.timeout_s, now + self._patience.attempt_s)
        try:
            async with asyncio.timeout_at(end):
                return await send()
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            return Reply(Failed("bad_address", f"{type(error).__name__}: {error}"), "answered")
        except aiohttp.ClientError as error:
            return _lost(error)
        except TimeoutError:
            message = f"no answer within {self._clock() - now:.3g} s"
            return Reply(Failed("timeout", message, transient=True), "refused")
        except OSError as error:
            return _lost(error)
        except Exception as error:  # the request must end, whatever this is
            return Reply(Failed(f"exception:{type(error).__name__}", str(error)), "answered")

    def _follow(self, ticket: Ticket, reply: Reply, now: float) -> None:
        """The end of the request, or a pause and another attempt."""
        if not isinstance(reply.result, Failed) or not reply.result.transient or ticket.began is None:
            self._settle(ticket, reply.result)
            return
        pause = retry.pause(ticket.attempts, random.random()) if reply.retry_after is None else reply.retry_after
        deadline = ticket.began + self._patience.timeout_s
        if ticket.attempts >= self._patience.attempts or now + pause >= deadline:
            self._settle(ticket, reply.result)
            return
        ticket.trouble = reply.result
        self.loop.asyncio.call_later(pause, self._again, ticket, deadline)

    def _again(self, ticket: Ticket, deadline: float) -> None:
        self._wait(ticket)
        self.loop.asyncio.call_at(deadline, self._give_up, ticket)
        self._pump()

    def _give_up(self, ticket: Ticket) -> None:
        """The time of a request is over; it may stand in the queue once more."""
        assert ticket.trouble is not None
        if not ticket.future.done() and self._waiting.take(lambda each: each is ticket):
            self._settle(ticket, ticket.trouble)

    def _settle(self, ticket: Ticket, result: Result) -> None:
        if isinstance(result, Failed):
            result = replace(result, attempts=max(1, ticket.attempts))
        elif isinstance(result, Generated | Scored):
            assert ticket.began is not None
            result = replace(result, attempts=ticket.attempts, seconds=self._clock() - ticket.began)
        ticket.future.set_result(result)


def _lost(error: Exception) -> Reply:
    return Reply(Failed("connection", f"{type(error).__name__}: {error}", transient=True), "lost")
