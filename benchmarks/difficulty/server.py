"""The search at a vLLM server: how busy the server is, and problems per second by the number of trees in flight.

Each number of trees is measured in a fresh process (`python -m benchmarks.difficulty.server …`), which tells its peak
memory. Busy is its tokens per second over those of the same server in a closed loop over the very requests that the
trees made, with ready-made bodies and never fewer than `SATURATED` of them at the server (design §11).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.problems import Cell, Drawn, Problems
from benchmarks.searched import STAGE
from benchmarks.workers import body_of, closed_loop
from pipelines import workers
from pipelines.lake import Lake
from pipelines.runner import run_stage
from pipelines.stage import StageCall, WorkerSpec
from pipelines.treesearch import Searching
from pipelines.workers.slots import stop
from pipelines.workers.vllm import CONCURRENCY, VLLMWorker
from schemas.requests import Generate, Request, Result, Server

MIX = (("counting", 0), ("counting", 1), ("charts", 0))
ITERATIONS = 2
PROBLEMS = {1: 12, 4: 48, 16: 128, 64: 384, 256: 1024, 1024: 2048}
"""Enough for each number of trees that the first and the last of them are few, and the whole takes ten minutes."""
RECORDED = 2000
WANTED = 0.9


class Recorded:
    """A server, and what it was asked."""

    in_waves = False

    def __init__(self, worker: Server) -> None:
        self.identity, self._worker = worker.identity, worker
        self.asked: list[Generate] = []

    def answer(self, requests: Sequence[Request]) -> list[Result]:
        """In their order."""
        return [future.result() for future in [self.submit(request) for request in requests]]

    def submit(self, request: Request) -> Future[Result]:
        """Ask without waiting."""
        assert isinstance(request, Generate)
        self.asked.append(request)
        return self._worker.submit(request)


CONNECTED: list[Recorded] = []
"""Where this process finds the worker that the engine has connected."""


def connect(spec: workers.WorkerSpec, *loaders: Any) -> Recorded:
    """What a stage calls for its worker."""
    worker = workers.connect(spec, *loaders)
    assert isinstance(worker, Server)
    CONNECTED.append(Recorded(worker))
    return CONNECTED[-1]


def drawn(most: int) -> Drawn:
    """As many problems as the largest number of trees needs."""
    return Drawn(cells=tuple(Cell(task=task, dial=dial, count=-(-most // len(MIX))) for task, dial in MIX), seed=41)


def search(lake: Path, address: str, model: str, trees: int, seed: int, bodies: Path) -> dict[str, Any]:
    """So many trees at once; what they asked goes to a file of ready-made bodies."""
    problems = Problems.draw(Lake(lake), drawn(max(PROBLEMS.values())))
    options = {"model": model, "concurrency": CONCURRENCY, "cache": "off"}
    spec = workers.WorkerSpec(f"openai:{address}", None, tuple(options.items()))
    count = PROBLEMS[trees]
    p = Searching(preset="thinklite", stop="budget", iterations=ITERATIONS, max_turns=1, seed=seed)
    some = replace(STAGE, sql=f"SELECT * FROM samples ORDER BY md5(sample_id) LIMIT {count}")
    worker = WorkerSpec(workers.identity_of(spec), partial(connect, spec))
    began = time.perf_counter()
    done = run_stage(problems.lake, StageCall(some, p, (problems.key,), worker, part_rows=count, concurrency=trees))
    seconds = time.perf_counter() - began
    rows = problems.lake.read(done.key, "difficulty").to_pylist()
    (seen,) = CONNECTED
    asked = seen.asked
    bodies.write_bytes(b"\n".join(body_of(request, model) for request in asked[:: max(1, len(asked) // RECORDED)]))
    return {
        "problems": len(rows),
        "requests": len(asked),
        "failed": done.counts.failed,
        "seconds": round(seconds, 2),
        "problems_per_second": round(len(rows) / seconds, 3),
        "tokens_per_second": round(sum(row["tokens"] for row in rows) / seconds, 1),
        "peak_mib": measure.peak_mib(),
    }


def measured(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One server, the numbers of trees one after the other, and its saturated pace before and after them."""
    Problems.draw(Lake(work / "lake"), drawn(max(PROBLEMS.values())))
    settings = (("server_python", options.server_python),)
    spec = workers.WorkerSpec("vllm:seedling", options=settings)
    worker = VLLMWorker.open(spec, Lake(work / "lake").image)
    bodies = work / "bodies"
    found: dict[str, dict[str, Any]] = {}
    try:
        state = worker.slot.enter()
        worker.slot.leave()
        address, model = f"http://127.0.0.1:{state.port}/v1", state.order.name

        def turn(trees: int, seed: int) -> dict[str, Any]:
            asked = [str(work / "lake"), address, model, str(trees), str(seed), str(bodies)]
            told = measure.child(["-m", __name__, *asked])
            print(f"{trees} trees: {told}", file=sys.stderr, flush=True)
            return told

        def saturated() -> float:
            pace = asyncio.run(closed_loop(address.removesuffix("/v1"), bodies.read_bytes().splitlines()))
            print(f"saturated: {pace:.0f} tokens/s", file=sys.stderr, flush=True)
            return pace

        turn(64, 0)  # the server sees its first pictures, and we the requests
        paces = [saturated()]
        for trees in options.in_flight:
            found[str(trees)] = turn(trees, 1 + trees)
        paces.append(saturated())
    finally:
        stop(worker.slot.folder)
    full = statistics.mean(paces)
    for each in found.values():
        each["busy"] = round(each["tokens_per_second"] / full, 3)
    best = max(each["busy"] for each in found.values())
    return {
        "mix": MIX,
        "iterations": ITERATIONS,
        "trees_in_flight": found,
        "saturated_tokens_per_second": measure.spread(paces, 1),
        "wanted": {"busy": WANTED},
        "met": best >= WANTED,
    }


def table(result: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["| trees in flight | problems/s | tokens/s | busy | peak MiB of the client |", "|---|---|---|---|---|"]
    for trees, each in result["trees_in_flight"].items():
        rates = f"{each['problems_per_second']:g} | {each['tokens_per_second']:g} | {each['busy']:g}"
        lines.append(f"| {int(trees):,} | {rates} | {each['peak_mib']:,.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    place, at, name, number, drawn_by, file = sys.argv[1:]
    print(json.dumps(search(Path(place), at, name, int(number), int(drawn_by), Path(file))))
