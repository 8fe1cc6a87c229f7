"""A client that may be killed: `python -m tests.pipelines.workers.server.asker PORT COUNT TOLD`.

Asks `COUNT` questions, numbered and with pictures, all at once. `TOLD` gets a line for each as it ends.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import Future
from functools import partial

from PIL import Image

from pipelines.workers import WorkerSpec, connect
from schemas.messages import Message, Picture, Text
from schemas.requests import Failed, Generate, Generated, Result, Sampling, Server

TIMEOUT_S, ATTEMPT_S, CONCURRENCY = 60.0, 0.5, 64


def paint(image_id: str) -> Image.Image:
    return Image.new("RGB", (40, 30), (int(image_id), 80, 160))


def request(number: int) -> Generate:
    question = Message("user", (Picture(str(number % 20)), Text(f"question-{number}")))
    return Generate(f"row-{number}", (question,), Sampling(16), number)


def ask(port: int, count: int, told: str) -> None:
    options = {"model": "tiny", "concurrency": CONCURRENCY, "timeout_s": TIMEOUT_S, "attempt_s": ATTEMPT_S}
    options["picture_names"] = "off"  # so that the server is asked nothing else
    worker = connect(WorkerSpec(f"openai:http://127.0.0.1:{port}/v1", "1", tuple(options.items())), paint)
    assert isinstance(worker, Server)
    written = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(number: int, future: Future[Result]) -> None:
        result = future.result()
        line: dict[str, object] = {"number": number, "at": time.monotonic()}
        if isinstance(result, Generated):
            line |= {"text": result.text, "cached": result.cached, "attempts": result.attempts}
        elif isinstance(result, Failed):
            line |= {"kind": result.kind, "transient": result.transient, "attempts": result.attempts}
        os.write(written, f"{json.dumps(line)}\n".encode())

    futures = [worker.submit(request(number)) for number in range(count)]
    for number, future in enumerate(futures):
        future.add_done_callback(partial(note, number))
    for future in futures:
        future.result()


if __name__ == "__main__":
    ask(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
