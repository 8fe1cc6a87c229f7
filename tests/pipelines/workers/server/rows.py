"""Random conversations about random pictures, and a client that asks them:
`python -m tests.pipelines.workers.server.rows ADDRESS FOLDER SEED FIRST LAST TOLD`.

Rows show 0 to 6 pictures, in user and tool turns, between words; some pictures are in many rows, some rows come twice.
The pictures are of every kind that is stored: tiny, huge, alike but for one pixel, transparent, turned, animated.
"""

from __future__ import annotations

import io
import json
import random
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.lake.decode import decode
from pipelines.workers import WorkerSpec, connect
from schemas.ids import picture_id
from schemas.messages import Message, Part, Picture, Text
from schemas.requests import Generate, Generated, Sampling, Server

SMALL, TINY, LARGE = 260, 40, 12
OPTIONS = {"model": "echo", "concurrency": 48, "timeout_s": 60.0}


def draw(folder: Path, seed: int) -> None:
    """Write a file for each picture, named by the id of its pixels."""
    dice = np.random.default_rng(seed)
    sizes = [(int(w), int(h)) for w, h in dice.integers(8, 72, (SMALL, 2))]
    sizes += [(int(w), int(h)) for w, h in dice.integers(1, 4, (TINY, 2))]
    files = [encoded(noise(dice, size), number) for number, size in enumerate(sizes)]
    for number in range(LARGE):
        side = 4000 if number == 0 else 900
        plain = np.zeros((side, side, 3), np.uint8)
        plain[:, :, number % 3] = np.arange(side, dtype=np.uint8)[:, None]
        plain[number, side // 2] = 255  # the only pixel in which every fourth differs from the next
        files.append(encoded(Image.fromarray(plain), 4 * number))
    for data in files:
        (folder / picture_id(decode(data))).write_bytes(data)


def noise(dice: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(dice.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def encoded(picture: Image.Image, kind: int) -> bytes:
    """The picture as a file of one of eight kinds."""
    turned, see_through = Image.Exif(), picture.convert("RGBA")
    turned[0x0112] = 6
    see_through.putalpha(picture.convert("L"))
    red = picture.getpixel((0, 0))
    ways = [
        (picture, "PNG", {"compress_level": 1}),
        (picture, "JPEG", {"quality": 90}),
        (picture, "WEBP", {"lossless": True}),
        (picture, "BMP", {}),
        (picture.quantize(16), "PNG", {}),
        (see_through, "PNG", {}),
        (picture, "PNG", {"transparency": red}),
        (picture, "JPEG", {"exif": turned}),
    ]
    shown, form, options = ways[kind % len(ways)]
    buffer = io.BytesIO()
    shown.save(buffer, form, **options)
    return buffer.getvalue()


def row(seed: int, number: int, ids: list[str]) -> Generate:
    """Row `number`: every tenth is the one before it again, under another name."""
    dice = random.Random(f"{seed}/{number - 1 if number % 10 == 9 else number}")
    parts: list[Part] = [Picture(ids[int(len(ids) * dice.random() ** 3)]) for _ in range(dice.randint(0, 6))]
    for place in range(dice.randint(1, 3)):
        parts.insert(dice.randint(0, len(parts)), Text(f"words {place} of {dice.random()}"))
    cut = dice.randint(0, len(parts))
    messages = [Message("user", tuple(parts[:cut]) or (Text("look"),))]
    if cut < len(parts):
        messages += [Message("assistant", (Text("I look closer"),)), Message("tool", tuple(parts[cut:]))]
    return Generate(f"row-{number}", tuple(messages), Sampling(16), dice.randrange(3))


def expected(request: Generate) -> list[str]:
    """What the server must have received."""
    told: list[str] = []
    for message in request.messages:
        said = [part.text if isinstance(part, Text) else part.image_id for part in message.parts]
        told += ["<tool_response>\n", *said, "\n</tool_response>"] if message.role == "tool" else said
    return told


def ask(address: str, folder: Path, seed: int, numbers: range) -> dict[str, int]:
    """Ask rows, in no order, all at once; returns how many were right, wrong, failed, and answered by the cache."""
    ids = sorted(path.name for path in folder.iterdir())
    random.Random(seed).shuffle(ids)

    def load(image_id: str) -> bytes:
        return (folder / image_id).read_bytes()

    spec = WorkerSpec(f"openai:{address}", "1", tuple(OPTIONS.items()))
    worker = connect(spec, lambda image_id: decode(load(image_id)), load)
    assert isinstance(worker, Server)
    requests = [row(seed, number, ids) for number in numbers]
    random.Random(numbers.start).shuffle(requests)
    counts = dict.fromkeys(("right", "wrong", "failed", "cached", "pictures"), 0)
    for request, future in [(request, worker.submit(request)) for request in requests]:
        result = future.result()
        if not isinstance(result, Generated):
            counts["failed"] += 1
            print(request.request_id, result, file=sys.stderr)
            continue
        right = json.loads(result.text) == expected(request)
        counts["right" if right else "wrong"] += 1
        counts["cached"] += result.cached
        counts["pictures"] += sum(isinstance(part, Picture) for message in request.messages for part in message.parts)
    return counts


if __name__ == "__main__":
    at, where, drawn, first, last, out = sys.argv[1:]
    found = ask(at, Path(where), int(drawn), range(int(first), int(last)))
    Path(out).write_text(json.dumps(found))
