"""Runners: they decide where parts run, and nothing else. Results are the same under each of them."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

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

    `runner` is any Beam runner (Dask, Flink, Spark, Dataflow …), `options` its options; the lake and its packs must
    be reachable under one path from all of its machines.
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
                | "run" >> beam.Map(_run_pickled)
            )


def _run_pickled(task: bytes) -> int:
    receipt: Any = run_part(pickle.loads(task))  # noqa: S301 - made by this program a moment ago
    return int(receipt.index)
