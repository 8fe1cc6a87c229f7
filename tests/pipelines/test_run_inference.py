"""Workers under Beam's `RunInference`: element-level results, shared models, counters."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.ml.inference.base import KeyedModelHandler, PredictionResult, RunInference
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult

from pipelines.run_inference import NAMESPACE, Ask, read_picture
from pipelines.workers import WorkerSpec, connect, identity_of
from schemas.messages import Message, Picture, Text
from schemas.requests import Embed, Failed, Generate, Generated, Gradients, Sampling, Score, Scored, Vector

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "examples" / "photographs"
CAT, DOG = (str(PHOTOGRAPHS / name) for name in ("cat.jpg", "spaniels.jpg"))
SEEDLING = "local:seedling"


def about(path: str, *said: str) -> tuple[Message, ...]:
    """A question about a picture, and what the assistant said to it."""
    asked = Message("user", (Picture(path), Text("what is it?")))
    return asked, *(Message("assistant", (Text(text),)) for text in said)


REQUESTS = (
    Generate("g1", about(CAT), Sampling(8, temperature=1.0), seed=1),
    Generate("g2", about(DOG), Sampling(8, temperature=1.0), seed=2),
    Generate("lost", about(str(PHOTOGRAPHS / "no such file.jpg")), Sampling(8), seed=0),
    Score("s", about(CAT, "a cat")),
    Score("mute", about(CAT)),
    Embed("e", CAT),
    Gradients("d", about(CAT, "a cat"), 64, 0),
)


def answered(folder: Path, handler, *elements) -> tuple[list, PipelineResult]:
    """What a pipeline with this handler makes of the elements, and its run."""
    file = folder / "answered"
    pipeline = beam.Pipeline(runner=FnApiRunner())
    found = pipeline | beam.Create(list(elements)) | RunInference(handler) | beam.combiners.ToList()
    _ = found | beam.Map(lambda each: file.write_bytes(pickle.dumps(each)))
    run = pipeline.run()
    run.wait_until_finish()
    return pickle.loads(file.read_bytes()), run


def test_each_element_has_its_own_answer_and_the_worker_would_say_the_same(tmp_path):
    found, _ = answered(tmp_path, Ask(SEEDLING), *REQUESTS, "no request")
    assert all(isinstance(each, PredictionResult) for each in found)
    told = {getattr(each.example, "request_id", each.example): each.inference for each in found}
    assert {name: type(result) for name, result in told.items()} == {
        "g1": Generated,
        "g2": Generated,
        "lost": Failed,
        "s": Scored,
        "mute": Failed,
        "e": Vector,
        "d": Vector,
        "no request": Failed,
    }
    assert told["lost"].kind == "bad_picture" and "no such file" in told["lost"].message
    assert "not str" in told["no request"].message
    assert {each.model_id for each in found} == {identity_of(WorkerSpec(SEEDLING)).name}
    direct = dict(
        zip((r.request_id for r in REQUESTS), connect(WorkerSpec(SEEDLING), read_picture).answer(REQUESTS), strict=True)
    )
    for name in ("g1", "g2"):
        assert told[name] == direct[name]
    for name, field in (("s", "logprobs"), ("e", "values"), ("d", "values")):
        assert getattr(told[name], field) == pytest.approx(getattr(direct[name], field), abs=1e-4)


def test_counters_say_what_was_asked_and_what_it_took(tmp_path):
    found, run = answered(tmp_path, Ask(SEEDLING), *REQUESTS)
    counted = {
        each.key.metric.name: each.committed
        for each in run.metrics().query()["counters"]
        if each.key.metric.namespace == NAMESPACE
    }
    results = [each.inference for each in found]
    assert counted["requests"] == len(REQUESTS)
    assert counted["completion_tokens"] == sum(r.completion_tokens for r in results if isinstance(r, Generated)) > 0
    assert counted["prompt_tokens"] == sum(r.prompt_tokens for r in results if isinstance(r, Generated | Scored))
    assert counted["retries"] == 0


def test_rows_and_keys_of_ones_own_go_around_it(tmp_path):
    handler = KeyedModelHandler(Ask("embed:clip")).with_preprocess_fn(lambda pair: (pair[0], Embed(*pair)))
    found, _ = answered(tmp_path, handler, ("cat", CAT), ("dog", DOG), ("cat again", CAT))
    vectors = {key: each.inference.values for key, each in found}
    assert vectors["cat"] == vectors["cat again"] != vectors["dog"]
    assert Counter(len(vector) for vector in vectors.values()) == {128: 3}


def test_what_cannot_be_is_said_when_the_pipeline_is_built():
    with pytest.raises(ValueError, match="did you mean 'local:seedling'"):
        Ask("locl:seedling")
    with pytest.raises(ValueError, match="max_batch"):
        Ask(SEEDLING, options={"max_bach": 2})
    with pytest.raises(ValueError, match="say it in the requests"):
        Ask(SEEDLING).validate_inference_args({"temperature": 1})
