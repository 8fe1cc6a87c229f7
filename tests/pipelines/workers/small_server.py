"""A small chat server for tests of supervision, run as a process: `python small_server.py PORT NAME [BIRTHS]`.

It is ready at `/health`, echoes the last words at `/v1/chat/completions` with its name and process id, has a child of
its own that would live for ever, notes each birth in the file BIRTHS, and dies where it is told `die`. A file
`BIRTHS.ill` keeps it from starting; told `mute`, it answers nothing any more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PORT, NAME, BIRTHS = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
MUTE = threading.Event()


class Handler(BaseHTTPRequestHandler):
    def answer(self, status: int, body: dict[str, Any]) -> None:
        while MUTE.is_set():
            threading.Event().wait()
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.answer(200, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["model"] != NAME:
            self.answer(404, {"error": f"{NAME} is no {body['model']}"})
            return
        words = body["messages"][-1]["content"][-1]["text"]
        if words == "die" and len(BIRTHS.read_text().split()) == 1:
            os._exit(3)
        if words == "mute" and len(BIRTHS.read_text().split()) == 1:
            MUTE.set()
        choice = {"message": {"content": f"{NAME} {os.getpid()} {words}"}, "finish_reason": "stop", "stop_reason": None}
        self.answer(200, {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    with BIRTHS.open("a") as file:
        file.write(f"{os.getpid()}\n")
    print("loading the weights", flush=True)
    if BIRTHS.with_suffix(".ill").exists():
        print("ValueError: the weights are of another model", flush=True)
        print("\n".join(f"cleaning up {number}" for number in range(20)), flush=True)
        sys.exit(1)
    subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
