"""The servers of a run on this machine: each has a slot, shared by all processes of the run, for one model at a time.

A slot is a folder with a process that looks after the server (`pipelines.workers.supervise`). Whoever comes first
starts it; who wants another model in it (a trained policy in the place of the one before, design §7) waits until
nobody is being answered by the old one, ends it, and starts the new. The run is the process that the user started,
with those that it started; its servers end with it, and runs share none.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO

import psutil

from pipelines.lake import files
from pipelines.workers import supervise
from pipelines.workers.store import session
from pipelines.workers.supervise import (
    GRACE_S,
    LOG,
    ORDER,
    ORDERS,
    STATE,
    WATCH,
    Order,
    State,
    end_group,
    healthy,
    locked,
    tail,
)
from schemas.ids import content_id

POLL_S = 0.1
_DOOR, _BUSY, _SAID = "door", "busy", "watch.log"


class ServerFailed(RuntimeError):
    """A server that cannot be had; the message ends with the end of its log."""


def folder() -> Path:
    """Where this machine's slots are: a folder that only this user may enter."""
    place = Path(tempfile.gettempdir()) / f"evolens-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.lstat().st_uid != os.getuid() or place.is_symlink():
        raise PermissionError(f"{place} belongs to somebody else, so no server can be started there")
    return place / "servers"


class Slot:
    """One place for a server. Safe for threads and processes."""

    def __init__(self, name: str, order: Order, place: Path | None = None) -> None:
        self.order = order
        self.folder = (place or folder()) / content_id("slot", [list(session()), name])
        self._one_starts = threading.Lock()
        self._counting = threading.Lock()
        self._busy: IO[bytes] | None = None
        self._holders = 0
        self._state: State | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._given_up: ServerFailed | None = None

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.folder / LOG

    def enter(self, lost: State | None = None) -> State:
        """Wait until the server is ready, starting it where need be; until `leave`, nobody puts another in its place.

        `lost` is a state that has proved out of date: what is there must be something else, or well by its own word.
        Raises `ServerFailed` when it could not be started within `start_s` seconds; and from then on at once.
        """
        with self._counting:
            if self._holders and self._state and lost is None:
                self._holders += 1
                return self._state
        with self._one_starts:
            if self._given_up:
                raise self._given_up
            try:
                return self._ready(lost)
            except ServerFailed as error:
                self._given_up = error
                raise

    def leave(self) -> None:
        """Take back one `enter`; never waits."""
        with self._counting:
            self._holders -= 1
            if not self._holders and self._busy:
                self._busy.close()
                self._busy = None

    def still(self, state: State) -> bool:
        """Whether the slot's server is the one that it was then."""
        return State.read(self.folder) == state and watched(self.folder)

    def _ready(self, lost: State | None) -> State:
        self.folder.mkdir(parents=True, exist_ok=True)
        began, waited = time.time(), 0.0
        while True:
            state = State.read(self.folder)
            ours = state is not None and state.order == self.order
            if not watched(self.folder):
                if state and ours and state.phase == "failed" and state.since >= began:
                    raise ServerFailed(f"{self.order.name}: {state.trouble}")
                self._start(replacing=None)
            elif state and not ours:
                self._start(replacing=state)
            elif state and state.phase == "ready" and (state != lost or _well(state)) and self._hold(state):
                return state
            time.sleep(POLL_S)
            waited += POLL_S if ours else 0.0  # waiting for our turn is no fault of the server
            if waited > self.order.start_s:
                told = state.trouble if state else ""
                raise ServerFailed(
                    f"{self.order.name}: the server was not ready after {self.order.start_s:g} s. {told}\n"
                    f"{self.folder / LOG} ends:\n{tail(self.folder / LOG)}"
                )

    def _hold(self, state: State) -> bool:
        """Take the slot for as long as we are answered; whether the server is still there then."""
        with self._counting:
            self._busy = self._busy or locked(self.folder / _BUSY, fcntl.LOCK_SH)
            if self._busy is None:
                return False
            self._holders += 1
            self._state = state
        if self.still(state):
            return True
        self.leave()
        return False

    def _start(self, *, replacing: State | None) -> None:
        """Start the process that looks after our server, unless another process is about to or the slot is in use."""
        door = locked(self.folder / _DOOR, fcntl.LOCK_EX)
        if door is None:
            return
        with door, locked(self.folder / _BUSY, fcntl.LOCK_EX) or nullcontext() as busy:
            if watched(self.folder) and (busy is None or replacing is None or State.read(self.folder) != replacing):
                return
            stop(self.folder)
            sweep(self.folder.parent)
            files.replace(self.folder / ORDER, ORDERS.dump_json(self.order), durable=False)
            (self.folder / STATE).unlink(missing_ok=True)
            with (self.folder / _SAID).open("wb") as said:
                self._watcher = subprocess.Popen(
                    [sys.executable, "-m", supervise.__name__, str(self.folder)],
                    env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            while not watched(self.folder) and State.read(self.folder) is None:
                if self._watcher.poll() is not None:
                    raise ServerFailed(f"{self.order.name}: {(self.folder / _SAID).read_text(errors='replace')}")
                time.sleep(POLL_S)


def watched(folder: Path) -> bool:
    """Whether a process looks after the server of a slot."""
    lock = locked(folder / WATCH, fcntl.LOCK_SH)
    if lock is None:
        return True
    lock.close()
    return False


def stop(folder: Path) -> None:
    """End the server of a slot, and the process that looks after it."""
    state = State.read(folder)
    if state is None:
        return
    until = time.monotonic() + 3 * GRACE_S
    while watched(folder) and time.monotonic() < until:
        _send(state.watcher, signal.SIGTERM)
        time.sleep(POLL_S)
    if watched(folder):
        _send(state.watcher, signal.SIGKILL)
    if state.server and _alive(state.server):
        end_group(state.server[0])


def sweep(place: Path) -> None:
    """Remove the slots of runs that have ended, and what they may have left running."""
    for each in place.iterdir():
        state = State.read(each)
        if state and not watched(each) and not _alive(state.order.owner):
            stop(each)
            shutil.rmtree(each, ignore_errors=True)


def running() -> list[tuple[Path, State]]:
    """The servers that are looked after on this machine, in the order of their folders."""
    place = folder()
    found = [(each, State.read(each)) for each in sorted(place.iterdir()) if watched(each)] if place.is_dir() else []
    return [(each, state) for each, state in found if state]


def _well(state: State) -> bool:
    return healthy(state.port, state.order.health)


def _send(process: int, sign: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, sign)


def _alive(process: tuple[int, float]) -> bool:
    pid, born = process
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).create_time() == born)
    return False
