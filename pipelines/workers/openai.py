"""`openai:http://host:8000/v1`: any server that speaks OpenAI's chat completions with pictures; vLLM is the one we
test.

Requests advance one by one; at most `concurrency` of one worker are on their way, however many threads ask it. What may
pass is tried again (408, 429 as `Retry-After` says, 5xx, broken connections, time-outs); any other refusal is final.
The time limit covers a request with all its attempts, and nothing waits beyond it. Whatever goes wrong becomes a
`Failed`, never a text.

Two conventions differ from `local:` on the wire, not in what the model reads. A tool's turn travels as a user turn
between `<tool_response>` marks, because the protocol's tool role carries neither pictures nor calls written as text;
Qwen's template renders both alike. Servers cut stop strings off: one that the server names (vLLM's `stop_reason`) is
put back, and so is a closing tag whose opening tag stands in the text. Whether any other stop string ended a text only
the server knows; where it does not say, the request fails, because half a turn must not be taken for a whole one. So
tree search, which stops at `;`, needs a server that has `stop_reason`.
"""

from __future__ import annotations

import asyncio
import base64
import io
import os
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx

from pipelines.workers.identity import WorkerSpec, identity_of
from schemas.messages import Message, Text, pictures
from schemas.requests import Failed, Generate, Generated, Request, Result, WorkerIdentity

if TYPE_CHECKING:
    from PIL import Image

_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_SENT_AS_THEY_ARE = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_REMEMBERED_PICTURES = 256


@dataclass(frozen=True)
class _Server:
    """Where to ask, and how patiently. `timeout_s` bounds one request with all its attempts."""

    address: str
    model: str
    api_key: str | None
    concurrency: int
    attempts: int
    timeout_s: float
    first_pause_s: float = 0.5


