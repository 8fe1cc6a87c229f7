"""How many tool-loop trajectories are under way at once on one worker: counted where they are answered."""

from __future__ import annotations

import re
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipelines import explore, synthesize, verify
from pipelines.lake import Lake
from pipelines.runner import run_stage
from pipelines.stage import StageCall
from pipelines.stage import WorkerSpec as Named
from pipelines.workers import WorkerSpec, connect, identity_of
from pipelines.workers.local import LocalWorker
from schemas.outcome import check_law
from tests.pipelines.jobs import given, picture, rows, run, sample
from tests.pipelines.workers.server.test_worker import said, serve

ROWS, ATTEMPTS = 24, 2
MANY = ROWS * ATTEMPTS


def test_local_advances_every_trajectory_of_a_wave_in_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[set[str]] = []
    stock = LocalWorker.answer

    def count(self: LocalWorker, requests: Any) -> Any:
        together.append({request.request_id.rsplit(":", 1)[0] for request in requests})
        return stock(self, requests)

    monkeypatch.setattr(LocalWorker, "answer", count)
    lake, url = Lake(tmp_path / "lake"), WorkerSpec("local:seedling")
    mix = (synthesize.Mix(task="search", dial=0, count=ROWS),)
    made = run_stage(lake, StageCall(synthesize.STAGE, synthesize.Parameters(mix=mix)))
    asked = explore.Parameters(attempts=ATTEMPTS, max_tokens=64)
    worker = Named(identity_of(url), partial(connect, url))
    done = run_stage(lake, StageCall(explore.STAGE, asked, (made.key,), worker, wave_rows=ROWS))
    check_law("explore", done.counts)
    assert len(together[0]) == MANY and len(together) <= asked.max_turns
    assert all(later <= earlier for earlier, later in zip(together, together[1:], strict=False))
    turns = Counter(row["turns"] for row in rows(lake, done, "rollouts"))
    assert [len(each) for each in together] == [
        sum(count for turn, count in turns.items() if turn > index) for index in range(len(together))
    ]


def test_a_server_holds_them_all_at_once_and_none_sees_the_pictures_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends nobody's trajectory before everybody's has begun: with one fewer in flight it would wait."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    everybody = threading.Event()
    lock = threading.Lock()
    open_now, most = 0, 0

    def text_of(message: dict[str, Any]) -> str:
        content = message["content"]
        return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)

    def behave(_: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        nonlocal open_now, most
        number = int(re.findall(r"\d+", text_of(body["messages"][0]))[0])
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        if turn == 0:
            with lock:
                open_now += 1
                most = max(most, open_now)
                if open_now == MANY:
                    everybody.set()
        if turn < 2:
            box = [10 * number, 0, 10 * number + 500, 500 + 100 * turn]
            call = f'{{"name": "crop", "arguments": {{"bbox_2d": {box}, "target_image": 1}}}}'
            return said(f"closer\n<tool_call>\n{call}\n</tool_call>", stop_reason=None)
        assert everybody.wait(60), f"only {most} trajectories were ever in flight"
        with lock:
            open_now -= 1
        return said("<answer>red</answer>", stop_reason=None)

    photos = [picture(seed) for seed in range(ROWS)]
    samples = [sample(photo, f"Question {number}?") for number, photo in enumerate(photos)]
    lake = Lake(tmp_path / "lake")
    upstream = given(lake, *photos, samples=samples)
    with serve(behave) as server:
        options = {"model": "tiny", "concurrency": MANY, "cache": "off", "picture_names": "off"}
        url = WorkerSpec(f"openai:{server.address}", None, tuple(options.items()))
        worker = Named(identity_of(url), partial(connect, url))
        asked = explore.Parameters(attempts=ATTEMPTS)
        done = run_stage(lake, StageCall(explore.STAGE, asked, (upstream,), worker, concurrency=ROWS))
    assert most == MANY and open_now == 0
    assert len(server.bodies) == 3 * MANY
    assert {row["pictures"] for row in rows(lake, done, "rollouts")} == {2}
    traces = rows(lake, done, "traces")
    pictures = [step["image_id"] for row in traces for step in row["steps"] if step["image_id"]]
    assert len(traces) == ROWS and len(set(pictures)) == 2 * ROWS
    checks = run(lake, verify.STAGE, verify.Parameters(), upstream, done.key)
    assert checks.counts.kept == ROWS
