"""`vllm:MODEL`: a vLLM server that we start, from an environment of its own, and look after (`slots`, `supervise`).

MODEL is a transformers folder, `seedling`, or a name on the Hugging Face Hub. The server listens on this machine only
and starts with the first request that needs it. Requests are asked as of any other server (`server.worker`); one that
is lost with the server waits until it is back and is asked again, so each is answered once, whatever dies between.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.workers.counting import countable
from pipelines.workers.identity import OPTIONS, WorkerSpec, folder_of, identity_of, on_hub
from pipelines.workers.server.worker import ServerWorker
from pipelines.workers.slots import Slot
from pipelines.workers.store import session
from pipelines.workers.supervise import HOST, Order, State
from schemas.requests import Failed, Request, Result, Vector, WorkerIdentity

if TYPE_CHECKING:
    from PIL import Image

SERVER_PYTHON = ".venv-vllm"
START_S = 900.0
CONCURRENCY = 512
"""Twice what vLLM runs at once by default: as many wait there, so that no place stays empty."""
RETURNS = 3
"""How often a request is asked again after its server was lost: one that kills every server must come to an end."""

_NEUTRAL = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
"""What a request leaves unsaid means nothing; models may bring other defaults with them."""
_STRUCTURED = {"backend": "guidance", "disable_any_whitespace": True}
"""As `local:` guides JSON: a model that may put spaces between its words can put them there until it is cut."""
_ON_CPU = ("--dtype", "float32", "--enforce-eager", "--gpu-memory-utilization", "0.15", "--no-enable-chunked-prefill")
"""As `local:` computes there, started quickly, without a share of all memory, and with prompts read whole: where one is
read in pieces, vLLM 0.32 winds the generator of a request with a seed back, which a CPU's cannot, and the server dies.
"""
_CPU_ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
"""One core is left to the server's other processes and to who asks: a thread that waits for one on a core which they
hold makes a step take three times as long.
"""


class VLLMWorker:
    """Answers as a `ServerWorker` does, of a server that it has started when it is needed."""

    in_waves = False

    def __init__(self, identity: WorkerIdentity, slot: Slot, worker_at: Callable[[str], ServerWorker]) -> None:
        self.identity = identity
        self.slot = slot
        self._worker_at = worker_at
        self._worker: tuple[str, ServerWorker] | None = None
        self._waiters = ThreadPoolExecutor(1, thread_name_prefix="vllm")  # where one waits for the server

    @classmethod
    def open(
        cls,
        spec: WorkerSpec,
        load_image: Callable[[str], Image.Image],
        load_bytes: Callable[[str], bytes] | None = None,
    ) -> VLLMWorker:
        """Read the spec; the first request starts the server. Raises `ValueError` or `FileNotFoundError` with one clear
        line for an option that cannot be, a model that is not there, or an environment without vLLM.
        """
        identity = identity_of(spec)
        order = order_of(spec, identity)
        passed: dict[str, str | int | float] = {"model": order.name}
        passed |= {"processor": str(folder_of(spec))} if not on_hub(spec) and countable(folder_of(spec)) else {}
        passed |= {name: each for name, each in spec.options if name in OPTIONS["openai"]}

        def worker_at(address: str) -> ServerWorker:
            asked = WorkerSpec(f"openai:{address}", options=tuple(passed.items()))
            return ServerWorker.open(asked, load_image, load_bytes)

        worker_at("http://127.0.0.1/v1")  # says now what it would say when the server is there
        return cls(identity, Slot(str(spec.option("slot", spec.url)), order), worker_at)

    def answer(self, requests: Sequence[Request]) -> list[Result]:
        """One result per request, in their order; may be called from several threads."""
        return [future.result() for future in [self.submit(request) for request in requests]]

    def submit(self, request: Request) -> Future[Result]:
        """Ask without waiting, from any thread; a server that cannot be had is a `Failed` of kind `server`."""
        future = Future[Result]()
        self._waiters.submit(self._begin, request, future)
        return future

    def _begin(self, request: Request, future: Future[Result]) -> None:
        if future.set_running_or_notify_cancel():
            self._ask(request, future, attempts=0, returns=0)

    def _ask(
        self, request: Request, future: Future[Result], attempts: int, returns: int, lost: State | None = None
    ) -> None:
        try:
            state = self.slot.enter(lost)
            worker = self._worker_of(state.address)
        except Exception as error:  # `ServerFailed` mostly; whatever it is, the request must end
            future.set_result(Failed("server", str(error), transient=True, attempts=attempts + 1))
            return
        asked = worker.submit(request)
        asked.add_done_callback(partial(self._came_back, request, future, attempts, returns, state))

    def _worker_of(self, address: str) -> ServerWorker:
        if self._worker is None or self._worker[0] != address:
            self._worker = address, self._worker_at(address)
        return self._worker[1]

    def _came_back(
        self, request: Request, future: Future[Result], attempts: int, returns: int, state: State, asked: Future[Result]
    ) -> None:
        """Hand the result on; if the server was lost, ask again when it is back. Runs where nothing may wait."""
        self.slot.leave()
        result = asked.result()
        if isinstance(result, Failed) and returns < RETURNS and self._lost(result, state):
            self._waiters.submit(self._ask, request, future, attempts + result.attempts, returns + 1, state)
        elif isinstance(result, Vector):
            future.set_result(result)
        else:
            future.set_result(replace(result, attempts=result.attempts + attempts))

    def _lost(self, failed: Failed, state: State) -> bool:
        """Whether the server is at fault: who cannot be reached is dead, even where that is not yet known."""
        return failed.kind == "connection" or (failed.transient and not self.slot.still(state))


def order_of(spec: WorkerSpec, identity: WorkerIdentity) -> Order:
    """The server that a spec means, under a name that tells its weights, so that no other is ever taken for it.

    Chat templates get the parts of a message as they are. Where vLLM cannot tell that a template reads parts, it would
    join them, with a line break after each picture, and the model would read another prompt than from `local:`.
    """
    python, package = server_of(Path(str(spec.option("server_python", SERVER_PYTHON))).expanduser(), spec.url)
    on_cpu = package == "vllm-cpu"
    command = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--host", HOST, "--port", "{port}"]
    command += ["--model", spec.target if on_hub(spec) else str(folder_of(spec).resolve())]
    command += ["--served-model-name", identity.name, "--override-generation-config", json.dumps(_NEUTRAL)]
    command += ["--revision", spec.revision] if spec.revision and on_hub(spec) else []
    command += ["--max-model-len", str(spec.option("max_context", 0))] if spec.option("max_context", 0) else []
    command += ["--chat-template-content-format", "openai", "--structured-outputs-config", json.dumps(_STRUCTURED)]
    command += [*(_ON_CPU if on_cpu else ()), "--disable-uvicorn-access-log"]
    environment = {
        "PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)]),
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
    }
    if on_cpu:
        environment |= {name: os.environ.get(name, usual) for name, usual in _CPU_ENVIRONMENT.items()}
        environment["OMP_NUM_THREADS"] = str(max(1, len(os.sched_getaffinity(0)) - 1))
    _, pid, born = session()
    return Order(
        name=identity.name,
        command=(*command, *shlex.split(str(spec.option("arguments", "")))),
        environment=environment,
        owner=(pid, born),
        start_s=float(spec.option("start_s", START_S)),
    )


def server_of(place: Path, url: str) -> tuple[Path, str]:
    """The Python of a server's environment (its folder or the program), and which of vLLM's packages it has."""
    python = (place / "bin" / "python" if place.is_dir() else place).absolute()
    code = "from importlib.metadata import packages_distributions as p; print(*p().get('vllm', ()))"
    try:
        told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        return python, told.stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        raise FileNotFoundError(
            f"worker {url!r}: there is no vLLM in {place}; `make vllm` builds .venv-vllm, or name another environment"
            " by the option `server_python`"
        ) from None
