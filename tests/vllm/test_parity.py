"""The same words from `local:` and from a real server, token for token, but for ties of floating point."""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import replace

import pytest

from pipelines.workers.counting import Counter
from pipelines.workers.local import LocalWorker
from pipelines.workers.vllm import VLLMWorker
from schemas.messages import pictures
from schemas.requests import Generate, Generated, Worker
from tests.pipelines.workers.conftest import Album
from tests.vllm.mixed import mixed

pytestmark = pytest.mark.vllm

COUNT = 300
TIE = 1e-3
"""Two tokens whose log-probabilities differ by less are a tie: float32 sums in another order may turn it."""


def said(worker: Worker, requests: list[Generate]) -> list[Generated]:
    results = worker.answer(requests)
    failed = [result for result in results if not isinstance(result, Generated)]
    assert not failed, failed[:3]
    return [result for result in results if isinstance(result, Generated)]


def test_greedy_texts_agree(local: LocalWorker, served: VLLMWorker, album: Album) -> None:
    requests = mixed(album, COUNT)
    assert set(Tally(len(pictures(request.messages)) for request in requests)) >= {0, 1, 2, 3, 4}
    ours, theirs = said(local, requests), said(served, requests)
    differ = [index for index in range(COUNT) if ours[index].text != theirs[index].text]
    print(f"\n{COUNT - len(differ)} of {COUNT} texts are equal")
    for index in differ:
        gap, told = explained(local, served, requests[index])
        print(f"{requests[index].request_id}: {told}")
        assert gap < TIE, told
    assert len(differ) <= COUNT // 100
    same = [(mine, yours) for index, (mine, yours) in enumerate(zip(ours, theirs, strict=True)) if index not in differ]
    assert all(mine.finish == yours.finish for mine, yours in same)
    assert all(mine.prompt_tokens == yours.prompt_tokens for mine, yours in zip(ours, theirs, strict=True))


def explained(local: LocalWorker, served: VLLMWorker, request: Generate) -> tuple[float, str]:
    """How near the two tokens are, in nats, at which two greedy texts part, by the local model; and in words."""
    asked = replace(request, sampling=replace(request.sampling, logprobs=5))
    (mine,), (theirs,) = said(local, [asked]), said(served, [asked])
    assert mine.logprobs
    assert theirs.logprobs
    for place, (here, there) in enumerate(zip(mine.logprobs, theirs.logprobs, strict=False)):
        if here.token != there.token:
            among = dict(here.top)
            gap = (here.logprob or 0.0) - among.get(there.token, float("-inf"))
            return gap, f"token {place}: {here.token!r} and {there.token!r} are {gap:.2e} nats apart"
    return float("inf"), f"{mine.text!r} and {theirs.text!r} have the same tokens"


def test_prompts_are_counted_as_the_server_counts_them(served: VLLMWorker, album: Album) -> None:
    counter = Counter.of("seedling", lambda image_id: album(image_id).size)
    requests = [replace(request, sampling=replace(request.sampling, max_tokens=1)) for request in mixed(album, 60, 1)]
    counted = [counter.count(request.messages).prompt_tokens for request in requests]
    assert counted == [result.prompt_tokens for result in said(served, requests)]


def test_log_probabilities_agree(local: LocalWorker, served: VLLMWorker, album: Album) -> None:
    sampling = {"logprobs": 3, "prompt_logprobs": 0, "stop": (), "max_tokens": 12}
    requests = [
        replace(request, sampling=replace(request.sampling, **sampling))
        for request in mixed(album, 20, 2)
        if request.messages[-1].role != "assistant"
    ]
    for mine, theirs in zip(said(local, requests), said(served, requests), strict=True):
        if mine.text != theirs.text:
            continue  # a tie: what follows it is another sentence
        for here, there in ((mine.logprobs, theirs.logprobs), (mine.prompt_logprobs, theirs.prompt_logprobs)):
            assert here
            assert there
            assert [place.token for place in here] == [place.token for place in there]
            assert [place.logprob for place in here] == [
                pytest.approx(place.logprob, abs=2e-3) if place.logprob is not None else None for place in there
            ]