class OpenAIWorker:
    """Answers generate requests through HTTP; scores, embeddings and gradients need `local:`."""

    in_waves = False

    def __init__(
        self,
        server: _Server,
        identity: WorkerIdentity,
        load_image: Callable[[str], Image.Image],
        load_bytes: Callable[[str], bytes] | None,
    ) -> None:
        self.identity = identity
        self._server = server
        self._load_image = load_image
        self._load_bytes = load_bytes
        self._uris: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()
        self._gate = threading.Semaphore(server.concurrency)

    @classmethod
    def open(
        cls,
        spec: WorkerSpec,
        load_image: Callable[[str], Image.Image],
        load_bytes: Callable[[str], bytes] | None = None,
    ) -> OpenAIWorker:
        """Read the spec; no server is asked yet. Raises `ValueError` for an option that cannot be, or if the API key's
        environment variable is not set.
        """
        identity = identity_of(spec)
        variable = str(spec.option("api_key_env", ""))
        if variable and not os.environ.get(variable):
            raise ValueError(
                f"worker {spec.url!r} reads its key from the environment variable {variable}, which is not set"
            )
        if int(spec.option("concurrency", 8)) < 1:
            raise ValueError(f"worker {spec.url!r}: concurrency must be at least 1")
        server = _Server(
            address=spec.target.rstrip("/") + "/chat/completions",
            model=identity.model,
            api_key=os.environ[variable] if variable else None,
            concurrency=int(spec.option("concurrency", 8)),
            attempts=int(spec.option("attempts", 5)),
            timeout_s=float(spec.option("timeout_s", 300)),
        )
        return cls(server, identity, load_image, load_bytes)

    def answer(self, requests: Sequence[Request]) -> list[Result]:
        """One result per request, in their order; may be called from several threads."""
        results: list[Result] = []

        def work() -> None:  # a thread of its own, because the caller may stand inside a running event loop
            results.extend(asyncio.run(self._answer_all(requests)))

        thread = threading.Thread(target=work, name="openai-worker", daemon=True)
        thread.start()
        thread.join()
        if len(results) != len(requests):
            raise RuntimeError("the thread that talks to the server died")
        return results

    async def _answer_all(self, requests: Sequence[Request]) -> list[Result]:
        headers = {"Authorization": f"Bearer {self._server.api_key}"} if self._server.api_key else {}
        limits = httpx.Limits(max_connections=self._server.concurrency)
        # The time limit is kept around each attempt; the client's own counts every read anew.
        async with httpx.AsyncClient(headers=headers, limits=limits, timeout=self._server.timeout_s) as client:
            return list(await asyncio.gather(*(self._answer(client, request) for request in requests)))

    async def _answer(self, client: httpx.AsyncClient, request: Request) -> Result:
        if not isinstance(request, Generate):
            kind = type(request).__name__.lower()
            return Failed("unsupported", f"an openai: worker answers generate requests only; {kind} needs local:")
        await asyncio.to_thread(self._gate.acquire)  # waiting in a thread: each call of `answer` has its own event loop
        try:
            try:
                body = self._body(request)
            except Exception as error:  # whatever a picture loader raises costs its own request only
                return Failed("bad_picture", f"{type(error).__name__}: {error}")
            return await self._persist(client, request, body)
        finally:
            self._gate.release()

    async def _persist(self, client: httpx.AsyncClient, request: Generate, body: dict[str, Any]) -> Result:
        """Attempts until an answer, a final refusal, the last attempt, or the end of the time limit."""
        deadline = time.monotonic() + self._server.timeout_s
        jitter = random.Random(request.request_id)
        trouble = Failed("timeout", f"no answer within {self._server.timeout_s:g} s", transient=True)
        for attempt in range(1, self._server.attempts + 1):
            pause = self._server.first_pause_s * 2 ** (attempt - 1) * (0.5 + jitter.random())
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    response = await client.post(self._server.address, json=body)
            except TimeoutError:
                return Failed(trouble.kind, trouble.message, transient=True, attempts=attempt)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                return Failed("bad_address", f"{self._server.address}: {error}", attempts=attempt)
            except httpx.HTTPError as error:
                trouble = Failed("connection", f"{type(error).__name__}: {error}", transient=True, attempts=attempt)
            else:
                if response.status_code == 200:
                    return _read(response, request, attempt)
                message = f"HTTP {response.status_code}: {response.text[:500]}"
                if response.status_code not in _PASSING:
                    return Failed(f"http_{response.status_code}", message, transient=False, attempts=attempt)
                trouble = Failed(f"http_{response.status_code}", message, transient=True, attempts=attempt)
                pause = _retry_after(response) or pause
            if attempt == self._server.attempts or time.monotonic() + pause >= deadline:
                break
            await asyncio.sleep(pause)
        return trouble

    def _body(self, request: Generate) -> dict[str, Any]:
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self._server.model,
            "messages": self._chat(request.messages),
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": request.seed % 2**63,
        }
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if request.messages[-1].role == "assistant":  # vLLM's way to say: go on with this turn
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        return body

    def _chat(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        uris = {image_id: self._uri(image_id) for image_id in dict.fromkeys(pictures(messages))}
        chat: list[dict[str, Any]] = []
        for message in messages:
            if message.role in ("system", "assistant"):
                chat.append({"role": message.role, "content": message.text})
                continue
            parts: list[dict[str, Any]] = [
                {"type": "text", "text": part.text}
                if isinstance(part, Text)
                else {"type": "image_url", "image_url": {"url": uris[part.image_id]}}
                for part in message.parts
            ]
            if message.role == "tool":
                opening, closing = (
                    {"type": "text", "text": text} for text in ("<tool_response>\n", "\n</tool_response>")
                )
                parts = [opening, *parts, closing]
            chat.append({"role": "user", "content": parts})
        return chat

    def _uri(self, image_id: str) -> str:
        with self._lock:
            known = self._uris.get(image_id)
        if known is None:
            known = _data_uri(
                self._load_bytes(image_id) if self._load_bytes else None, lambda: self._load_image(image_id)
            )
            with self._lock:
                self._uris[image_id] = known
                if len(self._uris) > _REMEMBERED_PICTURES:
                    self._uris.popitem(last=False)
        return known


def _data_uri(original: bytes | None, load: Callable[[], Image.Image]) -> str:
    """The original file where every reader sees the same RGB pixels in it as we do; a PNG of our pixels otherwise."""
    from PIL import Image

    if original is not None:
        with Image.open(io.BytesIO(original)) as file:
            upright = file.getexif().get(0x0112, 1) == 1
            if file.format in _SENT_AS_THEY_ARE and file.mode == "RGB" and upright:
                return f"data:{_SENT_AS_THEY_ARE[file.format]};base64,{base64.b64encode(original).decode()}"
    buffer = io.BytesIO()
    load().convert("RGB").save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the server asks us to wait; it may say a number or a date."""
    said = response.headers.get("retry-after", "").strip()
    if not said:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return None


def _read(response: httpx.Response, request: Generate, attempt: int) -> Result:
    """The answer in a 200; one that does not hold what the protocol promises is a failure, not an empty text."""
    try:
        body = response.json()
        choice = body["choices"][0]
        text, reason, usage = choice["message"]["content"], choice["finish_reason"], body.get("usage") or {}
        counts = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        return Failed("malformed", f"{type(error).__name__}: {error} in {response.text[:300]}", attempts=attempt)
    if not isinstance(text, str) or reason not in ("stop", "length"):
        return Failed("malformed", f"finish_reason {reason!r}, content {text!r}"[:500], attempts=attempt)
    unsure = [stop for stop in request.sampling.stop if not stop.startswith("</") and not text.endswith(stop)]
    if reason == "stop" and unsure and "stop_reason" not in choice:
        message = f"the server does not say (`stop_reason`) whether the text was cut at one of {unsure}; vLLM does"
        return Failed("silent_stop", message, attempts=attempt)
    if reason == "stop":
        text += _stop_string(text, choice.get("stop_reason"), request.sampling.stop)
    return Generated(text, reason, *counts)


def _stop_string(text: str, named: object, stops: Sequence[str]) -> str:
    """The stop string that ended `text` and that the server cut off; empty where the model ended by itself."""
    if isinstance(named, str) and named in stops:
        return "" if text.endswith(named) else named
    for stop in stops:
        if stop.startswith("</") and text.rfind(stop.replace("</", "<", 1)) > text.rfind(stop):
            return stop
    return ""
