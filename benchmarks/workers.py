"""How well the workers keep a model busy: `python -m benchmarks.workers`, results in `workers.json` beside this file.

    server   one vLLM server and the same requests with pictures and answers of heavy-tailed lengths: asked one by one,
             gathered in batches of 16, 64 and 256, and by our scheduler, beside the server's pace when it is saturated
    local    requests with pictures and answers of 128 tokens in this process: batches of `local:`, and transformers'
             `generate` one by one

The model is the seedling made unable to end, so that answers are as long as they were asked to be, on every side. Sides
take turns in one run; every ratio is the median over the turns, with the smallest and the largest. Server busy is our
tokens per second divided by the same server's under a closed loop of the same requests that never lets it rest.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import measure
from pipelines.workers import WorkerSpec
from pipelines.workers.bench import QUESTIONS, TEMPERATURE, Drawn, Pace, in_batches, pace
from pipelines.workers.encoding import as_chat
from pipelines.workers.identity import folder_of
from pipelines.workers.local import LocalWorker, load
from pipelines.workers.server import wire
from pipelines.workers.slots import stop
from pipelines.workers.vllm import VLLMWorker
from schemas.messages import pictures as shown_in
from schemas.requests import Generate, Generated, Result, Sampling, Worker
from trainers.seedling import model as seedling

RESULTS = Path(__file__).with_suffix(".json")
BARRIERS = (16, 64, 256)
EQUAL = 128
"""Tokens of each answer of `local:`."""
SATURATED = 256
"""Requests that the closed loop keeps at the server: on a CPU twice as many as vLLM runs at once."""
GATHERED, ALONE = 2560, 100
"""Requests of each turn that are asked in batches, and one by one: both find their pace sooner than a scheduler, which
must be filled and emptied once.
"""
WANTED = {"ours_over_barrier": 1.3, "ours_over_serial": 5.0, "busy": 0.9, "local_over_generate": 12.0}


def server(model: str, options: argparse.Namespace) -> dict[str, Any]:
    """All ways to ask one server, in turns; of the barriers the one that is best on one batch of the largest."""
    turns = [Drawn(options.requests, seed=turn) for turn in range(options.turns)]
    pictures = turns[0].pictures  # the same in each turn
    settings = {"server_python": options.server_python, "arguments": options.arguments}
    worker = VLLMWorker.open(WorkerSpec(f"vllm:{model}", options=tuple(settings.items())), pictures.__getitem__)
    found: dict[str, list[Pace]] = defaultdict(list)
    saturated: list[float] = []
    sides: dict[str, Callable[[list[Generate]], Pace]] = {
        "serial": lambda requests: pace(in_batches(worker, 1), _strata(requests, max(1, len(requests) // ALONE))),
        **{str(size): partial(_gathered, worker, size) for size in BARRIERS},
        "ours": partial(pace, worker.answer),
    }
    try:
        state = worker.slot.enter()
        worker.slot.leave()
        for _ in range(3):  # no side finds its pictures new, or a server that does not know them by name
            worker.answer(_read_only(turns[0].requests[:QUESTIONS]))
        trial = _seeded(turns[0], "trial")[: max(BARRIERS)]
        tried = {str(size): sides[str(size)](trial).requests_per_second for size in BARRIERS}
        best = max(tried, key=lambda name: tried[name])
        _tell(f"barriers {tried}, best {best}", tried[best], "requests/s")
        for turn, drawn in enumerate(turns):
            names = ["serial", best, "ours"]
            for name in names if turn % 2 == 0 else reversed(names):
                found[name].append(sides[name](_seeded(drawn, name)))
                _tell(f"turn {turn + 1}, {name}", found[name][-1].requests_per_second, "requests/s")
            bodies = [body_of(request, state.order.name) for request in _seeded(drawn, "saturated")]
            saturated.append(asyncio.run(closed_loop(f"http://127.0.0.1:{state.port}", bodies)))
            _tell(f"turn {turn + 1}, saturated", saturated[-1], "tokens/s")
    finally:
        stop(worker.slot.folder)
    rates = {name: [each.requests_per_second for each in paces] for name, paces in found.items()}
    tokens = [each.tokens_per_second for each in found["ours"]]
    return {
        "model": worker.identity.name,
        "requests": {
            "each_turn": options.requests,
            "questions": QUESTIONS,
            "serial": found["serial"][0].requests,
            "barrier": found[best][0].requests,
            "turns": options.turns,
        },
        "tokens_an_answer": _spread(turns[0]),
        "requests_per_second": {name: measure.spread(each, 2) for name, each in rates.items()},
        "tokens_per_second": {"ours": measure.spread(tokens, 0), "saturated": measure.spread(saturated, 0)},
        "failed": sum(each.failed for paces in found.values() for each in paces),
        "barriers_tried": {name: round(rate, 2) for name, rate in tried.items()},
        "best_barrier": int(best),
        "ours_over_barrier": measure.ratio(rates["ours"], rates[best]),
        "ours_over_serial": measure.ratio(rates["ours"], rates["serial"]),
        "busy": measure.ratio(tokens, saturated),
    }


def _gathered(worker: Worker, size: int, requests: Sequence[Generate]) -> Pace:
    return pace(in_batches(worker, size), requests[:GATHERED])


def _tell(what: str, rate: float, unit: str) -> None:
    print(f"{what}: {rate:.1f} {unit}", file=sys.stderr, flush=True)


def _seeded(drawn: Drawn, side: str) -> list[Generate]:
    """The turn's requests as one side asks them: the same prompts and lengths, other words."""
    return [replace(request, seed=request.seed + sum(side.encode())) for request in drawn.requests]


