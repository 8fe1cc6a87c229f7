"""Small rounds in child processes: what the end-to-end tests stand on.

Children are forked from a server that has imported the heavy libraries once, so that a killed and resumed round costs
its own work and not ten imports of torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil

from flows.quiet import QUIET

TINY = """
name: {name}
seed: 3
policy: {{url: "local:seedling"}}
embedder: {{url: "embed:clip"}}
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
    kill_group(process.pid)  # nothing that it started may outlive it
    process.join(30)
    assert process.exitcode == 0, f"exit code {process.exitcode}\n{log.read_text()[-4000:]}"


def command(*arguments: str, log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start `evolens …` as a user does, in a process group of its own; its output goes to `log`."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            env=environment,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


def watched(log: Path) -> dict[str, str]:
    """An environment that tells no library to be quiet, and in which `watched/sitecustomize.py` writes to `log`."""
    telling = {*QUIET, "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"}
    kept = {name: value for name, value in os.environ.items() if name not in telling}
    paths = [str(Path(__file__).parent / "watched"), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "WATCH_LOG": str(log)}


def _child(target: Callable[..., None], arguments: Sequence[Any], log: str) -> None:
    os.setsid()
    with open(log, "a") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    import torch

    torch.set_num_threads(1)
    try:
        target(*arguments)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def run_plain(recipe: str, lake: str) -> None:
    """A whole round without Prefect: what Prefect's tasks call, in their order."""
    from flows.engine import run_node
    from flows.running import begin, finish, open_plan

    plan = open_plan(recipe, lake, None, {})
    run = begin(plan, range(1, plan.recipe.rounds + 1))
    for node in plan.nodes.values():
        run_node(plan, node, run)
    finish(plan, run)


def run_prefect(recipe: str, lake: str, server: str) -> None:
    """A whole round as the Prefect UI runs it, on a server."""
    os.environ["PREFECT_API_URL"] = server
    from flows.flywheel import flywheel

    flywheel(recipe=recipe, lake=lake)


def publish_prefect(recipe: str, lake: str, out: str, server: str) -> None:
    """Publish into a folder, then replay a stage without failures, as the Prefect UI runs them, on a server."""
    os.environ["PREFECT_API_URL"] = server
    from flows.publish import publish
    from flows.replay import replay

    told = publish(recipe=recipe, lake=lake, out=out)
    assert told["folder"] == out
    assert replay(stage="difficulty", recipe=recipe, lake=lake)["made"] is False


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


def kill_group(leader: int | None) -> None:
    """SIGKILL to a process group: to a child and everything it started."""
    assert leader is not None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def alive(name: str, value: str) -> list[str]:
    """Command lines of the living processes in whose environment `name` is `value`, wherever they hang."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(name) == value:
                found.append(" ".join(process.cmdline()))
    return found
