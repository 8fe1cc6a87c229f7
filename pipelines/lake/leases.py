"""Leases: one writer per stage key. The loser waits, and adopts what the winner commits.

A lease is a file `_leases/<key>.json` with owner and expiry. Its owner renews it from a thread; an expired lease, or
one whose owner died on this host, is taken over. Reading and replacing happen under one file lock, so two takers
cannot both win.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import TracebackType

import psutil

from pipelines.lake import files

SECONDS = 60.0
"""How long a lease holds without renewal; it is renewed three times in that span."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lease: a token, a process (with its start, because process ids come round again) and a host."""

    token: str
    host: str
    pid: int
    born: float
    expires: float
    inputs: tuple[str, ...] = ()
    """Keys that the work reads: gc spares them too."""


class LeaseLost(RuntimeError):
    """Another process has taken the stage over; what this one still writes must not be published."""


class Lease:
    """A held lease, renewed until the `with` block ends. `token` proves ownership to the processes that run parts."""

    def __init__(self, root: Path, key: str, owner: Owner, seconds: float) -> None:
        self.root, self.key, self.token = root, key, owner.token
        self._owner, self._seconds = owner, seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease-{key[:8]}", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        with _locked(self.root):
            held = read(self.root, self.key)
            if held and held.token == self.token:
                _path(self.root, self.key).unlink()

    def _renew(self) -> None:
        while not self._ended.wait(self._seconds / 3):
            with _locked(self.root):
                held = read(self.root, self.key)
                if held is None or held.token != self.token:
                    return
                _write(self.root, self.key, Owner(**(asdict(self._owner) | {"expires": time.time() + self._seconds})))


def try_acquire(root: Path, key: str, inputs: Sequence[str] = (), seconds: float = SECONDS) -> Lease | None:
    """The lease of a stage key, or None while another live owner holds it."""
    with _locked(root):
        held = read(root, key)
        if held and is_live(held):
            return None
        owner = Owner(secrets.token_hex(8), *this_process(), time.time() + seconds, tuple(inputs))
        _write(root, key, owner)
    return Lease(root, key, owner, seconds)


def read(root: Path, key: str) -> Owner | None:
    """The lease file of a key, live or not."""
    try:
        return Owner(**json.loads(_path(root, key).read_text()))
    except FileNotFoundError:
        return None


def is_live(owner: Owner) -> bool:
    """False once a lease has expired, or its process on this host is gone."""
    return owner.expires >= time.time() and is_alive(owner.host, owner.pid, owner.born) is not False


def this_process() -> tuple[str, int, float]:
    """Host, process id and start of this process: what `is_alive` asks for."""
    pid = os.getpid()
    return _host(), pid, psutil.Process(pid).create_time()


def is_alive(host: str, pid: int, born: float) -> bool | None:
    """Whether a process still runs; None where it cannot be seen from here, because it belongs to another host."""
    if host != _host():
        return None
    try:
        process = psutil.Process(pid)
        return bool(process.create_time() == born and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def live_keys(root: Path) -> set[str]:
    """Keys that somebody is working on now, and those that the work reads."""
    found = ((path.stem, read(root, path.stem)) for path in (root / "_leases").glob("*.json"))
    return {name for key, owner in found if owner and is_live(owner) for name in (key, *owner.inputs)}


def check_token(root: Path, key: str, token: str) -> None:
    """Raise `LeaseLost` unless the lease of `key` is still the one with this token."""
    held = read(root, key)
    if held is None or held.token != token:
        raise LeaseLost(f"stage {key} was taken over by another process; this one stops without publishing its part")


def _path(root: Path, key: str) -> Path:
    return root / "_leases" / f"{key}.json"


def _write(root: Path, key: str, owner: Owner) -> None:
    files.replace(_path(root, key), json.dumps(asdict(owner)).encode(), key, durable=False)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    folder = root / "_leases"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@cache
def _host() -> str:
    """This host and its process-id space: containers may share a host name, never both."""
    spaces = []
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            spaces.append(str(Path(path).stat().st_ino) if "ns" in path else Path(path).read_text().strip())
        except OSError:
            continue
    return ":".join([socket.gethostname(), *spaces])
