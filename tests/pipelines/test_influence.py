"""Influence: cosines to what the targets need, and never a look at an evaluation bank."""

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from pipelines.influence import STAGE, Parameters, unit
from pipelines.lake import Lake
from schemas.requests import Failed, Vector
from tests.pipelines.jobs import IDENTITY, given, picture, reasons, rows, run, sample

PHOTO = picture(1)
TOWARDS = {"along": (3.0, 4.0), "against": (-6.0, -8.0), "across": (4.0, -3.0), "flat": (0.0, 0.0)}


def script(request):
    """The gradient is named by the first word of the question; the loss is the length of the last turn."""
    word = request.messages[0].text.split()[0]
    assert (request.dimension, request.seed) == (64, 5) and request.messages[-1].role == "assistant"
    if word == "broken":
        return Failed("too_long", "the conversation does not fit")
    return Vector(TOWARDS[word], float(len(request.messages[-1].text)))


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def influenced(lake: Lake, *questions: str, targets: dict[str, tuple[str, ...]], role: str = "influence", traces=()):
    samples = {name: sample(PHOTO, f"{name} sample") for name in questions}
    clusters = [{"sample_id": row["sample_id"], "cluster_id": "c"} for row in samples.values()]
    banks = [
        {"bank": bank, "role": role, **sample(PHOTO, f"{name} target {number}")}
        for bank, names in targets.items()
        for number, name in enumerate(names)
    ]
    checks = [{"trace_id": row["trace_id"], "sample_id": row["sample_id"], "origin": row["origin"]} for row in traces]
    upstream = given(
        lake, PHOTO, samples=list(samples.values()), clusters=clusters, banks=banks, traces=list(traces), checks=checks
    )
    done = run(lake, STAGE, Parameters(dimension=64, seed=5, wave=2), upstream, script=script)
    names = {row["sample_id"]: name for name, row in samples.items()}
    return {(names[row["sample_id"]], row["target"]): row for row in rows(lake, done, "influence")}, done


def test_three_samples(lake):
    found, done = influenced(
        lake, "along", "against", "across", targets={"one": ("along",), "two": ("along", "across")}
    )
    assert done.counts.kept == 3 and len(found) == 6
    scores = {key: row["score"] for key, row in found.items()}
    half = 1 / np.sqrt(2)  # the mean of two unit gradients at a right angle
    assert scores == pytest.approx({
        ("along", "one"): 1, ("against", "one"): -1, ("across", "one"): 0,
        ("along", "two"): half, ("against", "two"): -half, ("across", "two"): half,
    })  # fmt: skip
    row = found["against", "one"]
    assert (row["norm"], row["dimension"], row["projection_seed"], row["checkpoint"]) == (10.0, 64, 5, IDENTITY.name)
    assert row["loss"] == len("<answer>red</answer>")  # without a verified trace, the bare answer


def test_the_verified_trace_is_what_is_differentiated(lake):
    row = sample(PHOTO, "along sample")
    steps = [{"kind": "thought", "text": "It is red."}, {"kind": "answer", "text": "red"}]
    trace = {
        "trace_id": "t",
        "sample_id": row["sample_id"],
        "origin": "oracle",
        "steps": steps,
        "answer": '"red"',
    }
    found, _ = influenced(lake, "along", targets={"one": ("along",)}, traces=[trace])
    assert found["along", "one"]["loss"] == len("It is red.\n<answer>red</answer>")


def test_a_failure_costs_its_own_sample_and_a_null_gradient_scores_nothing(lake):
    found, done = influenced(lake, "broken", "flat", targets={"one": ("along",)})
    assert list(reasons(lake, done).values()) == ["too_long"]
    assert found["flat", "one"]["score"] == 0


def test_an_evaluation_bank_is_refused(lake):
    with pytest.raises(ValueError, match="only `evaluate` reads evaluation banks"):
        influenced(lake, "along", targets={"held": ("along",)}, role="evaluation")
    with pytest.raises(ValueError, match="at least one target"):
        influenced(lake, "along", targets={})
    with pytest.raises(RuntimeError, match="target one"):
        influenced(lake, "along", targets={"one": ("broken",)})


@drawn(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8), st.floats(0.001, 1000))
def test_a_cosine_does_not_depend_on_length(values, scale):
    vector = np.asarray(values)
    assert np.linalg.norm(unit(vector)) == pytest.approx(1) or not vector.any()
    if np.linalg.norm(vector) > 1e-3:
        assert unit(vector * scale) == pytest.approx(unit(vector))
