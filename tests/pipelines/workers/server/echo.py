"""A server that tells what it received: `python -m tests.pipelines.workers.server.echo PORT_FILE NAMES`.

Its answer is the conversation as it came, every picture as the id of its RGB pixels. As vLLM does, it keeps pictures by
the names that clients give them (`uuid`), `NAMES` at most, and refuses a name that it does not hold. It answers out of
order, forgets a name now and then, and one request in twenty meets a 429, a 500 or a closed connection.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import random
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image

from schemas.ids import picture_id

Image.MAX_IMAGE_PIXELS = None
MISS = "Cache miss for image at index 0 but data is not provided."


class Echo:
    def __init__(self, names: int) -> None:
        self.room = names
        self.names: OrderedDict[str, str] = OrderedDict()
        self.seen: dict[bytes, str] = {}
        self.counts = dict.fromkeys(("requests", "answers", "carried", "named", "missed"), 0)
        self.chance = random.Random(5)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.counts["requests"] += 1
        await asyncio.sleep(self.chance.expovariate(300))
        fate = self.chance.random()
        if fate < 0.03:
            status = self.chance.choice([429, 500])
            return web.json_response({"error": "busy"}, status=status, headers={"Retry-After": "0.01"})
        if fate < 0.05 and request.transport is not None:
            request.transport.abort()
            return web.Response()
        try:
            told = [self.part(part) for message in body["messages"] for part in self.parts(message["content"])]
        except KeyError:
            self.counts["missed"] += 1
            return web.json_response({"error": {"message": MISS, "code": 400}}, status=400)
        self.counts["answers"] += 1
        choice = {"message": {"content": json.dumps(told)}, "finish_reason": "stop", "stop_reason": None}
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})

    @staticmethod
    def parts(content: Any) -> list[dict[str, Any]]:
        return [{"type": "text", "text": content}] if isinstance(content, str) else content

    def part(self, part: dict[str, Any]) -> str:
        """What stands in the answer for a part. Raises `KeyError` for a picture whose name is not known."""
        if part["type"] == "text":
            return str(part["text"])
        name, url = part.get("uuid"), (part["image_url"] or {}).get("url")
        if url is None:
            self.counts["named"] += 1
            if self.chance.random() < 0.01:
                self.names.pop(name, None)
            self.names.move_to_end(name)
            return self.names[name]
        self.counts["carried"] += 1
        data = base64.b64decode(url.partition(",")[2], validate=True)
        key = hashlib.blake2b(data).digest()
        if key not in self.seen:
            with Image.open(io.BytesIO(data)) as opened:
                self.seen[key] = picture_id(opened.convert("RGB"))
        if name is not None:
            self.names[name] = self.seen[key]
            while len(self.names) > self.room:
                self.names.popitem(last=False)
        return self.seen[key]

    async def told(self, _: web.Request) -> web.Response:
        return web.json_response(self.counts)


async def serve(port_file: Path, names: int) -> None:
    echo = Echo(names)
    app = web.Application(client_max_size=2**30)
    app.add_routes([web.post("/v1/chat/completions", echo.chat), web.get("/counts", echo.told)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port_file.with_suffix(".new").write_text(str(runner.addresses[0][1]))
    port_file.with_suffix(".new").rename(port_file)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
