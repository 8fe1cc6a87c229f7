"""`openai:http://host:8000/v1`: any server that speaks OpenAI's chat completions with pictures, or several of them
with a comma between; vLLM is the one we test.

Requests advance one by one. At most `concurrency` are on their way to one server, however many threads ask; `limit`
finds how many of these are good. Whatever goes wrong becomes a `Failed`, never a text.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from pipelines.workers.identity import WorkerSpec, identity_of
from pipelines.workers.server import loop, retry, wire
from pipelines.workers.server.desk import Desk, Patience, Reply
from pipelines.workers.server.limit import Limit
from pipelines.workers.server.pictures import Pictures
from schemas.requests import Failed, Generate, Request, Result, Score, WorkerIdentity

if TYPE_CHECKING:
    from PIL import Image

CONCURRENCY, ATTEMPTS, TIMEOUT_S = 128, 8, 600.0


class ServerWorker:
    """Answers generate requests through HTTP; embeddings and gradients need `local:`."""

    in_waves = False

    def __init__(
        self,
        identity: WorkerIdentity,
        servers: Sequence[str],
        pictures: Pictures,
        patience: Patience,
        *,
        concurrency: int,
        api_key: str | None = None,
    ) -> None:
        self.identity = identity
        self._servers, self._pictures, self._patience, self._concurrency = servers, pictures, patience, concurrency
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._desks: dict[loop.Loop, Desk] = {}

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
        concurrency, attempts = (
            int(spec.option(name, usual)) for name, usual in (("concurrency", CONCURRENCY), ("attempts", ATTEMPTS))
        )
        timeout_s = float(spec.option("timeout_s", TIMEOUT_S))
        attempt_s = float(spec.option("attempt_s", timeout_s / 2))
        options = {"concurrency": concurrency, "attempts": attempts, "timeout_s": timeout_s, "attempt_s": attempt_s}
        for name, value in options.items():
            if name in ("concurrency", "attempts") and value < 1:
                raise ValueError(f"worker {spec.url!r}: {name} must be at least 1, not {value}")
            if not value > 0:
                raise ValueError(f"worker {spec.url!r}: {name} must be above 0, not {value}")
        return cls(
            identity_of(spec),
            [f"{address.rstrip('/')}/chat/completions" for address in spec.target.split(",")],
            Pictures(load_image, load_bytes),
            Patience(attempts, timeout_s, attempt_s),
            concurrency=concurrency,
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
        kind, refused = type(request).__name__.lower(), Future[Result]()
        refused.set_result(Failed("unsupported", f"a server answers generate requests only; {kind} needs local:"))
        return refused

    def _desk(self) -> Desk:
        """The desk on this process's loop: a forked child opens its own."""
        running = loop.running()
        if running not in self._desks:
            limits = {address: Limit(self._concurrency) for address in self._servers}
            self._desks.setdefault(running, Desk(running, limits, self, self._patience))
        return self._desks[running]

    def body(self, request: Generate | Score, address: str) -> bytes:
        """What is posted: made for each attempt anew, and let go with it."""
        assert isinstance(request, Generate)
        return json.dumps(wire.body_of(request, self.identity.model, self._pictures.part)).encode()

    async def send(self, request: Generate | Score, address: str, body: bytes) -> Reply:
        """One attempt. Raises what aiohttp raises."""
        assert isinstance(request, Generate)
        session = loop.running().session
        async with session.post(address, data=body, headers=self._headers, allow_redirects=False) as response:
            data = await response.read()
        if response.status == 200:
            return Reply(wire.read(data, request), "answered")
        message = f"HTTP {response.status}: {data[:500].decode(errors='replace')}"
        again = retry.passing(response.status)
        failed = Failed(f"http_{response.status}", message, transient=again)
        rest = retry.retry_after(response.headers.get("Retry-After"), time.time())
        return Reply(failed, "refused" if again else "answered", rest)
