"""The program that waits inside the sandbox with everything imported, and forks once per call.

It never reads what a call writes: the child of a call locks itself in before it looks at its request, and all that
the zygote learns of it is how it ended. Standard library only; bubblewrap starts it (`root.py`).
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import select
import signal
import socket
import sys
import traceback

from pipelines.sandbox import guest, wire

NEW_MOUNTS = 0x00020000  # CLONE_NEWNS
NO_SUID, NO_DEVICES, NO_PROGRAMS = 2, 4, 8  # MS_NOSUID, MS_NODEV, MS_NOEXEC
SET_DUMPABLE, SET_SECCOMP, SECCOMP_FILTER, NO_NEW_PRIVILEGES = 4, 22, 2, 38
CAPABILITIES_V3 = 0x20080522
TEMPORARY = "/tmp"  # noqa: S108 - the sandbox's own, empty
FAILED = 70
"""The status of a call's process that could not lock itself in, or could not leave its account."""

libc = ctypes.CDLL(None, use_errno=True)


class Program(ctypes.Structure):
    """struct sock_fprog: a seccomp filter as the kernel takes it."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def main(control: socket.socket, rules: bytes) -> None:
    """Carry out calls until the host hangs up."""
    guest.prepare()
    gc.collect()
    gc.freeze()  # a fork copies the pages that the collector would touch
    while True:
        packet, descriptors, _, _ = socket.recv_fds(control, wire.CALL.size, 4)
        if len(packet) < wire.CALL.size:
            return
        child = os.fork()
        if child == 0:
            perform(packet, descriptors, rules)
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(wire.DONE.pack(*attend(child, wire.CALL.unpack(packet)[0], control)))


def attend(child: int, seconds: float, control: socket.socket) -> tuple[int, bool, float]:
    """Wait for a call's process, at most so long and only while the host is there; how it ended, as `wire.DONE`."""
    handle = os.pidfd_open(child)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.register(control, select.POLLIN)
    events = poll.poll(seconds * 1000)
    over = not events
    if (handle, select.POLLIN) not in events:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    os.close(handle)
    _, status, usage = os.wait4(child, 0)
    return status, over, usage.ru_utime + usage.ru_stime


def perform(packet: bytes, descriptors: list[int], rules: bytes) -> None:
    """The life of a call's process: lock in, run, leave an account, end. Never returns."""
    try:
        asked, told = arrange(descriptors)
        lock_in(packet, rules)
        answer = guest.carry_out(*wire.read_request(os.pread(asked, os.fstat(asked).st_size, 0)))
        for part in wire.answer(answer):
            os.write(told, part)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(FAILED)


def arrange(descriptors: list[int]) -> tuple[int, int]:
    """The call's four files as 1 (output), 2 (errors), 3 (request) and 4 (answer), and no other file open."""
    safe = [os.dup2(descriptor, 100 + index) for index, descriptor in enumerate(descriptors)]
    for source, target in zip(safe, (3, 4, 1, 2), strict=True):
        os.dup2(source, target, inheritable=False)
    os.closerange(5, 4096)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a text stream, here
    return 3, 4


def lock_in(packet: bytes, rules: bytes) -> None:
    """A temporary folder of its own, the limits, another user, no capability, the filter. Raises `OSError`."""
    _, seconds, memory, disk, file, files, threads, descriptors, user = wire.CALL.unpack(packet)
    must(libc.unshare(NEW_MOUNTS))
    options = f"size={disk},nr_inodes={files},mode=1777".encode()
    must(libc.mount(b"tmpfs", TEMPORARY.encode(), b"tmpfs", NO_SUID | NO_DEVICES | NO_PROGRAMS, options))
    os.chdir(TEMPORARY)
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    limits = {
        resource.RLIMIT_CPU: (seconds, seconds + 1),
        resource.RLIMIT_AS: (memory, memory),
        resource.RLIMIT_FSIZE: (file, file),
        resource.RLIMIT_NPROC: (threads, threads),
        resource.RLIMIT_NOFILE: (descriptors, descriptors),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_MEMLOCK: (0, 0),
        resource.RLIMIT_MSGQUEUE: (0, 0),
        resource.RLIMIT_SIGPENDING: (64, 64),
    }
    for name, limit in limits.items():
        resource.setrlimit(name, limit)
    none = (ctypes.c_uint32 * 6)()
    must(libc.capset((ctypes.c_uint32 * 2)(CAPABILITIES_V3, 0), none))
    must(libc.prctl(SET_DUMPABLE, 0, 0, 0, 0))  # a crash must not wake the machine's handler of core dumps
    must(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    program = Program(len(rules) // 8, rules)
    must(libc.prctl(SET_SECCOMP, SECCOMP_FILTER, ctypes.byref(program), 0, 0))


def must(result: int) -> None:
    """Raise what a system call of the C library failed with."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    with open(int(sys.argv[2]), "rb") as filter_file:  # noqa: PTH123 - a descriptor
        guest_rules = filter_file.read()
    main(socket.socket(fileno=int(sys.argv[1])), guest_rules)
