"""What the protocol promises, of a real server: samples, schemas, log-probabilities, stop strings, and its death."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from pipelines.workers import WorkerSpec
from pipelines.workers.identity import folder_of
from pipelines.workers.local import LocalWorker
from pipelines.workers.supervise import State
from pipelines.workers.vllm import VLLMWorker
from schemas.ids import canonical_json
from schemas.messages import Picture
from schemas.requests import Generate, Generated, Sampling, Worker
from tests.pipelines.workers.conftest import Album, plain, user
from tests.vllm.conftest import SPEC
from tests.vllm.mixed import mixed

pytestmark = pytest.mark.vllm


def ask(album: Album, sampling: Sampling, seed: int = 0) -> Generate:
    picture = Picture(album.add(plain("red", (112, 112))))
    return Generate(f"s{seed}", (user(picture, "How many objects are there?"),), sampling, seed)


def one(worker: VLLMWorker, request: Generate) -> Generated:
    (result,) = worker.answer([request])
    assert isinstance(result, Generated), result
    return result


def test_samples(served: VLLMWorker, album: Album) -> None:
    sampling = Sampling(24, temperature=1.5, n=4)
    result = one(served, ask(album, sampling, 5))
    texts = [result.text, *(other.text for other in result.others)]
    assert len(texts) == 4
    assert len(set(texts)) > 1
    alone = one(served, ask(album, replace(sampling, n=1), 5))
    again = one(served, ask(album, replace(sampling, n=1), 5))
    assert alone.text == again.text, "a seed says what is drawn"
    others = {one(served, ask(album, replace(sampling, n=1), seed)).text for seed in range(6)}
    assert len(others) > 1


def test_a_crowd_with_seeds(served: VLLMWorker, album: Album) -> None:
    """More words than are read in one step, each request drawn from a generator of its own."""
    before = served.slot.enter()
    served.slot.leave()
    crowd = [
        replace(request, sampling=replace(request.sampling, temperature=1.5, top_p=0.9, top_k=20))
        for request in mixed(album, 80, seed=7)
    ]
    assert len(texts(served, crowd)) == len(crowd)
    assert served.slot.still(before), "the server that began is the one that ended"


def test_guided_json(served: VLLMWorker, album: Album) -> None:
    schema = {
        "type": "object",
        "properties": {"color": {"enum": ["red", "blue"]}, "count": {"type": "integer", "minimum": 0, "maximum": 9}},
        "required": ["color", "count"],
        "additionalProperties": False,
    }
    for seed in range(5):
        sampling = Sampling(64, temperature=1.0, json_schema=canonical_json(schema))
        said = json.loads(one(served, ask(album, sampling, seed)).text)
        assert said.keys() == {"color", "count"}
        assert said["color"] in ("red", "blue")
        assert said["count"] in range(10)


def test_stop_strings_stay_in_the_text(served: VLLMWorker, album: Album) -> None:
    free = one(served, ask(album, Sampling(64)))
    cut = one(served, ask(album, Sampling(64, stop=("</answer>",))))
    assert cut.text.endswith("</answer>")
    assert cut.finish == "stop"
    assert free.text.startswith(cut.text)
    short = one(served, ask(album, Sampling(2)))
    assert (short.finish, short.completion_tokens) == ("length", 2)


def test_a_conversation_is_shown_its_pictures_once(served: VLLMWorker, album: Album) -> None:
    """Whatever is spared on the way, the answers are those of pictures sent anew."""
    requests = mixed(album, 40, seed=3)
    assert texts(served, requests) == texts(served, requests)


def test_a_server_killed_in_the_middle_comes_back_and_all_is_answered_once(served: VLLMWorker, album: Album) -> None:
    requests = mixed(album, 120, seed=4)
    expected = served.answer(requests)
    before = State.read(served.slot.folder)
    assert before
    assert before.server
    told: list[str] = []
    futures = [served.submit(request) for request in requests]
    for request, future in zip(requests, futures, strict=True):
        # mypy does not type defaults
        future.add_done_callback(lambda _, name=request.request_id: told.append(name))  # type: ignore[misc]
    futures[5].result()
    os.kill(before.server[0], signal.SIGKILL)
    results = [future.result() for future in futures]
    after = State.read(served.slot.folder)
    assert after
    assert after.life == before.life + 1
    assert sorted(told) == sorted(request.request_id for request in requests)
    texts = [[getattr(result, "text", result) for result in each] for each in (expected, results)]
    assert sum(a == b for a, b in zip(*texts, strict=True)) >= 0.99 * len(requests)
    assert all(isinstance(result, Generated) for result in results)


def test_new_weights_take_the_place_of_the_old(
    served: VLLMWorker, local: LocalWorker, album: Album, tmp_path: Path
) -> None:
    """What a round does with the policy that it trained: another model in the same slot."""
    folder = tmp_path / "policy"
    shutil.copytree(folder_of(WorkerSpec("local:seedling")), folder)
    weights = load_file(folder / "model.safetensors")
    save_file({name: weight * 1.02 for name, weight in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    trained = VLLMWorker.open(WorkerSpec(f"vllm:{folder}", options=(*SPEC.options, ("slot", SPEC.url))), album)
    assert trained.slot.folder == served.slot.folder
    assert trained.identity.weights != served.identity.weights
    requests = mixed(album, 20, seed=6)
    expected = texts(LocalWorker.open(WorkerSpec(f"local:{folder}"), album), requests)
    said = texts(trained, requests)
    assert sum(a == b for a, b in zip(expected, said, strict=True)) >= 19
    assert said != texts(local, requests)
    state = State.read(served.slot.folder)
    assert state
    assert state.order.name == trained.identity.name


def texts(worker: Worker, requests: list[Generate]) -> list[str]:
    return [result.text for result in worker.answer(requests) if isinstance(result, Generated)]
