"""What a request may ask of `local:` beside a text: several samples, a schema, log-probabilities, the likeliest k."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from pipelines.workers.local import LocalWorker
from pipelines.workers.sampler import Sampler
from schemas.ids import canonical_json
from schemas.messages import Picture
from schemas.requests import Failed, Generate, Generated, Sampling, Score, Scored
from tests.pipelines.workers.conftest import Album, ask, plain, says, user


def with_(request: Generate, **sampling: Any) -> Generate:
    return replace(request, sampling=replace(request.sampling, **sampling))


def answer(worker: LocalWorker, request: Generate) -> Generated:
    (result,) = worker.answer([request])
    assert isinstance(result, Generated), result
    return result


@pytest.fixture
def question(album: Album) -> Generate:
    return ask("g", user(Picture(album.add(plain("red"))), "how many shapes?"), seed=3, tokens=10)


def test_the_first_of_several_samples_is_the_one_alone(worker: LocalWorker, question: Generate) -> None:
    alone, several = answer(worker, question), answer(worker, with_(question, n=4))
    assert several.text == alone.text
    samples = [several, *several.others]
    assert len({sample.text for sample in samples}) == 4, "each is drawn with a seed of its own"
    assert several.prompt_tokens == alone.prompt_tokens
    assert several.completion_tokens > alone.completion_tokens
    assert [other.completion_tokens for other in several.others] == [0, 0, 0]
    fewer = answer(worker, with_(question, n=2))
    assert [other.text for other in fewer.others] == [several.others[0].text]


def test_samples_count_as_rows_of_a_batch(worker: LocalWorker, question: Generate) -> None:
    requests = [replace(with_(question, n=n), seed=seed) for seed, n in enumerate((5, 3, 1, 8, 12, 2))]
    assert worker.answer(requests) == [result for request in requests for result in worker.answer([request])]


SCHEMA = canonical_json(
    {
        "type": "object",
        "properties": {
            "color": {"enum": ["red", "blue"]},
            "count": {"type": "integer", "minimum": 0, "maximum": 99},
            "sure": {"type": "boolean"},
        },
        "required": ["color", "count", "sure"],
        "additionalProperties": False,
    }
)


def test_a_text_fulfils_its_schema_whatever_the_model_would_say(worker: LocalWorker, question: Generate) -> None:
    free = replace(question, seed=9)
    guided = [replace(with_(question, json_schema=SCHEMA, max_tokens=80), seed=seed) for seed in range(12)]
    results = worker.answer([free, *guided])
    assert results[0] == answer(worker, free), "a guide touches its own row only"
    said = set()
    for result in results[1:]:
        assert isinstance(result, Generated)
        assert result.finish == "stop"
        found = json.loads(result.text)
        assert set(found) == {"color", "count", "sure"}
        assert found["color"] in ("red", "blue")
        assert 0 <= found["count"] <= 99
        said.add(result.text)
    assert len(said) > 3
    cut = answer(worker, with_(question, json_schema=SCHEMA, max_tokens=2))
    assert cut.finish == "length"


@pytest.mark.parametrize("schema", ['{"type":"nonsense"}', "{", "[]"])
def test_a_schema_that_cannot_be_followed_fails_its_own_request(
    worker: LocalWorker, question: Generate, schema: str
) -> None:
    good, bad = worker.answer([question, with_(question, json_schema=schema)])
    assert isinstance(good, Generated)
    assert isinstance(bad, Failed)
    assert bad.kind == "bad_request"


def test_logprobs_are_those_of_scoring_the_same_words(worker: LocalWorker, question: Generate) -> None:
    result = answer(worker, with_(question, temperature=0.0, max_tokens=6, logprobs=3))
    assert result.logprobs is not None
    assert len(result.logprobs) == result.completion_tokens
    for place in result.logprobs:
        assert place.top[0] == (place.token, place.logprob), "greedy takes the likeliest"
        assert [odds for _, odds in place.top] == sorted((odds for _, odds in place.top), reverse=True)
        assert len(place.top) == 3
    text = "".join(place.token for place in result.logprobs)
    (scored,) = worker.answer([Score("s", (*question.messages, says(text)))])
    assert isinstance(scored, Scored)
    values = [place.logprob for place in result.logprobs]
    assert values == pytest.approx(scored.logprobs[:-1], abs=1e-4)  # the last is the end of the turn
    bare = answer(worker, with_(question, temperature=0.0, max_tokens=6, logprobs=0))
    assert bare.logprobs == tuple(replace(place, top=()) for place in result.logprobs)


def test_prompt_logprobs_say_how_likely_what_was_read_is(worker: LocalWorker, question: Generate) -> None:
    talk = replace(question, messages=(*question.messages, says("red circle 2")))
    result = answer(worker, with_(talk, prompt_logprobs=2))
    assert result.prompt_logprobs is not None
    assert len(result.prompt_logprobs) == result.prompt_tokens
    assert result.prompt_logprobs[0].logprob is None
    assert all(len(place.top) == 2 for place in result.prompt_logprobs[1:])
    (scored,) = worker.answer([Score("s", talk.messages)])
    assert isinstance(scored, Scored)
    said = scored.logprobs[:-1]  # the end of the turn is scored and not yet read
    values = [place.logprob for place in result.prompt_logprobs[-len(said) :]]
    assert values == pytest.approx(said, abs=1e-4)
    assert answer(worker, talk).prompt_logprobs is None


def test_the_likeliest_token_alone_is_the_greedy_one(worker: LocalWorker, question: Generate) -> None:
    greedy = answer(worker, with_(question, temperature=0.0))
    assert answer(worker, with_(question, temperature=2.0, top_k=1)).text == greedy.text


def test_top_k_draws_among_the_likeliest_k_and_leaves_other_rows_alone() -> None:
    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(0)).expand(400, 50)
    samplings = [Sampling(8, 1.5, top_k=5 if row % 2 else 0) for row in range(400)]
    drawn = Sampler(samplings, list(range(400))).draw(logits, torch.arange(400), 0)
    likeliest = set(logits[0].topk(5).indices.tolist())
    assert set(drawn[1::2].tolist()) == likeliest
    free = Sampler([Sampling(8, 1.5)] * 400, list(range(400))).draw(logits, torch.arange(400), 0)
    assert (drawn[::2] == free[::2]).all()
    assert len(set(drawn[::2].tolist())) > 15
