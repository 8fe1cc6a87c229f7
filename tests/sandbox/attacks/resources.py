"""Attacks on time, memory, disk, descriptors and the host's patience."""

from pipelines.sandbox import Limits
from tests.sandbox.attacks.attack import Attack

SHORT = Limits(wall=0.6)
SMALL = Limits(wall=10, memory=384 << 20)

ATTACKS = (
    Attack(
        "fill-memory",
        "take all memory, piece by piece",
        """
pieces = []
while len(pieces) < 8:
    pieces.append(b"x" * (64 << 20))
print("ESCAPED")
""",
        ends=("memory",),
        limits=SMALL,
    ),
    Attack(
        "fill-memory-with-crumbs",
        "take all memory so finely that none is left to say so",
        """
crumbs = []
while len(crumbs) < 600_000:
    crumbs.append(bytearray(900))
print("ESCAPED")
""",
        ends=("memory",),
        limits=SMALL,
    ),
    Attack(
        "fill-memory-at-once",
        "take all memory with one array",
        """
import numpy
if numpy.ones((512, 1 << 20), numpy.uint8).sum():
    print("ESCAPED")
""",
        ends=("memory",),
        limits=SMALL,
    ),
    Attack(
        "map-memory",
        "take memory that is shared, which other limits do not count",
        """
import mmap
pieces = []
while len(pieces) < 8:
    pieces.append(mmap.mmap(-1, 64 << 20))
    pieces[-1].write(b"x" * (64 << 20))
print("ESCAPED")
""",
        ends=("memory", "exception"),
        limits=SMALL,
    ),
    Attack(
        "lock-memory",
        "keep memory from being swapped out",
        """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.mlockall(1) == 0:
    print("ESCAPED")
""",
        control="root",
    ),
    Attack(
        "grow-picture",
        "decode a picture far larger than its file",
        """
from PIL import Image
Image.MAX_IMAGE_PIXELS = None
picture = Image.new("RGB", (15000, 12000), "red")
print("ESCAPED", picture.size)
""",
        ends=("memory",),
        limits=SMALL,
    ),
    Attack(
        "overflow-stack",
        "end the process that runs the program, by recursion",
        """
import sys, threading
sys.setrecursionlimit(10**9)
def down(value):
    return sorted([value], key=down)
down(0)
""",
        sign="crash",
        ends=("crashed", "memory"),
    ),
    Attack(
        "overflow-parser",
        "end the process that runs the program, in the compiler",
        """
import ast
ast.literal_eval("-" * 5_000_000 + "1")
""",
        sign="crash",
        ends=("crashed", "memory", "exception", "time"),
    ),
    Attack(
        "crash-by-pointer",
        "end the process that runs the program, by a wild pointer",
        """
import ctypes
ctypes.string_at(0)
""",
        sign="crash",
        ends=("crashed",),
    ),
    Attack(
        "abort",
        "end the process that runs the program, by abort",
        """
import os
os.abort()
""",
        sign="crash",
        ends=("crashed",),
    ),
    Attack(
        "fill-disk",
        "fill the disk with files",
        """
import os, tempfile
folder, written = tempfile.mkdtemp(), 0
try:
    while written < 80 << 20:
        with open(os.path.join(folder, str(written)), "wb") as file:
            written += file.write(bytes(1 << 20))
except OSError:
    pass
if written > 64 << 20:
    print("ESCAPED", written)
""",
        ends=("", "memory"),
    ),
    Attack(
        "one-huge-file",
        "make one file larger than the disk",
        """
import tempfile
tempfile.TemporaryFile().truncate(1 << 38)
print("ESCAPED")
""",
    ),
    Attack(
        "fill-inodes",
        "fill the memory of the kernel with empty files",
        """
import os, tempfile
folder, made = tempfile.mkdtemp(), 0
try:
    while made < 3000:
        open(os.path.join(folder, str(made)), "w").close()
        made += 1
except OSError:
    pass
if made > 1000:
    print("ESCAPED", made)
""",
    ),
    Attack(
        "deep-folders",
        "make folders so deep that nobody can remove them",
        """
import os, tempfile
os.chdir(tempfile.mkdtemp())
depth = 0
try:
    while depth < 1500:
        os.mkdir("d")
        os.chdir("d")
        depth += 1
except OSError:
    pass
if depth > 1000:
    print("ESCAPED", depth)
""",
    ),
    Attack(
        "open-descriptors",
        "open so many files that others can open none",
        """
import os
pipes = []
try:
    while len(pipes) < 400:
        pipes.append(os.pipe())
except OSError:
    pass
if len(pipes) > 100:
    print("ESCAPED", len(pipes))
""",
    ),
    Attack(
        "fat-pipes",
        "hold the kernel's memory in large pipes",
        """
import fcntl, os
fcntl.fcntl(os.pipe()[0], 1031, 1 << 20)
print("ESCAPED")
""",
    ),
    Attack(
        "run-forever",
        "never end",
        """
while True:
    pass
""",
        sign="endless",
        ends=("time",),
        limits=SHORT,
    ),
    Attack(
        "sleep-forever",
        "never end, and use no processor",
        """
import time
time.sleep(1000)
""",
        sign="endless",
        ends=("time",),
        limits=SHORT,
    ),
    Attack(
        "swallow-everything",
        "never end, whatever is raised",
        """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
""",
        sign="endless",
        ends=("time",),
        limits=SHORT,
    ),
    Attack(
        "ignore-signals",
        "never end, whatever signal comes",
        """
import signal
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
while True:
    pass
""",
        sign="endless",
        ends=("time",),
        limits=SHORT,
    ),
    Attack(
        "outlast-processor-limit",
        "use processor time though told to stop",
        """
import signal
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
while True:
    pass
""",
        sign="endless",
        ends=("processor",),
        limits=Limits(wall=20, processor=1),
    ),
    Attack(
        "block-inside-c",
        "stay in one call of the C library, where no Python signal is heard",
        """
9 ** 9 ** 9
""",
        sign="endless",
        ends=("time", "memory"),
        limits=SHORT,
    ),
    Attack(
        "match-forever",
        "stay in one regular expression",
        """
import re
re.match("(a*)*b", "a" * 60)
""",
        sign="endless",
        ends=("time",),
        limits=SHORT,
    ),
    Attack(
        "thread-that-stays",
        "end, but leave a thread that does not",
        """
import threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
""",
        sign="endless",
        ends=("",),
        limits=SHORT,
    ),
    Attack(
        "wait-in-exit",
        "do not end at the exit of the interpreter",
        """
import atexit, time
atexit.register(time.sleep, 1000)
""",
        sign="endless",
        ends=("",),
        limits=SHORT,
    ),
    Attack(
        "flood-output",
        "drown the host in output",
        """
for _ in range(200):
    print("x" * 10_000)
""",
        sign="flood",
        ends=("",),
    ),
    Attack(
        "flood-output-for-good",
        "drown the host in output without end",
        """
while True:
    print("x" * 1_000_000)
""",
        sign="endless",
        ends=("exception", "time"),
        limits=SHORT,
    ),
    Attack(
        "flood-errors",
        "drown the host in error output",
        """
import sys
for _ in range(200):
    sys.stderr.write("x" * 10_000)
""",
        sign="flood",
        ends=("",),
    ),
    Attack(
        "flood-raw",
        "drown the host in output, past Python",
        """
import os
for _ in range(200):
    os.write(1, b"x" * 10_000)
""",
        sign="flood",
        ends=("",),
    ),
    Attack(
        "flood-by-exception",
        "drown the host in the message of an error",
        """
raise ValueError("x" * 2_000_000)
""",
        sign="flood",
        ends=("exception",),
    ),
    Attack(
        "show-too-large",
        "return a picture that the host cannot hold",
        """
from PIL import Image
show(Image.new("RGB", (8000, 8000)))
print("ESCAPED")
""",
    ),
    Attack(
        "show-too-many",
        "return pictures without end",
        """
from PIL import Image
for _ in range(100):
    show(Image.new("RGB", (9, 9)))
print("ESCAPED")
""",
    ),
)
