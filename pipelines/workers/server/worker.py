"""`openai:http://host:8000/v1`: any server that speaks OpenAI's chat completions with pictures, or several of them
with a comma between; vLLM is the one we test.

Requests advance one by one. At most `concurrency` are on their way to one server, however many threads ask; `limit`
finds how many of these are good. Whatever goes wrong becomes a `Failed`, never a text.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import aiohttp

from pipelines.workers.counting import Count, Counter
from pipelines.workers.identity import WorkerSpec, identity_of
from pipelines.workers.server import loop, retry, wire
from pipelines.workers.server.desk import Body, Desk, Patience, Reply
from pipelines.workers.server.held import Held, misses, probe
from pipelines.workers.server.limit import Limit
from pipelines.workers.server.pictures import Pictures
from pipelines.workers.server.score import scored
from schemas.messages import pictures
from schemas.requests import Failed, Generate, Generated, Request, Result, Score, WorkerIdentity

if TYPE_CHECKING:
    from PIL import Image

CONCURRENCY, ATTEMPTS, TIMEOUT_S = 256, 8, 600.0
PROBE_S = 30.0
_IN_VAIN = frozenset({200, 400, 422, 500})
"""With these a server may say that it misses a picture; with 200 where the answer itself ends in an error."""


class ServerWorker:
    """Answers generate and score requests through HTTP; embeddings and gradients need `local:`."""

    in_waves = False

    def __init__(
        self,
        identity: WorkerIdentity,
        servers: Sequence[str],
        pictures: Pictures,
        patience: Patience,
        *,
        concurrency: int,
        names: bool = True,
        counter: Counter | None = None,
        api_key: str | None = None,
    ) -> None:
        self.identity = identity
        self._names, self._counter = names, counter
        self._servers, self._pictures, self._patience, self._concurrency = servers, pictures, patience, concurrency
        self._headers = {"Content-Type": "application/json"}
        self._key = (api_key or "").encode()
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._desks: dict[loop.Loop, Desk] = {}
        self._held: dict[str, Held] = {}
        self._probes: set[asyncio.Task[None]] = set()

    @classmethod
    def open(
        cls,
        spec: WorkerSpec,
        load_image: Callable[[str], Image.Image],
        load_bytes: Callable[[str], bytes] | None = None,
    ) -> ServerWorker:
        """Read the spec; no server is asked yet. Raises `ValueError` for an option that cannot be, or if the API key's
        environment variable is not set.
        """
        variable = str(spec.option("api_key_env", ""))
        if variable and not os.environ.get(variable):
            raise ValueError(
                f"worker {spec.url!r} reads its key from the environment variable {variable}, which is not set"
            )
        concurrency = int(_at_least(1, spec, "concurrency", CONCURRENCY))
        timeout_s = _at_least(0.1, spec, "timeout_s", TIMEOUT_S)
        attempt_s = _at_least(0.1, spec, "attempt_s", timeout_s / 2)
        patience = Patience(int(_at_least(1, spec, "attempts", ATTEMPTS)), timeout_s, attempt_s)
        shown = Pictures(load_image, load_bytes)
        processor, context = spec.option("processor", "off"), int(spec.option("max_context", 0))
        counter = None if processor in ("off", False) else Counter.of(str(processor), shown.size, context or None)
        if "resize" in dict(spec.options) and spec.switch("resize"):
            if counter is None:
                raise ValueError(
                    f"worker {spec.url!r}: resize needs to know the model's processor: `processor: FOLDER`"
                )
            shown.resized = counter.resized
        return cls(
            identity_of(spec),
            [f"{address.rstrip('/')}/chat/completions" for address in spec.target.split(",")],
            shown,
            patience,
            concurrency=concurrency,
            names=spec.switch("picture_names"),
            counter=counter,
            api_key=os.environ[variable] if variable else None,
        )

    def answer(self, requests: Sequence[Request]) -> list[Result]:
        """One result per request, in their order; may be called from several threads."""
        return [future.result() for future in [self.submit(request) for request in requests]]

    def submit(self, request: Request) -> Future[Result]:
        """Ask without waiting, from any thread. The future is told on the thread that talks to servers, so what is
        called back there must be quick.
        """
        if isinstance(request, Generate):
            return self._desk().submit(request)
        if isinstance(request, Score):
            return scored(request, self._desk().submit)
        kind, refused = type(request).__name__.lower(), Future[Result]()
        refused.set_result(Failed("unsupported", f"a server answers generate and score requests; {kind} needs local:"))
        return refused

    def _desk(self) -> Desk:
        """The desk on this process's loop: a forked child opens its own."""
        running = loop.running()
        if running not in self._desks:
            limits = {address: Limit(self._concurrency) for address in self._servers}
            self._held = {address: Held(ask=self._names) for address in self._servers}
            self._desks.setdefault(running, Desk(running, limits, self, self._patience))
        return self._desks[running]

    def body(self, request: Generate | Score, address: str) -> Body:
        """What is posted: made for each attempt anew, and let go with it."""
        held = self._held[address]
        names = held.names
        spared = {image_id for image_id in pictures(request.messages) if names and image_id in held}
        count = self._counter.check(request) if self._counter and isinstance(request, Generate) else None
        return self._body(request, names, spared, count)

    def _body(self, request: Generate | Score, names: bool, spared: Collection[str], count: Count | None) -> Body:
        def part(image_id: str) -> Mapping[str, Any]:
            return self._pictures.part(image_id, named=names, spared=image_id in spared)

        data = json.dumps(wire.body_of(request, self.identity.model, part)).encode()
        return Body(data, names, tuple(spared), count)

    async def send(self, request: Generate | Score, address: str, body: Body) -> Reply:
        """One attempt; one in which pictures were spared in vain goes on with all of them. Raises what aiohttp
        raises.
        """
        held = self._held[address]
        try:
            status, reply = await self._post(request, address, body)
            if body.spared and isinstance(reply.result, Failed) and status in _IN_VAIN:
                held.missed(body.spared)
                body = await loop.running().build(partial(self._body, request, held.names, (), body.count))
                status, reply = await self._post(request, address, body)
        except aiohttp.ClientConnectorError:
            held.lost()
            raise
        shown = pictures(request.messages)
        if status == 200 and held.answered(shown, named=body.named, spared=bool(body.spared)):
            task = asyncio.create_task(self._ask_for_names(held, address))
            self._probes.add(task)  # the loop holds tasks weakly
            task.add_done_callback(self._probes.discard)
        return reply

    async def _post(self, request: Generate | Score, address: str, body: Body) -> tuple[int, Reply]:
        status, rest, data = await self._exchange(address, body.data)
        if status == 200:
            return status, Reply(_as_counted(wire.read(data, request), request, body.count), "answered")
        message = f"HTTP {status}: {data[:500].decode(errors='replace')}"
        again = retry.passing(status)
        failed = Failed(f"http_{status}", message, transient=again)
        return status, Reply(failed, "refused" if again else "answered", rest)

    async def _exchange(self, address: str, data: bytes) -> tuple[int, float | None, bytes]:
        """Status, seconds to wait if the server says so, and what it says."""
        session = loop.running().session
        async with session.post(address, data=data, headers=self._headers, allow_redirects=False) as response:
            rest = retry.retry_after(response.headers.get("Retry-After"), time.time())
            said = await response.read()  # what a server says is kept, and some quote the key they were shown
            return response.status, rest, said.replace(self._key, b"<key>") if self._key else said

    async def _ask_for_names(self, held: Held, address: str) -> None:
        try:
            async with asyncio.timeout(PROBE_S):
                asked = probe(self.identity.model, f"nobody-has-{token_hex(8)}")
                status, _, data = await self._exchange(address, asked)
        except (aiohttp.ClientError, OSError):
            held.told(None)
        else:
            held.told(misses(status, data))


def _as_counted(result: Result, request: Generate | Score, count: Count | None) -> Result:
    """The answer with what its prompt came to; a failure where the server has read another prompt than was sent."""
    if count is None or not isinstance(result, Generated):
        return result
    read = result.prompt_tokens or count.prompt_tokens  # 0: the server does not say
    # Where an assistant's turn begins, a tokenizer that sees the whole may join a line break to the next; ours does not
    if abs(read - count.prompt_tokens) > sum(message.role == "assistant" for message in request.messages):
        message = f"the server read {read} tokens, the model's processor makes {count.prompt_tokens}"
        return Failed("another_prompt", message)
    return replace(result, prompt_tokens=read, pixels=count.pixels, visual_tokens=count.visual_tokens)


def _at_least(least: float, spec: WorkerSpec, name: str, usual: float) -> float:
    """The value of an option that is a number. Raises `ValueError` for any other, and for less than `least`."""
    said = spec.option(name, usual)
    try:
        value = float(said)
    except ValueError:
        value = math.nan
    if not value >= least:
        raise ValueError(f"worker {spec.url!r}: {name} must be at least {least:g}, not {said!r}")
    return value
