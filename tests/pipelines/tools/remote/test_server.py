"""The tool server in a process of its own: what it answers, what it refuses, and that it forgets."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.toolloop import converse
from pipelines.tools.calls import ToolCall, render
from pipelines.tools.environment import Full, LocalEnvironment, Lost, NotOpen, Rules
from pipelines.tools.remote.client import RemoteEnvironment
from pipelines.tools.remote.wire import picture_text
from schemas.requests import Generated, Sampling
from tests.pipelines.tools import strategies
from tests.pipelines.tools.test_environment import stepped, told

ROOT = Path(__file__).resolve().parents[4]
WHITE = Image.new("RGB", (60, 40), "white")
CROP = ToolCall("crop", {"bbox_2d": [0, 0, 500, 500]})


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`evolens tools serve` with these options: where it listens, and its process."""
    command = [
        sys.executable,
        "-m",
        "flows.cli",
        "tools",
        "serve",
        *(options if "--port" in options else ("--port", "0", *options)),
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("tool server: http://127.0.0.1:"), line
        yield line.removeprefix("tool server: ").strip(), process
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as (where, _):
        yield where


@pytest.fixture(scope="module")
def remote(url: str) -> Iterator[RemoteEnvironment]:
    environment = RemoteEnvironment(url)
    yield environment
    environment.close()


@settings(max_examples=15)
@given(strategies.pictures(), st.lists(strategies.calls, min_size=1, max_size=4))
def test_pixels_and_words_are_those_of_this_process(remote: RemoteEnvironment, image, chosen) -> None:
    for turns in ([ToolCall(*call) for call in chosen], [f"look.\n{render(*call)}" for call in chosen]):
        here, there = LocalEnvironment(), remote
        for environment in (here, there):
            environment.reset("a", [image], Rules(images=3))
        for turn in turns:
            one, other = here.step("a", turn), there.step("a", turn)
            assert (one.said, told(one.seen), one.done) == (other.said, told(other.seen), other.done)


def test_hundreds_of_trajectories_at_once_never_mix(remote: RemoteEnvironment) -> None:
    """Each has a picture of its own, and all are at different turns: every step is that of the trajectory alone."""
    pictures = [
        Image.linear_gradient("L").resize((40, 30)).convert("RGB").point(lambda v, n=n: (v + n) % 256)
        for n in range(240)
    ]
    turns = [CROP, ToolCall("rotate", {"angle": 90}), ToolCall("zoom", {"bbox_2d": [0, 0, 700, 700]})]

    def rollout(number: int) -> bool:
        order = turns[number % 3 :] + turns[: number % 3]
        expected = stepped(LocalEnvironment(), "alone", pictures[number], order)
        return stepped(remote, str(number), pictures[number], order, images=9) == expected

    with ThreadPoolExecutor(64) as pool:
        assert all(pool.map(rollout, range(240)))
    for number in range(240):
        remote.release(str(number))


def test_clients_do_not_share_names(url: str, remote: RemoteEnvironment) -> None:
    other = RemoteEnvironment(url)
    remote.reset("same", [WHITE], Rules())
    with pytest.raises(NotOpen, match="'same' is not open"):
        other.step("same", CROP)
    remote.step("same", CROP)
    other.close()


def test_an_episode_is_the_same_there(remote: RemoteEnvironment) -> None:
    sample = {"sample_id": "s", "image_ids": ["white"], "question": "What?", "options": []}
    texts = [
        f"closer {render(CROP.tool, CROP.arguments)}",
        render("measure", {"points": [[0, 0], [9, 9]]}),
        "<answer>4</answer>",
    ]

    def episode(environment):
        shown = {}
        asking = converse(
            sample,
            [WHITE],
            lambda image: shown.setdefault(image.tobytes(), f"made {len(shown)}"),
            sampling=Sampling(max_tokens=9, temperature=0),
            seed=1,
            purpose="p",
            environment=environment,
        )
        try:
            asking.send(None)
            for text in texts:
                asking.send([Generated(text, "stop", 1, 1)])
        except StopIteration as end:
            return end.value, shown
        raise AssertionError("it goes on")

    here, there = episode(None), episode(remote)
    assert here == there and here[0].answer == "4" and len(here[0].steps) == 6


def test_a_server_that_was_killed_and_one_that_was_started_anew_say_so() -> None:
    with serving() as (where, process):
        environment = RemoteEnvironment(where)
        environment.reset("a", [WHITE], Rules())
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
        with pytest.raises(Lost, match=f"tool server at {where} does not answer"):
            environment.step("a", CROP)
        environment.release("a")  # costs nothing
        with serving("--port", where.rsplit(":", 1)[1]):
            with pytest.raises(NotOpen, match="started anew"):
                environment.step("a", CROP)
            environment.reset("a", [WHITE], Rules())
            assert environment.step("a", CROP).seen.image.size == (30, 20)
        environment.close()


def test_what_a_server_takes_on_is_bounded() -> None:
    with serving("--trajectories", "2", "--memory", "1", "--request", "1", "--images", "3", "--idle", "1.5") as (
        where,
        _,
    ):
        environment = RemoteEnvironment(where)
        for name in "ab":
            environment.reset(name, [WHITE], Rules(images=3))
        with pytest.raises(Full, match="2 trajectories are open"):
            environment.reset("c", [WHITE], Rules(images=3))
        environment.release("b")
        with pytest.raises(Full, match="no more than 1 MiB of pictures"):
            environment.reset("b", [Image.new("RGB", (400, 400))], Rules(images=3))
        with pytest.raises(Lost, match="at most 3 pictures here"):
            environment.reset("b", [WHITE], Rules(images=4))
        with pytest.raises(Lost, match="picture 2: with it the pictures take more than 1 MiB"):
            environment.reset("b", [WHITE, Image.new("RGB", (600, 600))], Rules(images=2))
        noise = Image.frombytes("RGB", (900, 900), os.urandom(3 * 900 * 900))
        with pytest.raises(Lost, match="larger than 1 MiB"):
            environment.reset("b", [noise], Rules(images=1))
        deadline = time.monotonic() + 60
        while httpx.get(f"{where}/health").json()["open"]:
            assert time.monotonic() < deadline, "idle trajectories are never released"
            time.sleep(0.2)
        with pytest.raises(NotOpen, match="idle for too long"):
            environment.step("a", CROP)
        environment.close()


PNG = picture_text(WHITE)
BAD = [
    ("reset", "{", 400, "/reset: the body is not valid JSON"),
    ("reset", {"trajectory": "x", "imgs": []}, 400, "/reset: imgs: unknown field; did you mean 'images'?"),
    ("reset", {"images": []}, 400, "/reset: trajectory: this field is needed"),
    ("reset", {"trajectory": "x", "images": ["%"]}, 400, "picture 1: it is not base64"),
    (
        "reset",
        {"trajectory": "x", "images": [PNG, base64.b64encode(b"no picture").decode()]},
        400,
        "picture 2: its bytes are of no format that is read (UnidentifiedImageError)",
    ),
    (
        "reset",
        {"trajectory": "x", "rules": {"tools": ["corp"]}},
        400,
        "/reset: rules.tools: there is no tool 'corp'; did you mean 'crop'?",
    ),
    ("step", {"trajectory": "nobody", "turn": "x"}, 410, "trajectory 'nobody' is not open"),
    ("step", {"trajectory": "x", "turn": 3}, 400, "/step: turn"),
    ("elsewhere", {}, 404, "Not Found"),
]


@pytest.mark.parametrize(("where", "body", "status", "sentence"), BAD)
def test_what_is_wrong_is_one_sentence(url: str, where, body, status, sentence) -> None:
    answer = httpx.post(f"{url}/{where}", content=body if isinstance(body, str) else json.dumps(body))
    assert answer.status_code == status
    assert set(answer.json()) == {"error"} and "\n" not in answer.json()["error"]
    assert answer.json()["error"].startswith(sentence), answer.json()


def test_any_server_may_be_named_by_mistake() -> None:
    with pytest.raises(Lost, match="does not answer"):
        RemoteEnvironment("http://127.0.0.1:9").reset("a", [WHITE], Rules())
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as other:
        Thread(target=other.handle_request, daemon=True).start()
        with pytest.raises(Lost, match="answers HTTP 501 and no JSON; is it a tool server?"):
            RemoteEnvironment(f"http://127.0.0.1:{other.server_port}").reset("a", [WHITE], Rules())


def test_what_is_offered_is_told(url: str) -> None:
    told_so = httpx.get(f"{url}/tools").json()
    assert {each["function"]["name"] for each in told_so["tools"]} >= {"crop", "ocr", "measure"}
    assert set(told_so["libraries"]) == {"pillow", "numpy", "rapidocr", "onnxruntime"}
