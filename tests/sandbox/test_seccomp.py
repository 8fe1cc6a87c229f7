"""The filters, run by a small interpreter of BPF: what passes, what is refused, what is killed."""

from __future__ import annotations

import platform
import struct

import pytest

from pipelines.sandbox import seccomp
from tests.conftest import require
from tests.sandbox.world import forbidden, number

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF_0000, 0x8000_0000, 0x0005_0001, 0x0005_0026
NATIVE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}.get(platform.machine(), 0)
I386 = 0x40000003


def verdict(program: bytes, call: int, *arguments: int, architecture: int = NATIVE) -> int:
    """What the kernel would do with a call: classic BPF over `struct seccomp_data`."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=iIQ6Q", call, architecture, 0, *padded)
    steps = list(struct.iter_unpack("=HBBI", program))
    at = accumulator = 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        match code:
            case 0x20:  # load a word
                (accumulator,) = struct.unpack_from("=I", data, value)
            case 0x54:  # and
                accumulator &= value
            case 0x05:  # jump
                at += value
            case 0x15 | 0x25 | 0x35 | 0x45:  # jump if equal, greater, greater or equal, any bit
                tests = {0x15: accumulator == value, 0x25: accumulator > value, 0x35: accumulator >= value}
                at += yes if tests.get(code, bool(accumulator & value)) else no
            case 0x06:  # return
                return value
            case _:
                raise AssertionError(f"an instruction that this interpreter does not know: {code:#x}")


@pytest.fixture(scope="module")
def inner() -> bytes:
    require("bwrap")  # libseccomp comes along with it
    return seccomp.inner()


def test_what_programs_need_passes(inner: bytes) -> None:
    for name in ("read", "write", "openat", "mmap", "futex", "exit_group", "clock_nanosleep", "getrandom"):
        assert verdict(inner, number(name)) == ALLOW, name


def test_every_other_call_is_refused(inner: bytes) -> None:
    assert len(forbidden()) > 150
    for name, call in forbidden().items():
        assert verdict(inner, call) in ({ENOSYS} if name == "clone3" else {EPERM}), name


def test_another_architecture_is_killed(inner: bytes) -> None:
    for program in (inner, seccomp.outer()):
        assert verdict(program, 20, architecture=I386) == KILL


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only there is a second table of the same architecture")
def test_the_x32_table_is_killed(inner: bytes) -> None:
    assert verdict(inner, 0x4000_0000 + number("read")) == KILL


@pytest.mark.parametrize(
    ("name", "arguments", "passes"),
    [
        ("clone", (0x3D0F00,), True),  # as the C library makes a thread
        ("clone", (0x1200011,), False),  # as it forks
        ("clone", (0x4111,), False),  # as it spawns
        ("clone", (0x3D0F00 | 0x1000_0000,), False),  # a thread with a user namespace
        ("prlimit64", (0, 7, 0, 1), True),
        ("prlimit64", (0, 7, 1, 0), False),  # sets
        ("prlimit64", (0, 7, 1 << 32, 0), False),  # sets, from an address whose lower half is zero
        ("prlimit64", (1, 7, 0, 1), False),  # of another process
        ("fcntl", (3, 1), True),
        ("fcntl", (3, 1030), True),
        ("fcntl", (3, 8), False),  # F_SETOWN
        ("fcntl", (3, 6), False),  # F_SETLK
        ("fcntl", (3, 1031), False),  # F_SETPIPE_SZ
        ("ioctl", (1, 0x5401), True),
        ("ioctl", (1, 0x5412), False),  # TIOCSTI
        ("ioctl", (1, 0x1_0000_5412), False),  # the kernel looks at the lower half only
    ],
)  # fmt: skip
def test_some_calls_pass_with_certain_arguments_only(
    inner: bytes, name: str, arguments: tuple[int, ...], passes: bool
) -> None:
    assert verdict(inner, number(name), *arguments) == (ALLOW if passes else EPERM)


def test_the_zygote_may_do_more_and_still_not_everything() -> None:
    require("bwrap")
    outer = seccomp.outer()
    for name in ("execve", "mount", "unshare", "pidfd_open"):
        assert verdict(outer, number(name)) == ALLOW, name
    for name in (
        "ptrace",
        "bpf",
        "keyctl",
        "socket",
        "connect",
        "init_module",
        "kexec_load",
        "reboot",
        "io_uring_setup",
    ):
        assert verdict(outer, number(name)) == EPERM, name
    assert verdict(outer, number("clone3")) == ENOSYS