def _strata(requests: Sequence[Generate], step: int) -> list[Generate]:
    """One in so many, of every length: fewer, and as long on average."""
    return sorted(requests, key=lambda request: request.sampling.max_tokens)[step // 2 :: step]


def _read_only(requests: Sequence[Generate]) -> list[Generate]:
    return [replace(request, sampling=Sampling(1)) for request in requests]


def body_of(request: Generate, model: str) -> bytes:
    """Ready-made, with its pictures by the names under which the server keeps them."""

    def part(key: str) -> dict[str, Any]:
        return {"type": "image_url", "image_url": None, "uuid": key}

    return json.dumps(wire.body_of(request, model, part)).encode()


async def closed_loop(server: str, bodies: Sequence[bytes]) -> float:
    """Tokens per second, by the server's own count, while it always holds `SATURATED` requests: from when as many have
    been answered until half of all have been once more.
    """
    waiting, answers = itertools.cycle(bodies), itertools.count(1)
    seen: list[tuple[float, float]] = []

    async def look(session: aiohttp.ClientSession) -> None:
        async with session.get(f"{server}/metrics") as answer:
            found = re.search(r"^vllm:generation_tokens_total(?:{.*})? (\S+)$", await answer.text(), re.MULTILINE)
        assert found, "this server does not count its tokens"
        seen.append((time.perf_counter(), float(found[1])))

    async def client(session: aiohttp.ClientSession) -> None:
        while len(seen) < 2:
            headers = {"Content-Type": "application/json"}
            async with session.post(f"{server}/v1/chat/completions", data=next(waiting), headers=headers) as answer:
                answer.raise_for_status()
                await answer.read()
            if next(answers) in (SATURATED, SATURATED + len(bodies) // 2):
                await look(session)

    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        await asyncio.gather(*(client(session) for _ in range(SATURATED)))
    (began, before), (ended, after) = seen
    return (after - before) / (ended - began)


def local(model: str, options: argparse.Namespace) -> dict[str, Any]:
    """`local:` in its batches, and transformers' own `generate` with one request at a time."""
    few = max(4, options.local_requests // 32)
    drawn = Drawn(options.local_requests, seed=77)
    drawn.requests = [replace(request, sampling=Sampling(EQUAL, TEMPERATURE)) for request in drawn.requests]
    spec = WorkerSpec(f"local:{model}")
    worker = LocalWorker.open(spec, drawn.pictures.__getitem__)
    network, processor = load(folder_of(spec))
    pace(worker.answer, drawn.requests[:8])
    found: dict[str, list[Pace]] = {"ours": [], "generate": []}
    for turn in range(options.turns):
        alone = drawn.requests[turn * few : (turn + 1) * few]
        sides = {
            "ours": lambda: pace(worker.answer, drawn.requests),
            "generate": lambda alone=alone: pace(partial(_generate, network, processor, drawn.pictures), alone),
        }
        for name in sides if turn % 2 == 0 else reversed(sides):
            found[name].append(sides[name]())
            _tell(f"turn {turn + 1}, {name}", found[name][-1].tokens_per_second, "tokens/s")
    rates = {name: [each.tokens_per_second for each in paces] for name, paces in found.items()}
    return {
        "model": worker.identity.name,
        "requests": {"ours": options.local_requests, "generate": few, "turns": options.turns},
        "tokens_an_answer": _spread(drawn),
        "tokens_per_second": {name: measure.spread(each, 1) for name, each in rates.items()},
        "failed": sum(each.failed for paces in found.values() for each in paces),
        "local_over_generate": measure.ratio(rates["ours"], rates["generate"]),
    }


def _generate(network: Any, processor: Any, pictures: dict[str, Any], requests: Sequence[Any]) -> list[Result]:
    """What the transformers guide shows, one request after another."""
    import torch

    results: list[Result] = []
    for request in requests:
        shown = [pictures[key] for key in shown_in(request.messages)]
        text = processor.apply_chat_template(as_chat(request.messages), tokenize=False, add_generation_prompt=True)
        inputs = processor(text=[text], images=shown or None, return_tensors="pt").to(network.device)
        torch.manual_seed(request.seed)
        sampling = request.sampling
        said = network.generate(
            **inputs, do_sample=True, temperature=sampling.temperature, top_k=0, max_new_tokens=sampling.max_tokens
        )
        read = inputs["input_ids"].shape[1]
        words = processor.decode(said[0, read:], skip_special_tokens=True)
        results.append(Generated(words, "length", read, said.shape[1] - read))
    return results


def _spread(drawn: Drawn) -> dict[str, float]:
    limits = sorted(request.sampling.max_tokens for request in drawn.requests)
    return {"median": limits[len(limits) // 2], "mean": round(sum(limits) / len(limits), 1), "longest": limits[-1]}


def endless(options: argparse.Namespace, folder: Path) -> str:
    """The seedling, or an untrained Qwen3-VL of the size that is asked for, with an end of text that is never said."""
    shutil.copytree(folder_of(WorkerSpec("local:seedling")), folder)
    if options.width:
        _, processor = load(folder, "cpu")
        width, layers = options.width, options.layers
        size = seedling.Size(width, layers, 3 * width, layers, 4 * width, heads=width // 64)
        seedling.save(seedling.build(processor.tokenizer, size, seed=0), processor, folder)
    unsaid = json.loads((folder / "config.json").read_text(encoding="utf-8"))["video_token_id"]
    ends = {"eos_token_id": unsaid, "eos_token": "<|video_pad|>"}
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        said = json.loads((folder / name).read_text(encoding="utf-8"))
        for place in (said, said.get("text_config", {})):
            place.update({key: end for key, end in ends.items() if key in place})
        (folder / name).write_text(json.dumps(said), encoding="utf-8")
    return str(folder)


PARTS: dict[str, Callable[[str, argparse.Namespace], dict[str, Any]]] = {"server": server, "local": local}


def main() -> None:
    """Run the named parts, or both, and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="both when none is named")
    parser.add_argument("--requests", type=int, default=8000, help="of each turn, of a server")
    parser.add_argument("--local-requests", type=int, default=256, help="of each turn, of `local:`")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--server-python", default=".venv-vllm", help="the environment that has vLLM")
    parser.add_argument("--arguments", default="", help="further arguments of vLLM")
    parser.add_argument("--width", type=int, help="of an untrained model, in the seedling's place: 2048 on a GPU")
    parser.add_argument("--layers", type=int, default=24, help="of that model, in each of its towers")
    parser.add_argument("--keep", type=Path, default=RESULTS, help="where results are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evolens-workers-") as work:
        model = endless(options, Path(work) / "endless")
        for name in options.parts or PARTS:
            at = measure.machine()
            found = PARTS[name](model, options)
            wanted = {each: at_least for each, at_least in WANTED.items() if each in found}
            met = {each: found[each]["median"] >= at_least for each, at_least in wanted.items()}
            result = {name: {"machine": at, **found, "wanted": wanted, "met": met}}
            print(json.dumps(result, indent=1, ensure_ascii=False), flush=True)
            known = json.loads(options.keep.read_text(encoding="utf-8")) if options.keep.exists() else {}
            measure.write(options.keep, known | result)


if __name__ == "__main__":
    main()
