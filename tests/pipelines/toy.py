"""Small stages of every kind, and workers that answer without a model: pure Python, importable by other processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image
from pydantic import BaseModel, ConfigDict

from pipelines.lake import Lake, Manifest, runs
from pipelines.stage import Context, Stage, StageCall, WorkerSpec
from schemas.messages import Message, Text
from schemas.outcome import Child, Drop, Expansion, Fail, Keep, Outcome
from schemas.requests import Failed, Generate, Generated, Request, Result, Sampling, WorkerIdentity
from schemas.rows import SampleRow


class P(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = 10
    bad: tuple[int, ...] = ()
    """Numbers whose rows raise."""
    flaky: str = ""
    """A file; while it is absent, number 2 fails transiently."""
    seconds: float = 0.0


def numbers(p: P) -> Iterator[dict[str, Any]]:
    for number in range(p.count):
        yield {"seed_id": f"seed-{number:04d}", "number": number}


def paint(number: int) -> Image.Image:
    return Image.new("RGB", (6, 4), (number % 256, number // 256, 7))


def make(row: dict[str, Any], p: P, ctx: Context) -> Expansion | Drop | Fail:
    """Each number becomes a sample about a picture of that colour, and one child that is rejected."""
    number = row["number"]
    if p.seconds:
        time.sleep(p.seconds)
    if number in p.bad:
        raise ValueError(f"number {number} at {object()!r}")
    if p.flaky and number == 2 and not Path(p.flaky).exists():
        return Fail("busy", "come back later", transient=True)
    image = ctx.store(paint(number), origin="drawn", license="CC0-1.0")
    sample = SampleRow(
        image_ids=(image["image_id"],), question=f"Which number, {number}?", answer=number, answer_type="integer",
        task="toy", source="toy", license="CC0-1.0",
    )  # fmt: skip
    edge = {"child_id": sample.sample_id, "parent_id": row["seed_id"], "relation": "drawn_from", "stage": "make"}
    kept = Child(f"{row['seed_id']}/0", Keep(sample.row(), {"lineage": [edge]}))
    return Expansion([kept, Child(f"{row['seed_id']}/1", Drop("too_odd", float(number), 0.5))])


def look(row: dict[str, Any], p: P, ctx: Context) -> Outcome:
    """Odd numbers pass; the picture must be the row's own."""
    number = int(row["answer"])
    if ctx.image(row["image_ids"][0]).getpixel((0, 0)) != paint(number).getpixel((0, 0)):
        raise AssertionError("this is another row's picture")
    if number in p.bad:
        raise KeyError(number)
    if number % 2 == 0:
        return Drop("even", number, 1)
    return Keep({"sample_id": row["sample_id"], "trace_id": f"trace-{number}", "actions": number})


def talk(row: dict[str, Any], p: P, ctx: Context) -> Generator[list[Request], list[Result], Outcome]:
    """Two turns; the first asks twice at once."""
    number = int(row["answer"])
    first, second = yield [ask(f"{number}a", number), ask(f"{number}b", number)]
    if number in p.bad:
        raise ValueError("bad")
    if isinstance(first, Failed):
        return Fail(first.kind, first.message, first.transient)
    assert isinstance(first, Generated)
    assert isinstance(second, Generated)
    (third,) = yield [ask(first.text + second.text, number)]
    assert isinstance(third, Generated)
    return Keep({"sample_id": row["sample_id"], "rollout_id": f"r-{number:04d}", "text": third.text})


def choose(tables: Mapping[str, pa.Table], p: P, ctx: Context) -> Iterable[tuple[str, Outcome]]:
    """Every second sample, with a file beside the table."""
    ids = tables["input"]["sample_id"].to_pylist()
    (ctx.paths.artifact / "chosen.txt").write_text("\n".join(ids[::2]))
    for position, name in enumerate(ids):
        yield name, Drop("other_half") if position % 2 else Keep({"sample_id": name, "position": position})


def ask(text: str, seed: int) -> Generate:
    return Generate(text, (Message("user", (Text(text),)),), Sampling(), seed)


