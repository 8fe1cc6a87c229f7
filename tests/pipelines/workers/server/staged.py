"""A stage that asks a server, and may be killed: `python -m tests.pipelines.workers.server.staged PORT LAKE COUNT`."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial

from pipelines.lake import Lake, Manifest
from pipelines.runner import run_stage
from pipelines.stage import WorkerSpec
from pipelines.workers import WorkerSpec as Named
from pipelines.workers import connect, identity_of
from tests.pipelines.toy import MAKE, TALK, call

CONCURRENCY = 16


def talk(port: int, root: str, count: int) -> Manifest:
    """Three questions for each row, the last made of the answers to the others."""
    options = (("attempts", 20), ("concurrency", CONCURRENCY), ("model", "tiny"), ("timeout_s", 60), ("attempt_s", 0.5))
    spec = Named(f"openai:http://127.0.0.1:{port}/v1", "1", options)
    worker = WorkerSpec(identity_of(spec), partial(connect, spec))
    lake = Lake(root)
    made = run_stage(lake, call(MAKE, count=count, part_rows=20))
    return run_stage(lake, replace(call(TALK, made.key, part_rows=20, concurrency=10), worker=worker))


if __name__ == "__main__":
    talk(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
