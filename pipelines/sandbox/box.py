"""Run a program that nobody has read: `Sandbox.run(code, images)`, from as many threads as there are workers."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from PIL import Image

from pipelines.sandbox import wire
from pipelines.sandbox.worker import End, Limits, Lost, Worker


@dataclass(frozen=True)
class Trouble:
    """Why a call did not end well, and in words that can be shown to whoever wrote the program.

    `exception` and `memory` are what the program raised. The others the host saw for itself: `time`, `processor`,
    `crashed` (a signal, or an exit of its own), `malformed` (an account that no honest run leaves), `lost`.
    """

    kind: str
    message: str


@dataclass(frozen=True)
class Ran:
    """What a call left: text (cut at `Limits.output` bytes), the pictures it showed, and its trouble, if any."""

    stdout: str
    stderr: str
    images: tuple[Image.Image, ...]
    error: Trouble | None
    truncated: bool
    processor: float
    seconds: float


class Sandbox:
    """A pool of warm workers, started as they are needed. A context manager. Raises `Unavailable` when made."""

    def __init__(self, workers: int = 1, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        # bubblewrap dies with the thread that started it, so one thread starts them all and stays.
        self._starter = ThreadPoolExecutor(1, "sandbox")
        self._idle: queue.LifoQueue[Worker | None] = queue.LifoQueue()
        for _ in range(workers - 1):
            self._idle.put(None)
        self._all: weakref.WeakSet[Worker] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._owner = os.getpid()
        try:
            self._idle.put(self._start())
        except BaseException:
            self._starter.shutdown()
            raise

    def run(self, code: str, images: Sequence[Image.Image] = (), limits: Limits | None = None) -> Ran:
        """Run a program as a module that knows `images`, `image` (the last one) and `show(picture)`.

        Never raises for anything that the program does. Raises `RuntimeError` in a fork of the process that made the
        sandbox, whose calls would mix with that one's.
        """
        if os.getpid() != self._owner:
            raise RuntimeError("a sandbox serves the process that made it; make another one here")
        limits = limits or self.limits
        given = [wire.Raw(rgb.width, rgb.height, rgb.tobytes()) for rgb in map(_rgb, images)]
        asked = wire.request(code, given, (limits.pictures, limits.pixels))
        worker = self._idle.get()
        fit: Worker | None = None
        started = time.perf_counter()
        try:
            worker = worker or self._start()
            end = worker.call(asked, limits)
            fit = worker
        except Lost as lost:
            return Ran("", "", (), Trouble("lost", str(lost)), False, 0.0, time.perf_counter() - started)
        finally:
            self._idle.put(fit)
        seconds = time.perf_counter() - started
        shown, error = judge(end, limits)
        pictures = tuple(Image.frombytes("RGB", (raw.width, raw.height), raw.data) for raw in shown)
        stdout, stderr = (text[: limits.output].decode("utf-8", "replace") for text in (end.output, end.errors))
        truncated = max(len(end.output), len(end.errors)) > limits.output
        return Ran(stdout, stderr, pictures, error, truncated, end.processor, seconds)

    def close(self) -> None:
        """End every worker. Calls under way come back as `lost`."""
        with self._lock:
            for worker in self._all:
                worker.close()
            self._all.clear()
        self._starter.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> Worker:
        worker = Worker(lambda popen: self._starter.submit(popen).result())
        with self._lock:
            self._all.add(worker)
        return worker


def _rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def judge(end: End, limits: Limits) -> tuple[tuple[wire.Raw, ...], Trouble | None]:
    """The pictures and the trouble of a call: what the kernel saw counts before what the program says of itself."""
    if end.over:
        return (), Trouble("time", f"The program was stopped after {limits.wall:g} seconds.")
    if os.WIFSIGNALED(end.status):
        number = os.WTERMSIG(end.status)
        if number == signal.SIGXCPU or end.processor >= limits.processor:
            return (), Trouble("processor", f"The program used {limits.processor} seconds of processor time.")
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        return (), Trouble("crashed", f"The program's process was ended by {name}.")
    if end.status:
        return (), Trouble("crashed", f"The program ended its process with status {os.WEXITSTATUS(end.status)}.")
    try:
        answer = wire.read_answer(end.answer, (limits.pictures, limits.pixels))
    except wire.Malformed as wrong:
        return (), Trouble("malformed", f"The program's process left no proper account: {wrong}.")
    return answer.images, None if answer.error is None else Trouble(*answer.error)
