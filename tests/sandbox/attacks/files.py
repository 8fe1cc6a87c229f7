"""Attacks on files: reading what is secret, writing what stays, links, devices, descriptors."""

from tests.sandbox.attacks.attack import Attack

ATTACKS = (
    Attack(
        "read-passwd",
        "read the list of the machine's users",
        """
print("ESCAPED", open("/etc/passwd").readline())
""",
    ),
    Attack(
        "read-secret",
        "read a file of the host by its path",
        """
print("ESCAPED", open("$secret").read())
""",
    ),
    Attack(
        "read-secret-by-traversal",
        "climb out of the temporary folder",
        """
print("ESCAPED", open("../" * 30 + "$secret").read())
""",
    ),
    Attack(
        "read-secret-by-symlink",
        "point a link at a file of the host and read the link",
        """
import os, tempfile
link = os.path.join(tempfile.mkdtemp(), "link")
os.symlink("$secret", link)
print("ESCAPED", open(link).read())
""",
    ),
    Attack(
        "read-secret-by-hard-link",
        "give a file of the host a second name",
        """
import os
os.link("$secret", "$folder/second")
print("ESCAPED", open("$folder/second").read())
""",
        control="root",
    ),
    Attack(
        "read-secret-by-handle",
        "open a file by its number in the file system, past every mount",
        """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
class Handle(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint), ("type", ctypes.c_int), ("bytes", ctypes.c_ubyte * 128)]
handle, mount = Handle(128), ctypes.c_int()
if libc.name_to_handle_at(-100, b"/", ctypes.byref(handle), ctypes.byref(mount), 0) == 0:
    place = os.open("/", os.O_RDONLY)
    if libc.open_by_handle_at(place, ctypes.byref(handle), os.O_RDONLY) >= 0:
        print("ESCAPED")
""",
        control="root",
    ),
    Attack(
        "read-environment",
        "read the secrets that the host keeps in its environment",
        """
import os
if "EVOLENS_SECRET" in os.environ:
    print("ESCAPED", os.environ["EVOLENS_SECRET"])
""",
    ),
    Attack(
        "read-environment-of-memory",
        "read the environment that the C library was started with",
        """
import ctypes
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
if libc.getenv(b"EVOLENS_SECRET"):
    print("ESCAPED")
""",
    ),
    Attack(
        "read-proc-self",
        "learn of the memory of this process from /proc",
        """
print("ESCAPED", open("/proc/self/maps").readline())
""",
    ),
    Attack(
        "read-proc-of-others",
        "list the other processes and their environments",
        """
import os
others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
if others:
    print("ESCAPED", others[:3])
""",
    ),
    Attack(
        "write-memory-through-proc",
        "change the memory of this process through /proc, past its protection",
        """
with open("/proc/self/mem", "r+b") as memory:
    print("ESCAPED")
""",
    ),
    Attack(
        "read-sys",
        "learn of the machine's devices from /sys",
        """
import os
print("ESCAPED", os.listdir("/sys/kernel"))
""",
    ),
    Attack(
        "open-device",
        "open a device",
        """
import os
for name in ("null", "zero", "mem", "kmsg", "fuse", "kvm", "shm/x"):
    try:
        os.open("/dev/" + name, os.O_RDWR | os.O_CREAT)
        print("ESCAPED", name)
        break
    except OSError:
        pass
""",
    ),
    Attack(
        "make-device",
        "make a device of one's own",
        """
import os, stat, tempfile
name = os.path.join(tempfile.mkdtemp(), "null")
os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(1, 3))
print("ESCAPED")
""",
        control="root",
    ),
    Attack(
        "make-fifo",
        "make a pipe with a name, to meet another call at",
        """
import os, tempfile
os.mkfifo(os.path.join(tempfile.mkdtemp(), "fifo"))
print("ESCAPED")
""",
    ),
    Attack(
        "write-host-folder",
        "leave a file in a folder of the host that anyone may write to",
        """
open("$folder/planted", "w").write("here")
print("ESCAPED")
""",
    ),
    Attack(
        "write-root",
        "write outside the temporary folder",
        """
import os
for folder in ("/", "/lib", "/packages", "/python", "/python/lib", "/var/tmp", "/run", "/home", "/dev/shm"):
    try:
        path = os.path.join(folder, "evolens-planted")
        open(path, "w").close()
        print("ESCAPED", folder)
        os.unlink(path)
    except OSError:
        pass
""",
    ),
    Attack(
        "write-library",
        "plant a module beside the standard library or NumPy, for whoever imports next",
        """
import numpy, os, sysconfig
for folder in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), os.path.dirname(numpy.__file__)):
    try:
        path = os.path.join(folder, "evolens_planted.txt")
        open(path, "w").close()
        print("ESCAPED", folder)
        os.unlink(path)
    except OSError:
        pass
""",
        control="root",
    ),
    Attack(
        "make-library-writable",
        "change the mode of a file of the standard library",
        """
import os
os.chmod(os.__file__, os.stat(os.__file__).st_mode)
print("ESCAPED")
""",
        control="root",
    ),
    Attack(
        "lock-library",
        "lock a file that processes of the host open as well",
        """
import fcntl, os
fcntl.flock(open(os.__file__), fcntl.LOCK_EX | fcntl.LOCK_NB)
print("ESCAPED")
""",
    ),
    Attack(
        "lease-library",
        "take a lease on a file, so that others wait who open it",
        """
import fcntl, os
fcntl.fcntl(open(os.__file__), 1024, fcntl.F_RDLCK)
print("ESCAPED")
""",
        control="root",
    ),
    Attack(
        "scan-descriptors",
        "find files and sockets of the host among the open descriptors",
        """
import os
for number in range(4096):
    try:
        os.fstat(number)
    except OSError:
        continue
    if number not in (0, 1, 2, 3, 4):
        print("ESCAPED", number)
""",
    ),
    Attack(
        "run-library-from-tmp",
        "map a file of one's own as code",
        """
import mmap, tempfile
file = tempfile.TemporaryFile()
file.write(bytes(4096))
file.flush()
mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE)
print("ESCAPED")
""",
    ),
    Attack(
        "change-root",
        "leave by chroot",
        """
import os, tempfile
os.chroot(tempfile.mkdtemp())
print("ESCAPED")
""",
        control="root",
    ),
)
