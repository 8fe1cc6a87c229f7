"""How much memory a crowd of requests takes: `python -m tests.pipelines.workers.server.crowd 100000`.

Asks that many questions at once, each about two pictures of 640 × 480 of its own, of a server that answers each. Says
as JSON how large this process was (MiB) before the first question, when all were queued, and at most.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from pipelines.workers import WorkerSpec, connect
from schemas.messages import Message, Picture, Text
from schemas.requests import Generate, Generated, Sampling, Server


def photograph() -> bytes:
    rough = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(rough).resize((640, 480)).save(file, "JPEG", quality=92)
    return file.getvalue()


PHOTOGRAPH = photograph()


def load(image_id: str) -> Image.Image:
    return Image.open(io.BytesIO(PHOTOGRAPH))


def load_bytes(image_id: str) -> bytes:
    return PHOTOGRAPH + image_id.encode()  # what follows the picture is no part of it: many files, one picture


def request(number: int) -> Generate:
    parts = (Picture(f"{number:032x}"), Picture(f"{number:031x}x"), Text(f"question-{number}"))
    return Generate(f"row-{number}", (Message("user", parts),), Sampling(16), number)


def highest() -> int:
    """Most bytes that this program has held; `ru_maxrss` would also know how large the process was that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def megabytes(size: int) -> int:
    return size // 2**20


def ask(port: int, count: int) -> dict[str, float]:
    worker = connect(
        WorkerSpec(f"openai:http://127.0.0.1:{port}/v1", "1", (("model", "tiny"), ("cache", "off"))), load, load_bytes
    )
    assert isinstance(worker, Server)
    before, began = psutil.Process().memory_info().rss, time.monotonic()
    futures = [worker.submit(request(number)) for number in range(count)]
    queued = psutil.Process().memory_info().rss
    answered = sum(isinstance(future.result(), Generated) for future in futures)
    most = highest()
    seconds = time.monotonic() - began
    size = {"before": megabytes(before), "queued": megabytes(queued), "most": megabytes(most)}
    return {"requests": count, "answered": answered, **size, "seconds": round(seconds, 1)}


def main(count: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    os.environ["NO_PROXY"] = "127.0.0.1"
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "tests.pipelines.workers.server.chaos", str(port), str(log), "0"]
        server = subprocess.Popen(command)
        try:
            print(json.dumps(ask(port, count)))
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))
