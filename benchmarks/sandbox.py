"""What safety costs: `python -m benchmarks.sandbox`, results in `sandbox.json` beside this file.

The same programs on the same picture of 448 x 448, by four sides that take turns in one run:

    exec       in this process, as V-Thinker and Thyme do: no protection at all
    process    a fresh Python process for each call, with NumPy and Pillow imported: no protection but its own memory
    bwrap      a fresh sandbox for each call, all limits and filters included
    warm       the pool: sandboxes that are already there, and fork for each call

Programs: `nothing` (the call itself), `crop` (cut and enlarge a part), `draw` (lines and a label on a copy), `count`
(NumPy over all pixels, a number printed). Every side must give the same pictures and words, or the run fails. Two
threads ask each side, on two cores; calls per second are those of both together.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import measure
from pipelines.sandbox import Sandbox, wire

RESULTS = Path(__file__).with_suffix(".json")
RATE = 100.0
"""Sandboxed calls a second that we want of two cores."""

PROGRAMS = {
    "nothing": "pass",
    "crop": "show(image.crop((100, 100, 250, 250)).resize((448, 448)))",
    "draw": (
        "from PIL import ImageDraw\npen = ImageDraw.Draw(image)\npen.line([(9, 9), (400, 300)], fill='red', width=4)\n"
        "pen.text((50, 60), 'here', fill='blue')\nshow(image)"
    ),
    "count": "import numpy as np\nprint(int((np.asarray(image)[..., 0] > 128).sum()))",
}
Result = tuple[str, tuple[bytes, ...]]
Side = Callable[[str, Image.Image], Result]

FRESH = """
import sys
from pipelines.sandbox import guest, wire
guest.prepare()
answer = guest.carry_out(*wire.read_request(sys.stdin.buffer.read()))
sys.stdout.flush()
sys.stderr.buffer.write(b"".join(wire.answer(answer)))
"""


def in_process(code: str, image: Image.Image) -> Result:
    """`exec`, here and now. Its words go through a redirection that threads share, so one thread asks it."""
    shown: list[bytes] = []
    names = {"image": image.copy(), "show": lambda picture: shown.append(picture.convert("RGB").tobytes())}
    words = io.StringIO()
    with contextlib.redirect_stdout(words):
        exec(compile(code, "<code>", "exec"), names)
    return words.getvalue(), tuple(shown)


def process(code: str, image: Image.Image) -> Result:
    """A fresh interpreter that imports what the sandbox has imported."""
    asked = wire.request(code, [wire.Raw(*image.size, image.tobytes())], (4, 1 << 23))
    done = subprocess.run(
        [sys.executable, "-c", FRESH], input=b"".join(asked), capture_output=True, check=True, cwd=measure.ROOT
    )
    answer = wire.read_answer(done.stderr, (4, 1 << 23))
    return done.stdout.decode(), tuple(bytes(raw.data) for raw in answer.images)


def sandboxed(box: Sandbox) -> Side:
    """One call of a pool."""

    def call(code: str, image: Image.Image) -> Result:
        ran = box.run(code, [image])
        assert ran.error is None, ran.error
        return ran.stdout, tuple(shown.tobytes() for shown in ran.images)

    return call


def fresh(code: str, image: Image.Image) -> Result:
    """A sandbox made for one call."""
    with Sandbox() as box:
        return sandboxed(box)(code, image)


def measured(repeats: int, seconds: float, workers: int) -> dict[str, Any]:
    """Every program on every side, for about `seconds` a turn."""
    image = Image.effect_noise((448, 448), 100).convert("RGB")
    with ExitStack() as stack:
        pool = stack.enter_context(Sandbox(workers))
        threads = stack.enter_context(ThreadPoolExecutor(workers))
        sides: dict[str, tuple[Side, int]] = {
            "exec": (in_process, 1),
            "process": (process, workers),
            "bwrap": (fresh, workers),
            "warm": (sandboxed(pool), workers),
        }
        expected = {name: in_process(code, image) for name, code in PROGRAMS.items()}
        for side, _ in sides.values():
            for name, code in PROGRAMS.items():
                assert side(code, image) == expected[name], name

        def turn(side: Side, asking: int, code: str) -> dict[str, float]:
            end = time.perf_counter() + seconds

            def ask(_: int) -> list[float]:
                return list(durations(side, code, image, end))

            started = time.perf_counter()
            each = sorted(chain.from_iterable(threads.map(ask, range(asking))))
            wall = time.perf_counter() - started
            return {"rate": len(each) / wall, "middle": each[len(each) // 2], "late": each[len(each) * 99 // 100]}

        result: dict[str, Any] = {}
        for name, code in PROGRAMS.items():
            asked = {key: lambda s=side, n=asking, c=code: turn(s, n, c) for key, (side, asking) in sides.items()}
            found = measure.interleave(asked, repeats)
            rates = {key: [each["rate"] for each in turns] for key, turns in found.items()}
            result[name] = {
                "calls_per_second": {key: measure.spread(each, 1) for key, each in rates.items()},
                "milliseconds": {
                    key: {
                        "median": round(1000 * measure.spread([each["middle"] for each in turns], 6)["median"], 2),
                        "99th": round(1000 * measure.spread([each["late"] for each in turns], 6)["median"], 2),
                    }
                    for key, turns in found.items()
                },
                "warm_over_process": measure.ratio(rates["warm"], rates["process"]),
                "warm_over_bwrap": measure.ratio(rates["warm"], rates["bwrap"]),
            }
    return result


def durations(side: Side, code: str, image: Image.Image, end: float) -> Iterator[float]:
    """Seconds of each call, one after the other until `end`; one call at least."""
    now = time.perf_counter()
    while True:
        side(code, image)
        before, now = now, time.perf_counter()
        yield now - before
        if now > end:
            return


def table(result: dict[str, Any]) -> str:
    """Calls per second as a table of Markdown."""
    lines = ["| calls/s | " + " | ".join(PROGRAMS) + " |", "|---" * (len(PROGRAMS) + 1) + "|"]
    for side in ("exec", "process", "bwrap", "warm"):
        cells = [measure.tell(result[name]["calls_per_second"][side]) for name in PROGRAMS]
        lines.append(f"| {side} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a turn")
    parser.add_argument("--workers", type=int, default=2, help="workers of the pool, and threads that ask")
    parser.add_argument("--small", action="store_true", help="a quick try; writes no results")
    options = parser.parse_args()
    at = measure.machine()
    programs = measured(2, 0.3, 2) if options.small else measured(options.repeats, options.seconds, options.workers)
    slowest = min(found["calls_per_second"]["warm"]["median"] for found in programs.values())
    found = {
        "machine": at,
        "workers": options.workers,
        "programs": programs,
        "target": {"warm calls per second, of every program": f">= {RATE:g}"},
        "met": slowest >= RATE,
    }
    print(json.dumps(found, indent=1, ensure_ascii=False))
    print(table(programs))
    if not options.small:
        measure.write(RESULTS, found)


if __name__ == "__main__":
    main()
