"""What `kill -9` costs amid many trees; `python -m benchmarks.difficulty.killed LAKE URL COUNT` is what gets killed.

On `local:` the lake must end byte for byte as one that nobody disturbed; what a kill costs is the parts that were under
way. On a server no finished request may be asked again, which its own count must show: tests/benchmarks/test_killed.py.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.problems import Cell, Drawn, Problems
from pipelines import difficulty
from pipelines.lake import Lake, Manifest
from pipelines.workers import WorkerSpec

KILLS = 5
PART = 25
ASKED: dict[str, Any] = {
    "rollouts": 2, "search": "always", "iterations": 6, "stop": "budget", "max_tokens": 64, "max_turns": 1
}  # fmt: skip
"""A tree for every sample."""


def draw(root: Path, count: int) -> Problems:
    """As many questions as there shall be trees."""
    return Problems.draw(Lake(root), Drawn(cells=(Cell(task="counting", dial=2, count=count),), seed=31))


def run(root: Path, url: str, count: int) -> Manifest:
    """Measure their difficulty. At a server all are in flight at once; here a part of them is."""
    spec, rows = WorkerSpec(url), PART
    if spec.scheme != "local":
        options = {"model": "tiny", "concurrency": count, "timeout_s": 120, "picture_names": "off"}
        spec, rows = WorkerSpec(url, "1", tuple(options.items())), count
    parameters = difficulty.Parameters(**ASKED)
    return draw(root, count).ask(
        difficulty.STAGE, parameters, spec, part_rows=rows, wave_rows=rows, concurrency=count, max_failed=0.0
    )


def data(root: Path) -> dict[str, str]:
    """Hash of every data file of a lake."""
    lake = Lake(root)
    parts = [part for key in lake.keys() for part in lake.verify(key).parts]  # noqa: SIM118 - a lake is no mapping
    return {part.name: part.hash for part in parts if part.table not in ("cost", "failures_detail")}


def start(root: Path, url: str, count: int, **environment: str) -> subprocess.Popen[bytes]:
    """The measurement in a process of its own, and a group, so that it can be killed with all it started."""
    command = [sys.executable, "-m", __name__, str(root), url, str(count)]
    return subprocess.Popen(
        command, cwd=measure.ROOT, env={**os.environ, "HF_HUB_OFFLINE": "1", **environment}, start_new_session=True
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Its whole group, at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def receipts(root: Path) -> int:
    """Parts that are done of stages that are not."""
    return len(list((root / "_work").glob("*/part-*.json")))


def measured(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Kill it so many times on `local:`, let it end, and compare the lake with an undisturbed one."""
    whole, broken = work / "whole", work / "broken"
    for root in (whole, broken):
        shutil.rmtree(root, ignore_errors=True)
        draw(root, options.trees)
    began = time.perf_counter()
    assert start(whole, "local:seedling", options.trees).wait() == 0
    seconds, moments, kept = time.perf_counter() - began, random.Random(32), []
    for _ in range(KILLS):
        process, known = start(broken, "local:seedling", options.trees), receipts(broken)
        while process.poll() is None and receipts(broken) <= known:
            time.sleep(0.02)  # at work again, with one part more
        time.sleep(moments.uniform(0.0, 0.1) * seconds)
        kill(process)
        kept.append(receipts(broken))
    assert start(broken, "local:seedling", options.trees).wait() == 0
    nodes = {row["sample_id"] for row in _rows(whole, "tree_nodes")}
    return {
        "trees": len(nodes),
        "problems": options.trees,
        "kills": KILLS,
        "parts_done_at_each": kept,
        "of_parts": -(-options.trees // PART),
        "files": len(data(whole)),
        "byte_identical": data(whole) == data(broken),
        "met": data(whole) == data(broken),
    }


def _rows(root: Path, table: str) -> list[dict[str, Any]]:
    lake = Lake(root)
    rows: list[dict[str, Any]] = lake.read(lake.keys(), table).to_pylist()
    return rows


def table(result: dict[str, Any]) -> str:
    """As Markdown."""
    done = ", ".join(map(str, result["parts_done_at_each"]))
    lines = ["| trees | kills | parts done at each | byte-identical |", "|---|---|---|---|"]
    lines.append(
        f"| {result['trees']} | {result['kills']} | {done} of {result['of_parts']} | {result['byte_identical']} |"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
