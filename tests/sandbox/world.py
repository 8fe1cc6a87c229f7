"""The host that attacks are after: a secret, a writable folder, servers, a process to hit; and what is filled in."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import string
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pipelines.sandbox import seccomp

SECRET = "the secret of the host"
ABSTRACT = f"evolens-attacked-{os.getpid()}"
SHIM = """
import os, pickle
os.chdir({folder!r})
os.dup2(os.open("account", os.O_RDWR | os.O_CREAT), 4)
names = dict(__name__="__main__", images=[], show=lambda picture: None)
for program in {programs!r}:
    try:
        exec(compile(program, "<code>", "exec"), names)
    except SystemExit:
        pass
if os.fstat(4).st_size:
    pickle.loads(os.pread(4, 1 << 20, 0))
    print("ESCAPED")
"""
"""How the same programs run without a sandbox: `exec` in one process, one after the other, the account unpickled."""


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True)
class World:
    """What there is to attack. `victim` is a process of this user that does nothing."""

    folder: Path
    secret: Path
    port: int
    victim: subprocess.Popen[bytes]

    def fill(self, program: str, plain: bool) -> str:
        """`program` with its $NAMES filled in, for a plain process or for the sandbox."""
        known: dict[str, object] = {
            "folder": self.folder,
            "secret": self.secret,
            "port": self.port,
            "abstract": ABSTRACT,
            "victim": self.victim.pid,
            "victims": 1 if plain else 9,  # a plain process must hit nobody else
            "plain": plain,
            "forbidden": sorted(forbidden().values()),
        }
        for name in set(re.findall(r"\$(\w+)", program)) - known.keys():
            known[name] = number(name)
        return string.Template(program).substitute(known)


@contextmanager
def built(folder: Path) -> Iterator[World]:
    """A world in a fresh folder, gone at the end."""
    folder.chmod(0o777)
    secret = folder / "secret.txt"
    secret.write_text(SECRET)
    with ExitStack() as stack:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Hello)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        for name in (f"\0{ABSTRACT}", str(folder / "socket")):
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(name)
            listening.listen()
        victim = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        stack.callback(victim.wait)
        stack.callback(victim.kill)
        yield World(folder, secret, server.server_port, victim)


def number(name: str) -> int:
    """The number of a system call on this machine, as libseccomp knows it."""
    found: int = ctypes.CDLL(seccomp.LIBRARY).seccomp_syscall_resolve_name(name.encode())
    assert found >= 0, f"there is no system call {name} here"
    return found


def forbidden() -> dict[str, int]:
    """Every system call of this machine that the inner filter does not name."""
    library = ctypes.CDLL(seccomp.LIBRARY)
    library.seccomp_syscall_resolve_num_arch.restype = ctypes.c_void_p
    library.free = ctypes.CDLL(None).free
    names = {}
    for each in range(600):
        pointer = library.seccomp_syscall_resolve_num_arch(library.seccomp_arch_native(), each)
        if pointer:
            name = ctypes.string_at(pointer).decode()
            ctypes.CDLL(None).free(ctypes.c_void_p(pointer))
            if name not in {*seccomp.INNER, *seccomp.ONLY}:
                names[name] = each
    return names
