"""The search on `local:`, beside a search written to the paper's description (`benchmarks.sides.serial`).

Same policy, problems, settings (preset `thinklite`) and number of iterations, none of which ends at a success; that is
measured apart. What batches and remembered pictures contribute is told by our own code without one, and without both:

    ours        waves of all trees, pictures seen once
    forgetful   the same, but pictures are opened and seen again in every wave
    single      one request at a time, pictures seen once
    neither     one request at a time, pictures seen again for each
    serial      transformers' `generate`, one call after the other
    first       ours, and each tree ends at its first success

`serial`, `single` and `neither` search a few problems, drawn once at random from those that the others search.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.problems import Cell, Drawn, Problems
from benchmarks.searched import STAGE
from benchmarks.sides import serial
from pipelines import workers
from pipelines.lake import Lake
from pipelines.runner import run_stage
from pipelines.stage import StageCall, WorkerSpec
from pipelines.treesearch import Moves, Searching
from pipelines.workers.identity import folder_of
from pipelines.workers.local import LocalWorker, load
from schemas.ids import seed_of
from schemas.requests import Request, Result

SPEC = workers.WorkerSpec("local:seedling")
MIX = (("counting", 1), ("counting", 2), ("charts", 2))
WANTED = 18.0
RESAMPLES = 10_000


class Forgetful:
    """A worker that knows no picture when it is asked."""

    in_waves = True

    def __init__(self, fresh: Callable[[], LocalWorker]) -> None:
        self.identity, self._fresh = fresh().identity, fresh

    def answer(self, requests: Sequence[Request]) -> list[Result]:
        """Answered by one that has not seen anything yet."""
        return self._fresh().answer(requests)


@cache
def network() -> tuple[Any, Any]:
    """Model and processor, loaded once, before any time is taken."""
    return load(folder_of(SPEC))


class Side:
    """Our code in one of its forms, with a lake of its own."""

    def __init__(
        self,
        work: Path,
        drawn: Drawn,
        parameters: dict[str, Any],
        only: Sequence[str] = (),
        *,
        single: bool = False,
        forgets: bool = False,
    ) -> None:
        self._problems, self._parameters = Problems.draw(Lake(work), drawn), parameters
        self._single, self._forgets = single, forgets
        chosen = f" WHERE sample_id IN ({', '.join(map(repr, only))})" if only else ""
        self._stage = replace(STAGE, sql=STAGE.sql + chosen)

    def connect(self, load_image: Any, _: Any = None) -> Any:
        """The seedling, asked as this side asks it."""

        def fresh() -> LocalWorker:
            return LocalWorker(*network(), load_image, workers.identity_of(SPEC), max_batch=1 if self._single else None)

        return Forgetful(fresh) if self._forgets else fresh()

    def turn(self, number: int) -> dict[str, float]:
        """Search all trees once; another number is another seed."""
        p = Searching(preset="thinklite", max_turns=1, seed=number, **self._parameters)
        worker = WorkerSpec(workers.identity_of(SPEC), self.connect)
        call = StageCall(self._stage, p, (self._problems.key,), worker, part_rows=1000, wave_rows=1000)
        began = time.perf_counter()
        done = run_stage(self._problems.lake, call)
        seconds = time.perf_counter() - began
        found = self._problems.lake.read(done.key, "difficulty").to_pylist()
        return {
            "each": seconds / len(found),
            "tokens": sum(row["tokens"] for row in found) / len(found),
            "solved": sum(row["iterations"] is not None for row in found) / len(found),
        }


class Theirs:
    """The serial search over a few of the problems."""

    def __init__(self, problems: Problems, parameters: dict[str, Any], few: Sequence[str]) -> None:
        samples, lake = problems.samples, problems.lake
        self._samples, self._parameters = [samples[name] for name in few], parameters
        worker = SimpleNamespace(identity=workers.identity_of(SPEC))
        self._context: Any = SimpleNamespace(image=lake.image, worker=worker)
        self._ask = serial.Alone(*network(), lake.image)

    def turn(self, number: int) -> dict[str, Any]:
        """Search the trees one after the other; `all` are the seconds of each."""
        p = Searching(preset="thinklite", max_turns=1, seed=number, **self._parameters)
        seconds, spent = [], []
        for sample in self._samples:
            began = time.perf_counter()
            moves, seed = Moves(sample, p, self._context), seed_of("serial", number, sample["sample_id"])
            spent.append(serial.search(moves, self._ask, p, seed))
            seconds.append(time.perf_counter() - began)
        return {
            "each": sum(seconds) / len(seconds),
            "all": seconds,
            "tokens": sum(each.tokens for each in spent) / len(spent),
            "solved": sum(each.solved_at is not None for each in spent) / len(spent),
            "calls": sum(each.calls for each in spent) / len(spent),
        }


def measured(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds for each problem on every side, and the ratios."""
    drawn = Drawn(cells=tuple(Cell(task=task, dial=dial, count=options.problems // len(MIX)) for task, dial in MIX))
    everyone = Problems.draw(Lake(work / "ours"), drawn)
    few = sorted(random.Random(22).sample(sorted(everyone.samples), options.few))
    whole: dict[str, Any] = {"iterations": options.iterations, "stop": "budget"}
    sides: dict[str, Side | Theirs] = {
        "ours": Side(work / "ours", drawn, whole),
        "forgetful": Side(work / "forgetful", drawn, whole, forgets=True),
        "first": Side(work / "first", drawn, whole | {"stop": "first"}),
        "single": Side(work / "single", drawn, whole, few, single=True),
        "neither": Side(work / "neither", drawn, whole, few, single=True, forgets=True),
        "serial": Theirs(everyone, whole, few),
    }
    warm = Drawn(cells=(Cell(task="counting", dial=0, count=8),), seed=24)
    Side(work / "warm", warm, whole).turn(0)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for turn in range(options.turns):
        for name in sides if turn % 2 == 0 else reversed(sides):
            found[name].append(sides[name].turn(turn))
            print(f"turn {turn + 1}, {name}: {found[name][-1]['each']:.4f} s a problem", file=sys.stderr, flush=True)
    each = {name: [turn["each"] for turn in turns] for name, turns in found.items()}

    def mean(what: str, digits: int, names: Iterable[str] = sides) -> dict[str, float]:
        return {name: round(float(np.mean([turn[what] for turn in found[name]])), digits) for name in names}

    return {
        "problems": {"ours": len(everyone.samples), "serial": len(few), "mix": MIX, "turns": options.turns},
        "iterations": options.iterations,
        "milliseconds_a_problem": {
            name: measure.spread([1000 * value for value in values], 1) for name, values in each.items()
        },
        "tokens_a_problem": mean("tokens", 1),
        "solved": mean("solved", 3),
        "calls_a_problem": mean("calls", 1, ["serial"]),
        "serial_over_ours": measure.ratio(each["serial"], each["ours"]) | interval(found["serial"], each["ours"]),
        "batching": measure.ratio(each["single"], each["ours"]),
        "pictures": measure.ratio(each["forgetful"], each["ours"]),
        "pictures_without_batching": measure.ratio(each["neither"], each["single"]),
        "neither_over_ours": measure.ratio(each["neither"], each["ours"]),
        "early_stop": measure.ratio(each["ours"], each["first"]),
        "peak_mib": measure.peak_mib(),
        "wanted": {"serial_over_ours": WANTED},
        "met": measure.ratio(each["serial"], each["ours"])["median"] >= WANTED,
    }


def interval(serial_turns: Sequence[dict[str, Any]], ours: Sequence[float]) -> dict[str, float]:
    """95 % of the ratio of means, as the few problems and the turns might have been drawn: a bootstrap over both."""
    draw = np.random.default_rng(23)
    seconds = np.array([turn["all"] for turn in serial_turns])
    turns, problems = seconds.shape
    ratios = []
    for _ in range(RESAMPLES):
        chosen = draw.integers(0, turns, turns)
        mean = seconds[np.ix_(chosen, draw.integers(0, problems, problems))].mean()
        ratios.append(mean / np.asarray(ours)[chosen].mean())
    low, high = np.quantile(ratios, [0.025, 0.975])
    return {"interval_low": round(float(low), 2), "interval_high": round(float(high), 2)}


def table(result: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["| | ms a problem | tokens a problem | solved |", "|---|---|---|---|"]
    for name, each in result["milliseconds_a_problem"].items():
        told = measure.tell(each)
        lines.append(f"| {name} | {told} | {result['tokens_a_problem'][name]:g} | {result['solved'][name]:g} |")
    lines += ["", "| ratio | median | turns | 95 % interval |", "|---|---|---|---|"]
    for name, each in ((name, each) for name, each in result.items() if isinstance(each, dict) and "median" in each):
        bounds = f"{each['interval_low']:g} to {each['interval_high']:g}" if "interval_low" in each else "–"
        lines.append(
            f"| {name.replace('_', ' ')} | {each['median']:g} | {each['low']:g} to {each['high']:g} | {bounds} |"
        )
    return "\n".join(lines)
