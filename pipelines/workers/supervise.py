"""The process that keeps a server running for as long as the run that wants it: `python -m pipelines.workers.supervise
FOLDER`.

It starts what `order.json` in the folder says, on a free port of this machine, asks after its health, and starts it
again when it dies or falls silent, after 1, 2, 4 … seconds and on the same port. What it knows stands in `state.json`,
what the server prints in `server.log`, and it holds the lock of `watch` while it lives. When the owner (the run's first
process) ends, however it ends, the server's whole process group ends too; and should this process be killed, the
kernel ends the server.
"""

from __future__ import annotations

import ctypes
import fcntl
import http.client
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal, TypeAlias

import psutil
from pydantic import TypeAdapter

from pipelines.lake import files

ORDER, STATE, LOG, WATCH = "order.json", "state.json", "server.log", "watch"
HOST = "127.0.0.1"
Phase: TypeAlias = Literal["starting", "ready", "failed"]

TICK_S = 0.25
PROBE_S, PROBE_EVERY_S = 2.0, 2.0
"""How long a server has to say that it is well, and how long it is then left in peace."""
GRACE_S = 5.0
"""How long a process group has to end by itself."""
STABLE_S = 60.0
"""A server that was ready for so long and then died starts with a clean slate."""
LONGEST_PAUSE_S = 30.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Order:
    """What to run. `{port}` in the command stands for the port; `health` is the path that answers 200 when it is ready.

    `name` is the model's name in requests; `owner` is a process id and when that process was born. After `lives` lives
    that came to nothing in a row the server is given up.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    owner: tuple[int, float]
    health: str = "/health"
    start_s: float = 600.0
    silent_s: float = 60.0
    lives: int = 4


@dataclass(frozen=True)
class State:
    """What is known of a server. `life` counts its starts from 1; `since` is the Unix time of the last change."""

    order: Order
    phase: Phase
    port: int
    life: int
    watcher: int
    since: float
    server: tuple[int, float] | None = None
    trouble: str = ""

    @property
    def address(self) -> str:
        """The base address of its OpenAI-compatible interface."""
        return f"http://{HOST}:{self.port}/v1"

    @classmethod
    def read(cls, folder: Path) -> State | None:
        """The state in a folder; None where none was written yet."""
        try:
            return _STATE.validate_json((folder / STATE).read_bytes())
        except FileNotFoundError:
            return None

    def write(self, folder: Path) -> None:
        """Replace the state in a folder: a reader sees the old one or the new one."""
        files.replace(folder / STATE, _STATE.dump_json(self), durable=False)


ORDERS = TypeAdapter(Order)
_STATE = TypeAdapter(State)


def locked(path: Path, how: int) -> IO[bytes] | None:
    """The file, opened and locked (`fcntl.LOCK_EX`, `LOCK_SH`) until it is closed; None where others are in the way."""
    file = path.open("ab")
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def watch(folder: Path) -> None:
    """Keep the server of a folder running until its owner ends, this process is told to end, or it is given up."""
    order = ORDERS.validate_json((folder / ORDER).read_bytes())
    ears = _Ears(order.owner)
    while (lock := locked(folder / WATCH, fcntl.LOCK_EX)) is None:
        if ears.hear(TICK_S):  # somebody looks whether it is held, and lets go at once
            return
    with lock, (folder / LOG).open("wb") as log:
        state = State(order, "starting", _free_port(), 1, os.getpid(), time.time())
        failures = 0
        while not ears.hear(0):
            trouble, ready_at = _live(state, folder, log, ears)
            if trouble is None:
                return
            failures = 1 if ready_at and time.monotonic() - ready_at > STABLE_S else failures + 1
            if failures >= order.lives:
                told = f"the server {trouble}, {failures} times in a row; {folder / LOG} ends:\n{tail(folder / LOG)}"
                replace(state, phase="failed", since=time.time(), trouble=told).write(folder)
                return
            state = replace(state, life=state.life + 1, trouble=f"it was started again because it {trouble}")
            ears.hear(min(2.0 ** (failures - 1), LONGEST_PAUSE_S))


def _live(state: State, folder: Path, log: IO[bytes], ears: _Ears) -> tuple[str | None, float | None]:
    """One life of the server: what ended it (None: we are to end), and when it had become ready."""
    order = state.order
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | order.environment
    try:
        child = subprocess.Popen(
            [part.replace("{port}", str(state.port)) for part in order.command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
        )
    except OSError as error:
        return f"cannot be started: {error}", None
    ready_at: float | None = None
    try:
        server = (child.pid, psutil.Process(child.pid).create_time())
        replace(state, phase="starting", since=time.time(), server=server).write(folder)
        heard = asked = time.monotonic()
        while not ears.hear(TICK_S):
            code, now = child.poll(), time.monotonic()
            if code is not None:
                return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}", ready_at
            if ready_at and now - asked < PROBE_EVERY_S:
                continue
            asked = now
            if healthy(state.port, order.health):
                heard = now
                if ready_at is None:
                    ready_at = now
                    replace(state, phase="ready", since=time.time(), server=server).write(folder)
            elif now - heard > (order.silent_s if ready_at else order.start_s):
                return f"did not answer for {now - heard:.0f} s", ready_at
        return None, ready_at
    finally:
        end_group(child.pid, child.poll)


def healthy(port: int, path: str) -> bool:
    """Whether a server on this machine answers 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PROBE_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def end_group(group: int, reap: Callable[[], object] = lambda: None) -> None:
    """End every process of a group: asked first, then killed. `reap` collects the group's first process."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + GRACE_S
        try:
            os.killpg(group, sign)
            while time.monotonic() < until:
                reap()
                os.killpg(group, 0)
                time.sleep(0.05)
        except ProcessLookupError:
            return


_ERROR = re.compile(r"\b\w*(?:Error|Exception)\b: \S")


def tail(log: Path, lines: int = 12) -> str:
    """The end of a log, after the first few lines before it that name an error: a server's own last words are often
    only that something had failed earlier.
    """
    said = log.read_bytes()[-100_000:].decode(errors="replace").splitlines()
    named = [line for line in said[:-lines] if _ERROR.search(line)]
    return "\n".join([*list(dict.fromkeys(named))[:3], *said[-lines:]])[-4000:]


class _Ears:
    """Hears the end of the owner, and signals."""

    def __init__(self, owner: tuple[int, float]) -> None:
        pid, born = owner
        self._poll = select.poll()
        self._gone = False
        try:
            descriptor = os.pidfd_open(pid)
            self._poll.register(descriptor, select.POLLIN)
            self._gone = abs(psutil.Process(pid).create_time() - born) > 1.0
        except (ProcessLookupError, psutil.NoSuchProcess):
            self._gone = True
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing)
        for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(sign, lambda *_: None)
        self._poll.register(reading, select.POLLIN)

    def hear(self, seconds: float) -> bool:
        """Listen for so long; whether it is time to end."""
        self._gone = self._gone or bool(self._poll.poll(seconds * 1000))
        return self._gone


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
