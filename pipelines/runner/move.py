"""Runners: they decide where parts run, and nothing else. Results are the same under each of them."""

from __future__ import annotations

import os
import pickle
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from multiprocessing.sharedctypes import SynchronizedArray
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pipelines.runner.overlap import run_parts, width
from pipelines.runner.part import PartTask, run_part

if TYPE_CHECKING:
    import apache_beam as beam

Claims: TypeAlias = "SynchronizedArray[int]"
"""What the processes of a pool share: the number of the present call, and how many of its parts are claimed."""


class Runner(Protocol):
    """Runs every part, somewhere, to its receipt. Raises what a part raises."""

    def __call__(self, tasks: Sequence[PartTask]) -> None: ...


def in_process(tasks: Sequence[PartTask]) -> None:
    """Parts in this process, without Beam: for tests, notebooks and stages of one part."""
    ahead, lock = iter(tasks), threading.Lock()

    def take() -> PartTask | None:
        with lock:
            return next(ahead, None)

    run_parts(take)


class Beam:
    """Parts as elements of a Beam pipeline. With no arguments: Beam's portable runner in this process, pinned.

    `runner` is any Beam runner (Dask, Flink, Spark, Dataflow …), `options` its options; the lake must be reachable
    under one path from all of its machines.
    """

    def __init__(self, runner: beam.runners.PipelineRunner | None = None, options: Sequence[str] = ()) -> None:
        self._runner, self._options = runner, list(options)

    def __call__(self, tasks: Sequence[PartTask]) -> None:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner

        options = self._options
        if self._runner is None and tasks and (threads := width(tasks[0])) > 1:
            options = ["--direct_running_mode=multi_threading", f"--direct_num_workers={threads}", *options]
        with beam.Pipeline(runner=self._runner or FnApiRunner(), options=PipelineOptions(options)) as pipeline:
            _ = (
                pipeline
                | "parts" >> beam.Create([pickle.dumps(task) for task in tasks], reshuffle=False)
                | "spread" >> beam.Reshuffle()
                | "run" >> beam.Map(run_pickled)
            )


class Processes:
    """Parts in `count` fresh processes of this machine, which stay for the next stage with the models they loaded.

    A process dies with its parent. Raises `RuntimeError` when one of them is killed; running again goes on from the
    parts that were finished. Why not Beam's own multi-processing mode: docs/decisions.md.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None
        self._claims: Claims = get_context("spawn").Array("q", 2)

    def __call__(self, tasks: Sequence[PartTask]) -> None:
        if self._pool is None:
            self._pool = fresh_pool(self.count, self._claims)
            weakref.finalize(self, self._pool.shutdown, cancel_futures=True)
        number, moved = self._open(), pickle.dumps(list(tasks))
        lanes = [self._pool.submit(run_claimed, number, moved) for _ in range(min(self.count, len(tasks)))]
        try:
            for lane in as_completed(lanes):
                lane.result()
        except BrokenProcessPool as error:
            self._pool, self._claims = None, get_context("spawn").Array("q", 2)
            raise RuntimeError("a process that ran a part was killed (out of memory?); run again to go on") from error
        except BaseException:
            self._open()  # whoever runs a part ends it and claims no more
            raise

    def _open(self) -> int:
        """Begin another call, none of whose parts is claimed; returns its number."""
        with self._claims.get_lock():
            self._claims[:] = [self._claims[0] + 1, 0]
            return int(self._claims[0])

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def fresh_pool(count: int, claims: Claims | None = None) -> ProcessPoolExecutor:
    """`count` new processes that know nothing of this one but its claims, and die with it."""
    # spawn: a forked child would inherit locks and threads of torch and Arrow in whatever state they are
    return ProcessPoolExecutor(count, get_context("spawn"), initializer=_begin, initargs=(os.getpid(), claims))


def run_claimed(number: int, tasks: bytes) -> None:
    """Run pickled parts of call `number` until each is claimed by this process or another."""
    parts: list[PartTask] = pickle.loads(tasks)  # noqa: S301 - made by this program a moment ago
    (claims,) = _OURS

    def take() -> PartTask | None:
        with claims.get_lock():
            if claims[0] != number or claims[1] >= len(parts):
                return None
            claims[1] += 1
            return parts[claims[1] - 1]

    run_parts(take)


_OURS: list[Claims] = []


def _begin(parent: int, claims: Claims | None) -> None:
    if claims is not None:
        _OURS.append(claims)
    _die_with(parent)


def run_pickled(task: bytes) -> int:
    """Run a pickled `PartTask`; returns its index."""
    return run_part(pickle.loads(task)).index  # noqa: S301 - made by this program a moment ago


def _die_with(parent: int) -> None:
    """End this process soon after its parent: an orphan would wait for parts for ever, with a model in its memory."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()
