"""The tool server: `reset`, `step` and `release` of many trajectories over HTTP, for rollouts on other machines.

Pictures stay here between the steps of a trajectory, so what it holds is bounded: trajectories and memory by count,
each request by size, and what nobody asks for any more by time. It knows no users and no secrets: who can reach its
port can use it, so it listens to this machine alone unless told otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

import uvicorn
from PIL import Image
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pipelines.tools import LIBRARIES, OFFERED, TOOLS
from pipelines.tools.calls import schema
from pipelines.tools.environment import Full, LocalEnvironment, NotOpen, Rules
from pipelines.tools.remote import wire
from schemas.recipe import explain

Body = TypeVar("Body", bound=BaseModel)
MIB = 2**20


@dataclass(frozen=True)
class Bounds:
    """What a server takes on.

    `trajectories` open at once; `memory` MiB of pictures in all of them; `request` MiB of one body; `images` of one
    trajectory; `idle` seconds after which one that nobody asked for is released; `tools` that may be called.
    """

    trajectories: int = 1024
    memory: int = 4096
    request: int = 64
    images: int = 32
    idle: float = 600.0
    tools: tuple[str, ...] = OFFERED


def application(bounds: Bounds) -> Starlette:
    """The server as an ASGI application."""
    environment = LocalEnvironment(bounds.trajectories, bounds.memory * MIB)

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"ok": True, "open": environment.open, "idle": bounds.idle})

    async def tools(_: Request) -> JSONResponse:
        libraries = {name: version(name) for name in LIBRARIES}
        return JSONResponse({"tools": [schema(TOOLS[name]) for name in bounds.tools], "libraries": libraries})

    async def reset(request: Request) -> JSONResponse:
        sent = await _body(request, wire.Reset, bounds)
        rules = Rules(sent.rules.turns, sent.rules.images, sent.rules.tools)
        _allowed(sent, rules, bounds)
        await run_in_threadpool(lambda: environment.reset(sent.trajectory, _pictures(sent.images, bounds), rules))
        return JSONResponse({"images": len(sent.images)})

    async def step(request: Request) -> JSONResponse:
        sent = await _body(request, wire.Advance, bounds)
        turn = wire.turn_of(sent.turn)
        answer = await run_in_threadpool(lambda: wire.step_json(environment.step(sent.trajectory, turn)))
        return JSONResponse(answer)

    async def release(request: Request) -> JSONResponse:
        environment.release((await _body(request, wire.Release, bounds)).trajectory)
        return JSONResponse({})

    @contextlib.asynccontextmanager
    async def sweeping(_: Starlette) -> AsyncIterator[None]:
        async def sweep() -> None:
            while True:
                await asyncio.sleep(min(15.0, bounds.idle / 4))
                environment.expire(bounds.idle)

        task = asyncio.create_task(sweep())
        yield
        task.cancel()

    routes = [
        Route("/health", health),
        Route("/tools", tools),
        *(Route(f"/{each.__name__}", each, methods=["POST"]) for each in (reset, step, release)),
    ]
    return Starlette(routes=routes, exception_handlers=ERRORS, lifespan=sweeping)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises `OSError` with a clear message."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sends small answers at once only where it is (TCP_NODELAY).
    where = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        where.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        where.bind((host, port))
        where.listen(2048)
    except OSError as error:
        where.close()
        raise OSError(f"cannot listen on {host}, port {port}: {error.strerror}") from error
    return where


def serve(bounds: Bounds, where: socket.socket) -> None:
    """Answer on that socket until interrupted."""
    config = uvicorn.Config(
        application(bounds), log_level="warning", timeout_keep_alive=75, timeout_graceful_shutdown=5
    )
    uvicorn.Server(config).run(sockets=[where])


async def _body(request: Request, model: type[Body], bounds: Bounds) -> Body:
    """The request's body. Raises `HTTPException` where it is too large or not what is asked for."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > bounds.request * MIB:
            raise HTTPException(413, f"the request is larger than {bounds.request} MiB")
    try:
        return model.model_validate_json(bytes(data))
    except ValidationError as error:
        broken = error.errors()[0]["type"] == "json_invalid"
        said = (
            f"{request.url.path}: the body is not valid JSON"
            if broken
            else explain(error, model, request.url.path).splitlines()[0]
        )
        raise HTTPException(400, said) from None


def _allowed(sent: wire.Reset, rules: Rules, bounds: Bounds) -> None:
    for wanted in rules.tools:
        if wanted not in bounds.tools:
            raise HTTPException(400, f"this server does not offer {wanted}; it offers {', '.join(bounds.tools)}")
    if max(rules.images, len(sent.images)) > bounds.images:
        raise HTTPException(400, f"a trajectory may show at most {bounds.images} pictures here")


def _pictures(texts: list[str], bounds: Bounds) -> list[Image.Image]:
    read: list[Image.Image] = []
    size = 0
    for number, text in enumerate(texts, 1):
        try:
            read.append(wire.picture(text))
        except ValueError as error:
            raise HTTPException(400, f"picture {number}: {error}") from None
        size += 4 * read[-1].width * read[-1].height
        if size > bounds.memory * MIB:  # small files can hold large pictures: not all of them are unpacked to see it
            raise HTTPException(413, f"picture {number}: with it the pictures take more than {bounds.memory} MiB")
    return read


def _answer(status: Callable[[Exception], int]) -> Callable[[Request, Exception], JSONResponse]:
    """A handler that says in one sentence what was wrong."""

    def handle(_: Request, error: Exception) -> JSONResponse:
        said = error.detail if isinstance(error, HTTPException) else str(error)
        return JSONResponse({"error": said}, status_code=status(error))

    return handle


def _failed(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": f"the tool server failed: {type(error).__name__}: {error}"}, status_code=500)


ERRORS: Mapping[Any, Any] = {
    HTTPException: _answer(lambda error: error.status_code if isinstance(error, HTTPException) else 500),
    NotOpen: _answer(lambda _: 410),
    Full: _answer(lambda _: 503),
    Exception: _failed,
}
