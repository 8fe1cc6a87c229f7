"""A server at its worst: `python -m tests.pipelines.workers.server.chaos PORT LOG [TROUBLE]`.

It answers all requests but a share of `TROUBLE` (a half). These meet, each as often as the others: 429; 500, with a
body that looks like an answer; a reset; silence, or a byte now and then; an answer that is cut short. `LOG` has a line
for each request that came (`got`) and each answer that was sent whole (`paid`), with the question and the moment.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import struct
import sys
import time

FAR = 3600


def completion(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}).encode()


def response(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def serve(port: int, log: str, trouble: float = 0.5) -> None:
    written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    chance = random.Random(os.getpid())

    def note(what: str, question: str) -> None:
        os.write(written, f"{what} {question.replace(' ', '-')} {time.monotonic()}\n".encode())

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            body = json.loads(await reader.readexactly(length))
            question = body["messages"][0]["content"][-1]["text"]
            note("got", question)
            await asyncio.sleep(chance.expovariate(100))
            whole = response("200 OK", completion(f"answer to {question}"))
            fate = chance.randrange(5) if chance.random() < trouble else 5
            if fate == 0:
                writer.write(response("429 Too Many Requests", b'{"error": "slow down"}', "retry-after: 0.05"))
            elif fate == 1:
                writer.write(response("500 Internal Server Error", completion("an error that looks like an answer")))
            elif fate == 2:
                linger = struct.pack("ii", 1, 0)  # nothing is waited for: the peer sees a reset
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
                return
            elif fate == 3:
                for byte in whole if chance.random() < 0.5 else b"":
                    writer.write(bytes([byte]))
                    await writer.drain()  # raises when the client has hung up
                    await asyncio.sleep(0.1)
                await asyncio.sleep(FAR)
            elif fate == 4:
                cut = response("200 OK", completion(f"answer to {question}")[:-25])
                writer.write(cut if chance.random() < 0.5 else whole[:-25])  # by the application, or on its way
                await writer.drain()
                writer.close()
                return
            else:
                writer.write(whole)
                await writer.drain()
                note("paid", question)
            await writer.drain()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], *map(float, sys.argv[3:])))
