"""Parts of one process: one after another, or, where a server answers, a few at a time.

A part of an ask stage ends with its slowest row. If the next one began only then, the server would run dry at the end
of each. Files, packs and counts belong to one part each, so nothing depends on which of them are under way together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from pipelines.lake import Lake
from pipelines.runner.meter import connected
from pipelines.runner.part import PartTask, run_part

OVERLAP = 3
"""Parts under way in a process whose answers come from a server: one that ends, one in its middle, one that begins."""


def width(task: PartTask) -> int:
    """How many parts like this one a process works on at a time. Raises what connecting to the worker raises."""
    call = task.call
    if call.stage.kind != "ask" or call.worker is None:
        return 1
    return 1 if connected(Lake(task.root), call.worker).worker.in_waves else OVERLAP


def run_parts(take: Callable[[], PartTask | None]) -> None:
    """Run what `take` gives until it gives nothing; `take` is called by several threads. When a part raises, no more
    are begun, and it is raised when those under way have ended.
    """
    first = take()
    if first is None:
        return
    lanes = width(first)
    if lanes == 1:
        run_part(first)
        while task := take():
            run_part(task)
        return
    raised: list[BaseException] = []

    def run(task: PartTask | None) -> None:
        try:
            while task and not raised:
                run_part(task)
                task = take()
        except BaseException as error:  # raised again by whoever waits for the threads
            raised.append(error)

    # Daemons: a program that is interrupted leaves these parts as it would leave a part that runs alone
    started = [threading.Thread(target=run, args=(task,), daemon=True) for task in (first, *_some(take, lanes - 1))]
    try:
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
    except BaseException as error:
        raised.append(error)
        raise
    if raised:
        raise raised[0]


def _some(take: Callable[[], PartTask | None], count: int) -> list[PartTask]:
    return [task for _ in range(count) if (task := take())]
