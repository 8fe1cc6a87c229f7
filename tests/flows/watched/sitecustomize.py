"""Watch a Python process from its first moment; a test puts this folder on PYTHONPATH, and children inherit it.

Into the file that WATCH_LOG names goes one JSON line for the start of a process, for the first import of each package
that could report home, and for each connection or look-up. All lines hold the telemetry variables as they are at that
moment. What would leave the machine is refused: an audit hook sees it before it happens, and cannot be taken off.
"""

import json
import os
import socket
import sys

VARIABLES = (
    "DO_NOT_TRACK",
    "HF_HUB_DISABLE_TELEMETRY",
    "PREFECT_SERVER_ANALYTICS_ENABLED",
    "VLLM_NO_USAGE_STATS",
    "VLLM_DO_NOT_TRACK",
)
PACKAGES = {"prefect", "huggingface_hub", "transformers", "datasets", "trl", "vllm"}
HERE = {"localhost", "::1", "0.0.0.0", "", None, socket.gethostname()}

_log = os.open(os.environ["WATCH_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_seen = set()


def _say(event, what):
    line = {
        "pid": os.getpid(),
        "event": event,
        "what": what,
        "told": {name: os.environ.get(name) for name in VARIABLES},
    }
    os.write(_log, json.dumps(line).encode() + b"\n")


def _watch(event, arguments):
    if event == "import":
        name = arguments[0].partition(".")[0]
        if name in PACKAGES - _seen:
            _seen.add(name)
            _say("import", name)
    elif event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        target = arguments[0] if event.startswith("socket.get") else arguments[1]
        host = target[0] if isinstance(target, tuple) else target
        if isinstance(host, bytes):
            host = host.decode(errors="replace")
        local = isinstance(target, str | bytes) and event in (
            "socket.connect",
            "socket.sendto",
        )  # a file of this machine
        if local or host in HERE or host.startswith("127."):
            _say("loopback", str(host))
        else:
            _say("outside", str(host))
            raise PermissionError(f"a test tried to reach {host}")


_say("start", " ".join(sys.orig_argv))
sys.addaudithook(_watch)
