"""One warm sandbox: a bubblewrap with a zygote inside, asked over a socket, one call at a time."""

from __future__ import annotations

import math
import os
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from pipelines.sandbox import root, seccomp, wire

START = 30.0
GRACE = 10.0
"""Seconds for the first call, an empty one; and for the zygote to say how a call ended after its time was up."""

HINT = (
    "needs Linux, bubblewrap 0.5 or newer (`apt install bubblewrap`), libseccomp (`apt install libseccomp2`) and, "
    "unless run by root, user namespaces (sysctl user.max_user_namespaces above 0; on Ubuntu 24.04 also "
    "kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for bwrap)"
)


Popen: TypeAlias = Callable[[], subprocess.Popen[bytes]]


class Unavailable(RuntimeError):
    """No sandbox can be had on this machine; the message says why and what to install."""


class Lost(RuntimeError):
    """The sandbox itself ended, or did not answer in time."""


@dataclass(frozen=True)
class Limits:
    """What one call may use. Seconds, bytes, pixels and counts; `memory` is address space, the interpreter included.

    `processor` is more than `wall`, so that one that runs for ever is always ended by the clock, and replayed alike.
    """

    wall: float = 5.0
    processor: int = 6
    memory: int = 1 << 30
    disk: int = 32 << 20
    file: int = 32 << 20
    files: int = 256
    threads: int = 8
    descriptors: int = 64
    output: int = 1 << 16
    pictures: int = 4
    pixels: int = 8 << 20


@dataclass(frozen=True)
class End:
    """How a call's process ended, as the kernel told it, and the three files that it could write."""

    status: int
    over: bool
    processor: float
    output: bytes
    errors: bytes
    answer: bytes


class Worker:
    """Starts at once, its process from within `start`; used by one thread at a time. Raises `Unavailable`."""

    def __init__(self, start: Callable[[Popen], subprocess.Popen[bytes]] = lambda popen: popen()) -> None:
        bubblewrap = shutil.which("bwrap")
        if sys.platform != "linux" or bubblewrap is None:
            raise Unavailable(f"bubblewrap is not there; the sandbox {HINT}")
        privileged = os.geteuid() == 0
        self.user = _spare_user() if privileged else 0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it goes with the worker
        with ExitStack() as stack:
            self._control, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack.callback(inside.close)
            try:
                files = [stack.enter_context(_file([program])) for program in (seccomp.outer(), seccomp.inner())]
            except OSError as error:
                raise Unavailable(f"{error}; the sandbox {HINT}") from None
            passed = [files[0].fileno(), inside.fileno(), files[1].fileno()]
            try:
                command = [bubblewrap, *root.arguments(passed[0], passed[1], passed[2], privileged)]
            except (subprocess.CalledProcessError, AssertionError) as error:
                raise Unavailable(f"this Python cannot be brought into a sandbox: {error}") from None
            null = subprocess.DEVNULL
            self._process = start(
                lambda: subprocess.Popen(command, pass_fds=passed, stdin=null, stdout=null, stderr=self._log)
            )
        try:
            tried = self.call(wire.request("", (), (0, 0)), Limits(wall=START))
            said = tried.errors if tried.status else b""
        except Lost:
            self._log.seek(0)
            said = self._log.read() or b"no word of why"
        if said:
            self.close()
            told = said[-800:].decode(errors="replace").strip()
            raise Unavailable(f"the sandbox could not be set up ({told}); it {HINT}")

    def call(self, request: Sequence[wire.Bytes], limits: Limits) -> End:
        """Carry out one request. Raises `Lost`; then the worker is of no more use."""
        packet = wire.CALL.pack(
            limits.wall,
            max(1, math.ceil(limits.processor)),
            limits.memory,
            limits.disk,
            limits.file,
            limits.files,
            limits.threads if self.user else limits.threads + 2,  # one's own namespace counts its first two as well
            limits.descriptors,
            self.user,
        )
        with ExitStack() as stack:
            files = [stack.enter_context(_file(content)) for content in (request, (), (), ())]
            numbers = [file.fileno() for file in files]
            try:
                socket.send_fds(self._control, [packet], numbers)
                self._control.settimeout(limits.wall + GRACE)
                status, over, processor = wire.DONE.unpack(self._control.recv(wire.DONE.size))
            except BaseException as error:  # an interrupted call's end must never be read as the next call's
                self.close()
                if isinstance(error, OSError | struct.error):
                    raise Lost("The sandbox itself ended, or did not answer in time.") from None
                raise
            most = (limits.file, limits.output + 1, limits.output + 1)
            answer, output, errors = (os.pread(number, size, 0) for number, size in zip(numbers[1:], most, strict=True))
        return End(status, bool(over), processor, output, errors, answer)

    def close(self) -> None:
        """End everything inside."""
        self._control.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()


def _file(content: Sequence[wire.Bytes]) -> BinaryIO:
    """A file in memory, with no name anywhere, at its beginning."""
    file = os.fdopen(os.memfd_create("call"), "w+b", buffering=0)
    for part in content:
        file.write(part)
    file.seek(0)
    return file


def _spare_user() -> int:
    """A user number that nobody has, for root to become: high up, in the part of the numbers that exists here."""
    lines = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    top = max(int(first) + int(count) for first, _, count in lines)
    room = min(top // 4, 1 << 24)
    return min(top, 1 << 31) - 2 - secrets.randbelow(room) - 1
