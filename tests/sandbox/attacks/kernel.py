"""Attacks on the kernel's rarer doors: namespaces, mounts, keys, shared memory, tracing, other tables of calls.

A call that reaches the kernel at all counts as an escape, even where the kernel then finds its arguments wrong.
"""

from tests.sandbox.attacks.attack import Attack

RAW = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def reached(number, *arguments):
    ctypes.set_errno(0)
    return libc.syscall(number, *arguments) >= 0 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS)
"""

ATTACKS = (
    Attack(
        "nest-user-namespace",
        "become root of a namespace of its own, and from there mount and reconfigure",
        """
import ctypes
if ctypes.CDLL(None).unshare(0x10000000) == 0:
    print("ESCAPED")
""",
    ),
    Attack(
        "leave-namespaces",
        "take fresh namespaces of every kind",
        """
import ctypes
if ctypes.CDLL(None).unshare(0x00020000 | 0x04000000 | 0x08000000 | 0x40000000) == 0:
    print("ESCAPED")
""",
        control="root",
    ),
    Attack(
        "clone-namespace",
        "make a process in a fresh user namespace",
        RAW
        + """
child = libc.syscall($clone, 0x10000000 | 17, 0, 0, 0, 0)
if child == 0:
    libc._exit(0)
if child > 0:
    print("ESCAPED")
""",
    ),
    Attack(
        "clone-by-structure",
        "make a process by the call whose flags no filter can see",
        RAW
        + """
arguments = (ctypes.c_uint64 * 8)(0, 0, 0, 0, 17, 0, 0, 0)
child = libc.syscall($clone3, arguments, 64)
if child == 0:
    libc._exit(0)
if child > 0:
    print("ESCAPED")
""",
    ),
    Attack(
        "enter-namespace",
        "enter the namespace of another process",
        RAW + 'if reached($setns, -1, 0): print("ESCAPED")',
    ),
    Attack(
        "mount",
        "mount a file system",
        """
import ctypes, tempfile
libc = ctypes.CDLL(None, use_errno=True)
place = tempfile.mkdtemp().encode()
for kind in (b"tmpfs", b"proc", b"sysfs"):
    if libc.mount(b"none", place, kind, 0, None) == 0:
        print("ESCAPED", kind)
        libc.umount2(place, 2)
""",
        control="root",
    ),
    Attack(
        "remount-writable",
        "make the read-only root writable",
        """
import ctypes, tempfile
libc = ctypes.CDLL(None, use_errno=True)
place = tempfile.mkdtemp().encode() if $plain else b"/"
if libc.mount(None, place, None, 0x1000 if $plain else 0x20 | 0x1000, None) == 0 or libc.umount2(b"/tmp", 2) == 0:
    print("ESCAPED")
""",
        control="nobody: it would unmount what the machine stands on",
    ),
    Attack(
        "new-mount-calls",
        "mount by the newer calls, which older filters forget",
        RAW
        + """
if reached($fsopen, b"tmpfs", 0) or reached($open_tree, -100, b"/", 1) or reached($move_mount, -1, b"", -1, b"", 0):
    print("ESCAPED")
""",
        control="root",
    ),
    Attack(
        "keep-key",
        "leave a key in the kernel's keyring",
        RAW
        + """
if libc.syscall($add_key, b"user", b"evolens", b"secret", 6, -2) > 0 or reached($keyctl, 0, -3, 0):
    print("ESCAPED")
""",
    ),
    Attack(
        "load-bpf",
        "load a program into the kernel",
        RAW + 'if reached($bpf, 0, 0, 0): print("ESCAPED")',
        control="root",
    ),
    Attack(
        "watch-performance",
        "count the machine's events, to learn of others by timing",
        RAW
        + """
if reached($perf_event_open, 0, 0, -1, -1, 0):
    print("ESCAPED")
""",
    ),
    Attack(
        "use-io-uring",
        "do what is forbidden through a ring that no filter sees",
        RAW
        + """
if reached($io_uring_setup, 1, ctypes.create_string_buffer(120)):
    print("ESCAPED")
""",
    ),
    Attack(
        "handle-faults",
        "hold the kernel in a page fault, a step of many exploits",
        RAW
        + """
if libc.syscall($userfaultfd, 1) >= 0:
    print("ESCAPED")
""",
    ),
    Attack(
        "file-without-name",
        "hold memory, or a program, in a file that counts nowhere",
        """
import os
os.memfd_create("hidden")
print("ESCAPED")
""",
    ),
    Attack(
        "watch-files",
        "watch what others do with files",
        RAW
        + """
if libc.inotify_init1(0) >= 0 or reached($fanotify_init, 0, 0):
    print("ESCAPED")
""",
    ),
    Attack(
        "shared-memory",
        "hold memory that outlives the process",
        """
from multiprocessing import shared_memory
memory = shared_memory.SharedMemory(create=True, size=4096)
print("ESCAPED")
memory.close()
memory.unlink()
""",
    ),
    Attack(
        "system-v-memory",
        "hold System V memory, which outlives the process",
        """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
number = libc.shmget(0, 4096, 0o1600)
if number >= 0:
    print("ESCAPED")
    libc.shmctl(number, 0, None)
""",
    ),
    Attack(
        "message-queue",
        "leave a message for the next call",
        RAW
        + """
if reached($mq_open, b"evolens", 0, 0, 0) or reached($msgget, 1, 0):
    print("ESCAPED")
""",
    ),
    Attack(
        "type-for-the-user",
        "push characters into the terminal that the host was started from",
        RAW
        + """
if reached($ioctl, 1, 0x5412, b"x") or reached($ioctl, 1, 0x541C, b"x"):
    print("ESCAPED")
""",
    ),
    Attack(
        "type-past-the-filter",
        "the same with a request whose upper half is set, which a careless filter misses",
        RAW
        + """
if reached($ioctl, 1, ctypes.c_ulong(0x100005412), b"x"):
    print("ESCAPED")
""",
    ),
    Attack(
        "unrandomise",
        "switch the protections of memory off",
        """
import ctypes
if ctypes.CDLL(None).personality(0x0040000) >= 0:
    print("ESCAPED")
""",
    ),
    Attack(
        "loosen-own-filter",
        "lay a filter over the filter, or ask for privileges",
        """
import ctypes
if ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0:
    print("ESCAPED")
""",
    ),
    Attack(
        "name-machine",
        "give the machine another name",
        """
import socket
socket.sethostname(socket.gethostname())
print("ESCAPED")
""",
        control="root",
    ),
    Attack(
        "calls-of-another-table",
        "make system calls by the numbers of 32-bit programs, which mean other calls",
        """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # mov eax, 20 (getpid); int 0x80; ret
if ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))() > 0:
    print("ESCAPED")
""",
        ends=("crashed",),
        machine="x86_64",
    ),
    Attack(
        "calls-of-x32",
        "make system calls with the bit that selects the x32 table",
        RAW + 'if reached(0x40000000 + 39): print("ESCAPED")',
        ends=("crashed", ""),
        machine="x86_64",
        control="nobody: few kernels are built with that table",
    ),
    Attack(
        "every-call-not-allowed",
        "try every other system call there is, with arguments of nonsense",
        RAW
        + """
for number in $forbidden:
    if reached(number, -1, -1, -1, -1, -1, -1):
        print("ESCAPED", number)
""",
        control="nobody: some of them would halt the machine",
    ),
)
