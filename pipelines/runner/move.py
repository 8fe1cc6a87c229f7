"""Runners: they decide where parts run, and nothing else. Results are the same under each of them."""

from __future__ import annotations

import os
import pickle
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TYPE_CHECKING, Protocol

from pipelines.runner.part import PartTask, run_part

if TYPE_CHECKING:
    import apache_beam as beam


class Runner(Protocol):
    """Runs every part, somewhere, to its receipt. Raises what a part raises."""

    def __call__(self, tasks: Sequence[PartTask]) -> None: ...


def in_process(tasks: Sequence[PartTask]) -> None:
    """One part after another in this process, without Beam: for tests, notebooks and stages of one part."""
    for task in tasks:
        run_part(task)


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

        with beam.Pipeline(runner=self._runner or FnApiRunner(), options=PipelineOptions(self._options)) as pipeline:
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

    def __call__(self, tasks: Sequence[PartTask]) -> None:
        if self._pool is None:
            self._pool = fresh_pool(self.count)
            weakref.finalize(self, self._pool.shutdown, cancel_futures=True)
        futures: list[Future[int]] = [self._pool.submit(run_pickled, pickle.dumps(task)) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
        except BrokenProcessPool as error:
            self._pool = None
            raise RuntimeError("a process that ran a part was killed (out of memory?); run again to go on") from error
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def fresh_pool(count: int) -> ProcessPoolExecutor:
    """`count` new processes that know nothing of this one, and die with it."""
    # spawn: a forked child would inherit locks and threads of torch and Arrow in whatever state they are
    return ProcessPoolExecutor(count, get_context("spawn"), initializer=_die_with, initargs=(os.getpid(),))


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
