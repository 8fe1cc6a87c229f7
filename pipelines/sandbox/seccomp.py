"""Which system calls exist inside the sandbox: an allowlist, compiled by libseccomp.

Two filters. `outer` holds for the zygote, which must fork, mount a temporary folder and lower its own rights; `inner`
is laid over it by each call's process before the program's first byte is read, and leaves no way to make a process,
a program, a socket, a mount, a namespace, shared memory, or a signal to anyone.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Mapping

LIBRARY = "libseccomp.so.2"

KILL, ALLOW = 0x8000_0000, 0x7FFF_0000
EQUAL, MASKED_EQUAL = 4, 7
BAD_ARCHITECTURE, OPTIMIZE = 2, 8  # attributes of a filter

FILES = (
    "read pread64 readv preadv write pwrite64 writev pwritev open openat close close_range lseek stat fstat lstat "
    "newfstatat statx access faccessat faccessat2 readlink readlinkat getdents getdents64 getcwd chdir fchdir mkdir "
    "mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat truncate ftruncate "
    "fallocate fsync fdatasync chmod fchmod fchmodat utime utimes utimensat umask dup dup2 dup3 pipe pipe2 poll "
    "ppoll select pselect6 copy_file_range sendfile"
)
MEMORY = "mmap munmap mprotect mremap madvise brk futex set_robust_list rseq"
SELF = (
    "getpid gettid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid getsid "
    "set_tid_address exit exit_group sched_yield sched_getaffinity getcpu getrusage times uname getrandom "
    "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time alarm setitimer getitimer pause "
    "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend sigaltstack restart_syscall getrlimit"
)
INNER = f"{FILES} {MEMORY} {SELF}".split()

ZYGOTE = (
    "execve clone fork vfork wait4 waitid kill pidfd_open pidfd_send_signal recvmsg sendmsg recvfrom sendto "
    "getsockname getsockopt unshare mount setgroups setresuid setresgid setrlimit prlimit64 capset capget prctl "
    "seccomp ioctl fcntl arch_prctl setsid sysinfo statfs"
).split()
"""Beyond `INNER`: what the start of Python and the zygote itself need."""

THREAD = 0x0001_0100  # CLONE_VM | CLONE_THREAD
SPACES = 0x7E02_0080  # every CLONE_NEW… flag
ONLY: Mapping[str, tuple[tuple[tuple[int, int, int, int], ...], ...]] = {
    # Each alternative is a tuple of (argument, comparison, value or mask, value under the mask).
    "clone": (((0, MASKED_EQUAL, THREAD | SPACES, THREAD),),),
    "prlimit64": (((0, EQUAL, 0, 0), (2, EQUAL, 0, 0)),),  # read one's own limits
    "fcntl": tuple(((1, MASKED_EQUAL, 0xFFFF_FFFF, command),) for command in (0, 1, 2, 3, 4, 1030)),
    "ioctl": tuple(((1, MASKED_EQUAL, 0xFFFF_FFFF, command),) for command in (0x5401, 0x5450, 0x5451, 0x541B)),
}
"""What the inner filter allows with certain arguments only. fcntl: duplicate, and the flags of a file (F_GETFD …),
but no lock, owner or signal. ioctl: is it a terminal, close on exec, bytes waiting."""


class _Compare(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("comparison", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def outer() -> bytes:
    """The filter of everything inside. Raises `OSError` where libseccomp is missing."""
    return _compiled([*INNER, *ZYGOTE], {})


def inner() -> bytes:
    """The filter of a call's process."""
    return _compiled(INNER, ONLY)


def _compiled(names: list[str], only: Mapping[str, tuple[tuple[tuple[int, int, int, int], ...], ...]]) -> bytes:
    """A BPF program: another architecture is killed, `names` pass, `only` pass as they say, the rest get EPERM."""
    library = ctypes.CDLL(LIBRARY)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(_errno(errno.EPERM)))
    try:
        _must(library.seccomp_attr_set(context, BAD_ARCHITECTURE, ctypes.c_uint32(KILL)))
        _must(library.seccomp_attr_set(context, OPTIMIZE, ctypes.c_uint32(2)))  # a tree, not a list

        def add(action: int, name: str, tests: tuple[tuple[int, int, int, int], ...] = ()) -> None:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number >= 0:  # what this machine, or this libseccomp, does not know stays refused
                array = (_Compare * len(tests))(*(_Compare(*test) for test in tests))
                _must(library.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(tests), array))

        for name in dict.fromkeys(names):
            add(ALLOW, name)
        for name, alternatives in only.items():
            for tests in alternatives:
                add(ALLOW, name, tests)
        add(_errno(errno.ENOSYS), "clone3")  # its flags lie in memory, unseen; the C library then takes clone
        place = os.memfd_create("filter")
        try:
            _must(library.seccomp_export_bpf(context, place))
            return os.pread(place, os.fstat(place).st_size, 0)
        finally:
            os.close(place)
    finally:
        library.seccomp_release(context)


def _errno(number: int) -> int:
    return 0x0005_0000 | number


def _must(result: int) -> None:
    if result < 0:
        raise OSError(-result, f"libseccomp: {os.strerror(-result)}")
