"""Small rounds in child processes: what the end-to-end tests stand on.

Children are forked from a server that has imported the heavy libraries once, so that a killed and resumed round costs
its own work and not ten imports of torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

TINY = """
name: {name}
seed: 3
policy: {{url: "local:seedling"}}
embedder: {{url: "embed:seedling"}}
sources:
  - {{name: photographs, path: {photographs}, format: imagefolder, limit: 1}}
tasks:
  - {{task: counting, dial: 0, count: 8}}
  - {{task: search, dial: 0, count: 4}}
  - {{task: charts, dial: 0, count: 2}}
  - {{task: geometry, dial: 0, count: 2}}
banks:
  counting: {{task: counting, dial: 0, count: 6}}
  search: {{task: search, dial: 0, count: 4}}
targets:
  counting_target: {{task: counting, dial: 0, count: 4}}
execution: {{part_rows: 8, wave_rows: 8, max_failed: 0.0}}
stages:
  explore: {{attempts: 1, max_tokens: 60}}
  difficulty: {{rollouts: 4, max_tokens: 60, iterations: 1}}
  influence: {{dimension: 64}}
  curate:
    eligible: task <> 'ingested'
    sql: >-
      SELECT sample_id, CASE WHEN hash(cluster_id) % 2 = 0 OR trace_id IS NULL THEN 'rl' ELSE 'sft' END AS split
      FROM pool ORDER BY sample_id
  sft: {{steps: 3, batch: 4}}
  grpo: {{steps: 2, prompts: 2, generations: 4, max_completion: 120}}
  evaluate: {{max_tokens: 60}}
"""

PRELOAD = ["torch", "transformers", "trl", "apache_beam", "duckdb", "faiss", "flows.running"]
EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(PRELOAD)


def write_recipe(folder: Path, name: str = "tiny", text: str = TINY) -> Path:
    """The tiny recipe as a file."""
    path = folder / f"{name}.yaml"
    path.write_text(text.format(name=name, photographs=EXAMPLES / "photographs"))
    return path


def start(target: Callable[..., None], *arguments: Any, log: Path) -> ForkServerProcess:
    """Start a child in a process group of its own; its output goes to `log`."""
    process = _CONTEXT.Process(target=_child, args=(target, arguments, str(log)))
    process.start()
    return process


def finish(process: ForkServerProcess, log: Path, timeout: float = 600.0) -> None:
    """Wait for a child and fail with its log unless it ended well."""
    process.join(timeout)
    kill_group(process)  # nothing that it started may outlive it
    assert process.exitcode == 0, f"exit code {process.exitcode}\n{log.read_text()[-4000:]}"


def _child(target: Callable[..., None], arguments: Sequence[Any], log: str) -> None:
    os.setsid()
    with open(log, "a") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    _refuse_the_world()
    import torch

    torch.set_num_threads(1)
    try:
        target(*arguments)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _refuse_the_world() -> None:
    """No socket but loopback: a round that reaches for anything else ends."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = str(address[0]) if isinstance(address, tuple) else ""
        if isinstance(address, tuple) and not (host.startswith("127.") or host in {"localhost", "::1", "0.0.0.0"}):
            print(f"REFUSED {host}", flush=True)
            raise PermissionError(f"a round tried to reach {host}")
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign]


def run_plain(recipe: str, lake: str) -> None:
    """A whole round without Prefect: what Prefect's tasks call, in their order."""
    from flows.engine import run_node
    from flows.running import begin, finish, open_plan

    plan = open_plan(recipe, lake, None, {})
    run = begin(plan, range(1, plan.recipe.rounds + 1))
    for node in plan.nodes.values():
        run_node(plan, node, run)
    finish(plan, run)


def run_prefect(recipe: str, lake: str) -> None:
    """A whole round as `evolens run` and the Prefect UI run it; with no server given, Prefect starts its own."""
    from flows.flywheel import flywheel

    flywheel(recipe=recipe, lake=lake)


def data_hashes(lake: Path) -> dict[str, str]:
    """Hash of every data file of a lake (tables, packs, artifacts): all but measurements, runs and the catalog."""
    from schemas.arrow import MEASUREMENTS

    found = {}
    for path in sorted(lake.rglob("*")):
        name = str(path.relative_to(lake))
        first = name.split("/", maxsplit=1)[0]
        if (
            path.is_file()
            and not first.startswith("_")
            and first not in MEASUREMENTS
            and "/" in name
            and first != "cards"
        ):
            found[name] = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    return found


def kill_group(process: ForkServerProcess) -> None:
    """SIGKILL to the child and everything it started."""
    assert process.pid is not None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, 9)
    process.join(30)