MAKE = Stage("make", 1, "expand", P, "seed_id", "samples", make, source=numbers)
LOOK = Stage("look", 1, "map", P, "sample_id", "checks", look, sql="SELECT * FROM samples")
TALK = Stage("talk", 1, "ask", P, "sample_id", "rollouts", talk, sql="SELECT * FROM samples")
CHOOSE = Stage("choose", 1, "whole", P, "sample_id", "curated", choose, sql="SELECT sample_id FROM samples")

IDENTITY = WorkerIdentity("toy", "echo", "1")


class Echo:
    """Answers with the request's own text; remembers what it was asked, call by call."""

    def __init__(self, in_waves: bool, fail: Callable[[Generate], Failed | None] | None = None) -> None:
        self.in_waves, self._fail = in_waves, fail
        self.identity = IDENTITY
        self.calls: list[list[str]] = []

    def answer(self, requests: Sequence[Request]) -> list[Result]:
        self.calls.append([request.request_id for request in requests])
        return [self._one(request) for request in requests]

    def submit(self, request: Request) -> Future[Result]:
        """Answers come late and out of order, as a server's do."""
        assert isinstance(request, Generate)
        self.calls.append([request.request_id])
        future: Future[Result] = Future()
        threading.Timer(0.001 * (hash(request.request_id) % 3), self._tell, (future, request)).start()
        return future

    def _tell(self, future: Future[Result], request: Request) -> None:
        try:
            future.set_result(self._one(request))
        except Exception as error:
            future.set_exception(error)

    def _one(self, request: Request) -> Result:
        assert isinstance(request, Generate)
        failed = self._fail(request) if self._fail else None
        return failed or Generated(f"<{request.messages[0].text}>", "stop", 3, 2)


def waves(*_loaders: object) -> Echo:
    return Echo(True)


def server(*_loaders: object) -> Echo:
    return Echo(False)


class Meeting(Echo):
    """A server that says nothing until it is asked more than the rows of one part of three ask at once."""

    def __init__(self, *_loaders: object) -> None:
        super().__init__(False)
        self._met = threading.Event()
        self._lock = threading.Lock()
        self._asked = 0

    def _tell(self, future: Future[Result], request: Request) -> None:
        with self._lock:
            self._asked += 1
        if self._asked > 6:
            self._met.set()
        if self._met.wait(20):
            super()._tell(future, request)
        else:
            future.set_result(Failed("alone", "no other part was under way"))


def call(stage: Stage, *inputs: str, worker: Callable[..., Echo] | None = None, **options: Any) -> StageCall:
    """A call with small parts; what `P` knows goes to the parameters."""
    parameters = P(**{name: options.pop(name) for name in list(options) if name in P.model_fields})
    spec = WorkerSpec(IDENTITY, worker) if worker else None
    return StageCall(stage, parameters, inputs, spec, **{"part_rows": 3, "wave_rows": 2, "max_failed": 0.5, **options})


def data(lake: Lake, manifest: Manifest) -> dict[str, str]:
    """Hash of every data file: what must repeat byte for byte."""
    return {part.name: part.hash for part in manifest.parts if part.table not in ("cost", "failures_detail")}


def record(lake: Lake, recipe: str, nodes: list[tuple[str, int, str]], status: runs.RunStatus = "complete") -> runs.Run:
    run = runs.start_run(lake.root, recipe, "hash")
    for name, number, key in nodes:
        run.plan(name, round=number, stage=name.split("/")[-1], key=key)
    for name, _, key in nodes:
        with run.working(name, key):
            pass
    run.finish(status)
    return run


def debris(lake: Lake) -> list[str]:
    """Temporary files, and work folders of finished stages."""
    found = [path for path in lake.root.rglob("*") if path.name.startswith(".tmp-") or path.parent.name == "_work"]
    return [str(path) for path in found]


if __name__ == "__main__":  # run as a child process that a test may kill: python -m tests.pipelines.toy LAKE SECONDS
    import sys

    from pipelines.runner import run_stage

    os.nice(5)
    lake = Lake(sys.argv[1])
    run_stage(lake, call(MAKE, count=int(sys.argv[3]), seconds=float(sys.argv[2])))
