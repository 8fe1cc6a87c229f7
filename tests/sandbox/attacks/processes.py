"""Attacks with processes, threads and signals."""

from tests.sandbox.attacks.attack import Attack

ATTACKS = (
    Attack(
        "fork",
        "make a second process",
        """
import os
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
print("ESCAPED")
""",
    ),
    Attack(
        "fork-bomb",
        "fill the table of processes",
        """
import os, signal
children = []
try:
    while len(children) < 100:
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
except OSError:
    pass
if len(children) > 20:
    print("ESCAPED", len(children))
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
""",
    ),
    Attack(
        "run-program",
        "run a program with subprocess",
        """
import subprocess, sys
for command in (["/bin/sh", "-c", "echo"], [sys.executable, "-c", "pass"]):
    try:
        subprocess.run(command, check=True)
        print("ESCAPED")
    except OSError:
        pass
""",
    ),
    Attack(
        "run-shell",
        "run a command of the shell",
        """
import os
if os.system("true") == 0:
    print("ESCAPED")
""",
    ),
    Attack(
        "spawn",
        "make a process the POSIX way",
        """
import os, sys
os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-c", "pass"], os.environ), 0)
print("ESCAPED")
""",
    ),
    Attack(
        "replace-program",
        "become a fresh interpreter that no longer watches itself",
        """
import os, sys
os.execv(sys.executable, [sys.executable, "-c", "print('ESCAPED')"])
""",
    ),
    Attack(
        "leave-daemon",
        "leave a process behind that works on after the call",
        """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(0.2)
        open("$folder/late", "w").close()
    os._exit(0)
else:
    time.sleep(1)
    if os.path.exists("$folder/late"):
        print("ESCAPED")
""",
    ),
    Attack(
        "use-process-pool",
        "make processes with multiprocessing",
        """
import multiprocessing, os
worker = multiprocessing.get_context("fork").Process(target=os.getpid)
worker.start()
worker.join()
print("ESCAPED")
""",
    ),
    Attack(
        "thread-bomb",
        "fill the table of processes with threads",
        """
import threading
stop, threads = threading.Event(), []
try:
    while len(threads) < 100:
        threads.append(threading.Thread(target=stop.wait))
        threads[-1].start()
except RuntimeError:
    threads.pop()
if len(threads) > 20:
    print("ESCAPED", len(threads))
stop.set()
""",
    ),
    Attack(
        "kill-others",
        "end the sandbox, the host, or anyone",
        """
import os, signal
for process in ($victim, os.getppid(), 1, 2, -1)[:$victims]:
    try:
        os.kill(process, signal.SIGKILL)
        print("ESCAPED", process)
    except OSError:
        pass
""",
    ),
    Attack(
        "stop-others",
        "freeze the sandbox, so that nobody keeps the time",
        """
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
for process in ($victim, os.getppid(), 1, 2)[:$victims]:
    for call in (lambda: libc.syscall($tkill, process, signal.SIGSTOP),
                 lambda: libc.syscall($tgkill, process, process, signal.SIGSTOP)):
        if call() == 0:
            print("ESCAPED", process)
""",
    ),
    Attack(
        "queue-signal",
        "send a signal that says it comes from the kernel",
        """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
information = (ctypes.c_int * 32)(0, 0, -1)
for process in ($victim, os.getppid(), 1)[:$victims]:
    if libc.syscall($rt_sigqueueinfo, process, 18, information) == 0:
        print("ESCAPED", process)
""",
    ),
    Attack(
        "signal-by-descriptor",
        "send a signal through a descriptor of a process",
        """
import os, signal
handle = os.pidfd_open($victim if $victims == 1 else os.getppid())
signal.pidfd_send_signal(handle, 0)
print("ESCAPED")
""",
    ),
    Attack(
        "signal-by-file",
        "have the kernel send signals to another process when a pipe is written to",
        """
import fcntl, os
reading, writing = os.pipe()
fcntl.fcntl(reading, fcntl.F_SETOWN, os.getppid())
print("ESCAPED")
""",
    ),
    Attack(
        "trace",
        "be traced, or trace another process",
        """
import ctypes
if ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0:
    print("ESCAPED")
""",
    ),
    Attack(
        "read-memory-of-others",
        "read the memory of a process by its number",
        """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
source = ctypes.create_string_buffer(b"secret")
target = ctypes.create_string_buffer(8)
class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
here, there = Vector(ctypes.addressof(target), 6), Vector(ctypes.addressof(source), 6)
if libc.process_vm_readv(os.getpid(), ctypes.byref(here), 1, ctypes.byref(there), 1, 0) == 6:
    print("ESCAPED")
""",
    ),
    Attack(
        "steal-descriptor",
        "take an open file out of another process",
        """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
handle = libc.syscall($pidfd_open, os.getpid(), 0)
if libc.syscall($pidfd_getfd, handle, 1, 0) >= 0:
    print("ESCAPED")
""",
    ),
    Attack(
        "take-more-processor",
        "move to another processor and put itself before others",
        """
import os
os.sched_setaffinity(0, os.sched_getaffinity(0))
os.setpriority(os.PRIO_PROCESS, 0, 19)
print("ESCAPED")
""",
    ),
    Attack(
        "raise-limits",
        "change the limits on itself",
        """
import resource
resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE))
print("ESCAPED")
""",
    ),
    Attack(
        "become-root",
        "be root",
        """
import os
for become in (os.setuid, os.seteuid, os.setgid, os.setegid):
    try:
        become(0)
    except OSError:
        pass
if 0 in (os.getuid(), os.geteuid(), os.getgid(), os.getegid()):
    print("ESCAPED")
""",
        control="root",
    ),
)
