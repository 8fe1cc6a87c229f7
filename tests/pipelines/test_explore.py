"""Explore: what a policy gets right becomes a trace; what it said is recorded either way."""

import json

import pytest

from pipelines.explore import STAGE, Parameters
from pipelines.lake import Lake
from pipelines.tools import picture_id
from pipelines.tools.replay import replay
from pipelines.verify import STAGE as VERIFY
from pipelines.verify import Parameters as VerifyParameters
from schemas.requests import Failed
from tests.pipelines.jobs import IDENTITY, given, picture, reasons, rows, run, said, sample

PHOTO = picture(1)
CROP = '<tool_call>\n{"name": "crop", "arguments": {"bbox_2d": [0, 0, 500, 500]}}\n</tool_call>'
TALES = {
    "Red?": ["It looks red.\n<answer>red</answer>"],
    "Look!": [f"Closer.\n{CROP}", "Red.\n<answer>red</answer>"],
    "Blue?": ["<answer>blue</answer>"],
    "Silent?": ["I do not know."],
    "Broken?": [],
}


def script(request):
    question = request.messages[0].text
    turns = sum(message.role == "assistant" for message in request.messages)
    tale = TALES[question]
    return said(tale[turns]) if tale else Failed("overloaded", "come back later", transient=True)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def explored(lake: Lake, *questions: str, **parameters):
    samples = {question: sample(PHOTO, question) for question in questions}
    upstream = given(lake, PHOTO, samples=list(samples.values()))
    done = run(lake, STAGE, Parameters(**parameters), upstream, script=script)
    return samples, upstream, done


def test_three_samples(lake):
    samples, upstream, done = explored(lake, "Red?", "Look!", "Blue?", attempts=2)
    assert reasons(lake, done) == {samples["Blue?"]["sample_id"]: "wrong_answer"}
    traces = {row["sample_id"]: row for row in rows(lake, done, "traces")}
    red, look = traces[samples["Red?"]["sample_id"]], traces[samples["Look!"]["sample_id"]]
    assert [step["kind"] for step in red["steps"]] == ["thought", "answer"]
    assert [step["kind"] for step in look["steps"]] == ["thought", "action", "observation", "thought", "answer"]
    assert replay([PHOTO], look["steps"]).mismatches == ()
    assert red["origin"] == "policy" and json.loads(red["producer"])["worker"] == IDENTITY.as_json()
    rollouts = rows(lake, done, "rollouts")
    assert len(rollouts) == 6 and len({row["seed"] for row in rollouts}) == 6
    assert {row["correct"] for row in rollouts} == {True, False} and {row["purpose"] for row in rollouts} == {"explore"}
    assert {row["policy"] for row in rollouts} == {IDENTITY.name}
    checks = run(lake, VERIFY, VerifyParameters(), upstream, done.key)
    assert checks.counts.kept == 2
    assert lake.image(look["steps"][2]["image_id"]).size == (32, 32)


def test_silence_is_no_wrong_answer_and_an_error_is_no_answer(lake):
    samples, _, done = explored(lake, "Silent?", "Broken?", "Red?", attempts=1)
    assert reasons(lake, done) == {
        samples["Silent?"]["sample_id"]: "no_answer",
        samples["Broken?"]["sample_id"]: "overloaded",
    }
    (failure,) = rows(lake, done, "failures")
    assert failure["transient"] and failure["message"] == "come back later"
    assert {row["sample_id"] for row in rows(lake, done, "rollouts")} == {
        samples[question]["sample_id"] for question in ("Silent?", "Red?")
    }


def test_a_share_is_chosen_by_id_and_grows(lake):
    samples = [sample(picture_id(PHOTO), f"Red? {number}") for number in range(40)]
    upstream = given(lake, PHOTO, samples=samples)
    TALES.update({row["question"]: TALES["Red?"] for row in samples})
    half, most = (
        {
            row["sample_id"]
            for row in rows(lake, run(lake, STAGE, Parameters(share=share), upstream, script=script), "traces")
        }
        for share in (0.5, 0.9)
    )
    assert 8 < len(half) < 32 and half < most < {row["sample_id"] for row in samples}
