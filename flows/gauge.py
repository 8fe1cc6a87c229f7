"""A gauge of memory: what this process and its children hold together, by how much of the work was done."""

from __future__ import annotations

import psutil

from pipelines.runner import Progress

MARKS = (2_000, 5_000, 10_000)
"""After so many rows the gauge is read for the record: memory is flat when these agree."""


def resident_mib() -> float:
    """Memory that this process and all its children hold now; what they share counts for each."""
    own = psutil.Process()
    held = 0
    for process in [own, *own.children(recursive=True)]:
        try:
            held += process.memory_info().rss
        except psutil.NoSuchProcess:  # it ended since it was listed
            continue
    return float(held / 2**20)


class Gauge:
    """`peaks`: for each piece of work the most that was held by each of `MARKS`, and (under 0) in all."""

    def __init__(self) -> None:
        self.peaks: dict[str, dict[int, float]] = {}

    def __call__(self, state: Progress) -> None:
        """Read it while a stage runs."""
        self.read(state.stage, state.rows_done)

    def read(self, work: str, done: int) -> None:
        """Read it after `done` rows."""
        peaks = self.peaks.setdefault(work, {0: 0.0})
        peaks[0] = max(peaks[0], resident_mib())
        for mark in MARKS:
            if done >= mark:
                peaks.setdefault(mark, peaks[0])
