"""A connected worker sees pixels and original files."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipelines.lake import Lake
from pipelines.lake.images import picture_of
from pipelines.runner.meter import COUNTED, Meter, Shared, connected, spent
from pipelines.stage import WorkerSpec
from schemas.arrow import TABLES
from schemas.requests import Failed, Generated, Result, Scored, Vector
from tests.pipelines.toy import IDENTITY, Echo
from tests.pipelines.workers.paid import Paid, again, question

SEEN: list[bytes] = []


def connect(load_image: Callable[[str], Image.Image], load_bytes: Callable[[str], bytes]) -> Echo:
    name = picture_of(Image.open(io.BytesIO(SEEN[0])).convert("RGB"), SEEN[0]).image_id
    assert load_image(name).size == (9, 7)
    SEEN.append(load_bytes(name))
    return Echo(True)


def test_a_worker_is_given_the_file_as_it_was_brought(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (9, 7), "teal").save(file, "JPEG", quality=40)
    SEEN[:] = [file.getvalue()]
    lake = Lake(tmp_path)
    lake.pictures.hold("test", picture_of(Image.open(file).convert("RGB"), file.getvalue()))
    connected(lake, WorkerSpec(IDENTITY, connect))
    lake.pictures.release("test")
    assert SEEN[0] == SEEN[1]


@pytest.mark.parametrize(
    ("result", "cost"),
    [
        (
            Generated("a", "stop", 9, 2, pixels=784, visual_tokens=4, attempts=3, seconds=0.25),
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "retries": 2,
                "visual_tokens": 4,
                "pixels": 784,
                "request_ms": 250,
            },
        ),
        (Generated("a", "stop", 9, 2, attempts=3, seconds=1.5, cached=True), {"cached": 1, "cached_tokens": 11}),
        (
            Scored((-1.0,), 9, 2, seconds=0.5),
            {"prompt_tokens": 9, "completion_tokens": 0, "retries": 1, "request_ms": 500},
        ),
        (Scored((-1.0,), 9, cached=True), {"cached": 1, "cached_tokens": 9}),
        (Failed("timeout", "late", True, 5), {"retries": 4}),
        (Vector((1.0,)), {}),
    ],
)
def test_what_an_answer_cost(result: Result, cost: dict[str, int]) -> None:
    assert spent(result) == cost


def test_what_the_cache_gave_is_counted_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLENS_CACHE", str(tmp_path))
    again(Paid()).answer([question("old")])
    meter = Meter(Shared(again(Paid()), threading.Lock()))
    assert tuple(meter.usage) == COUNTED and set(COUNTED) <= set(TABLES["cost"].names)
    meter.answer([question("old"), question("new")])
    told = threading.Semaphore(0)
    for future in [meter.submit(question("new")), meter.submit(question("newer"))]:
        future.add_done_callback(lambda _: told.release())  # called after the meter's own
    assert told.acquire(timeout=30) and told.acquire(timeout=30)
    expected = {
        "requests": 4,
        "cached": 2,
        "cached_tokens": 20,
        "prompt_tokens": 14,
        "completion_tokens": 6,
        "retries": 2,
    }
    assert {name: value for name, value in meter.usage.items() if value} == {**expected, "request_ms": 500}
