"""Explore: what a policy gets right becomes a trace; what it said is recorded either way."""

import json

import pytest

from pipelines.explore import STAGE, Parameters
from pipelines.lake import Lake
from pipelines.tools import picture_id
from pipelines.tools.replay import replay
from pipelines.tools.turn import assistant_text
from pipelines.verify import STAGE as VERIFY
from pipelines.verify import Parameters as VerifyParameters
from schemas.requests import Failed, Generated
from tests.pipelines.jobs import IDENTITY, given, picture, reasons, rows, run, said, sample

PHOTO = picture(1)
CROP = '<tool_call>\n{"name": "crop", "arguments": {"bbox_2d": [0, 0, 500, 500]}}\n</tool_call>'
OTHER = '<tool_call>\n{"name": "crop", "arguments": {"bbox_2d": [500, 500, 1000, 1000]}}\n</tool_call>'
MEASURE = '<tool_call>\n{"name": "measure", "arguments": {"box": "0, 0, 500, 500"}}\n</tool_call>'
TALES = {
    "Red?": ["It looks red.\n<answer>red</answer>"],
    "Look!": [f"Closer.\n{CROP}", "Red.\n<answer>red</answer>"],
    "Blue?": ["<answer>blue</answer>"],
    "Measure!": [f"How large?\n{MEASURE}", "Red.\n<answer>red</answer>"],
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


def test_words_of_a_tool_are_proven_as_pictures_are(lake):
    _, upstream, done = explored(lake, "Measure!", attempts=1)
    (trace,) = rows(lake, done, "traces")
    said_so = "The box is 32 pixels wide and 32 high: 1024 pixels, 25.0 % of the picture."
    assert [step["text"] for step in trace["steps"] if step["kind"] == "observation"] == [said_so]
    assert json.loads(trace["steps"][1]["arguments"]) == {"bbox_2d": [0, 0, 500, 500]}, "in its plain form"
    (check,) = rows(lake, run(lake, VERIFY, VerifyParameters(), upstream, done.key), "checks")
    assert (check["replayed"], check["actions"], check["region_seen"]) == (1, 1, None)


def test_a_tool_that_is_not_offered_does_not_exist(lake):
    _, upstream, done = explored(lake, "Look!", attempts=1, tools=["rotate", "measure"])
    (trace,) = rows(lake, done, "traces")
    assert trace["steps"][2]["text"] == "There is no tool 'crop'; there are rotate, measure."
    assert json.loads(trace["producer"])["sampling"]["tools"] == ["rotate", "measure"]
    (rollout,) = rows(lake, done, "rollouts")
    assert json.loads(rollout["sampling"])["tools"] == ["rotate", "measure"]
    assert set(reasons(lake, run(lake, VERIFY, VerifyParameters(), upstream, done.key)).values()) == {"bad_call"}


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


WRONG = [f"Down there.\n{OTHER}", "Blue.\n<answer>blue</answer>"]
RIGHT = [f"Up there.\n{CROP}", "Red.\n<answer>red</answer>"]


def by_attempt(*tales: list[str]):
    """A policy whose attempts go as told, one tale each."""

    def answer(request):
        _, _, index, turn = request.request_id.split(":")
        return said(tales[int(index)][int(turn)])

    return answer


def reflected(lake: Lake, *tales: list[str], region: list | None = None, **parameters):
    row = sample(PHOTO, "Red?", region=region)
    upstream = given(lake, PHOTO, samples=[row])
    p = Parameters(attempts=len(tales), **{"reflections": 3, **parameters})
    done = run(lake, STAGE, p, upstream, script=by_attempt(*tales))
    traces = rows(lake, done, "traces")
    return upstream, done, [each for each in traces if each["origin"] == "reflection"]


def test_a_wrong_attempt_and_a_right_one_become_a_reflection_that_is_verified_like_any_trace(lake):
    upstream, done, (trace,) = reflected(lake, WRONG, RIGHT)
    looked = ["thought", "action", "observation", "thought"]
    assert [step["kind"] for step in trace["steps"]] == [*looked, "thought", "thought", *looked, "answer"]
    assert (trace["wrong_steps"], trace["wrong_answer"], trace["answer"]) == (5, '"blue"', '"red"')
    assert json.loads(trace["steps"][7]["arguments"])["target_image"] == 1
    checks = run(lake, VERIFY, VerifyParameters(), upstream, done.key)
    assert sorted(row["origin"] for row in rows(lake, checks, "checks")) == ["policy", "reflection"]
    assert {row["trace_id"]: row["replayed"] for row in rows(lake, checks, "checks")}[trace["trace_id"]] == 2


def test_lineage_leads_to_both_rollouts_whose_words_the_reflection_holds(lake):
    _, done, (trace,) = reflected(lake, WRONG, RIGHT)
    rollouts = {row["rollout_id"]: row for row in rows(lake, done, "rollouts")}
    edges = {
        row["relation"]: rollouts[row["parent_id"]]
        for row in rows(lake, done, "lineage")
        if row["child_id"] == trace["trace_id"]
    }
    assert edges.keys() == {"corrects", "kept_from"}
    wrong, right = edges["corrects"], edges["kept_from"]
    assert (wrong["correct"], right["correct"]) == (False, True)
    producer = json.loads(trace["producer"])
    assert (producer["wrong"], producer["right"]) == (wrong["rollout_id"], right["rollout_id"])
    first, last = trace["steps"][:2], trace["steps"][-2:]
    assert wrong["text"].split("\n\n")[0] == assistant_text(first)
    assert right["text"].split("\n\n")[-1] == assistant_text(last)


def test_no_reflection_without_both_or_where_a_conversation_has_no_room_for_it(lake):
    silent = ["I do not know."]
    for tales, room in (
        ((RIGHT, RIGHT), {}),
        ((silent, RIGHT), {}),
        ((WRONG, RIGHT), {"max_turns": 2}),
        ((WRONG, RIGHT), {"max_images": 2}),
        ((WRONG, RIGHT), {"reflections": 0}),
    ):
        assert reflected(lake, *tales, **room)[2] == []
    assert len(reflected(lake, WRONG, ["<answer>green</answer>"], RIGHT)[2]) == 2
    assert len(reflected(lake, WRONG, ["<answer>green</answer>"], RIGHT, reflections=1)[2]) == 1


def test_a_region_must_have_been_seen_by_the_right_attempt_itself(lake):
    """The wrong attempt looked at the place, the right one elsewhere: its answer is luck, in both of its traces."""
    upstream, done, (trace,) = reflected(lake, WRONG, RIGHT, region=[{"label": "spot", "box": [40, 40, 60, 60]}])
    checks = run(lake, VERIFY, VerifyParameters(), upstream, done.key)
    assert list(reasons(lake, checks).values()) == ["region_missed", "region_missed"]
    assert trace["trace_id"] in reasons(lake, checks)


def test_a_reflection_whose_wrong_answer_is_right_after_all_is_turned_down(lake):
    from schemas.rows import TraceRow

    _, _, (trace,) = reflected(lake, WRONG, RIGHT)
    changed = TraceRow.of({**trace, "wrong_answer": '"red"'}).row()
    upstream = given(lake, PHOTO, samples=[sample(PHOTO, "Red?")], traces=[changed])
    checks = run(lake, VERIFY, VerifyParameters(), upstream)
    assert reasons(lake, checks) == {changed["trace_id"]: "not_wrong"}


def test_how_each_attempt_ended_is_recorded_and_names_the_rule(lake):
    tales = {
        "Limits?": [CROP, OTHER, "<answer>red</answer>"],
        "Turns?": [CROP, CROP, CROP],
        "Cut?": ["so on and so on"],
        "Bad?": ['<tool_call>\n{"name": "crop"}\n</tool_call>', "<answer>blue</answer>"],
    }

    def answer(request):
        question, turn = request.messages[0].text, int(request.request_id.rsplit(":", 1)[1])
        return Generated(tales[question][turn], "length" if question == "Cut?" else "stop", 10, 5)

    samples = {question: sample(PHOTO, question) for question in tales}
    upstream = given(lake, PHOTO, samples=list(samples.values()))
    done = run(lake, STAGE, Parameters(attempts=1, max_images=2), upstream, script=answer)
    ended = {row["sample_id"]: row for row in rows(lake, done, "rollouts")}
    columns = ("finish", "calls", "pictures", "refused")
    assert {
        question: tuple(ended[row["sample_id"]][name] for name in columns) for question, row in samples.items()
    } == {
        "Limits?": ("answer", 2, 1, 1),
        "Turns?": ("turns", 3, 1, 2),
        "Cut?": ("length", 0, 0, 0),
        "Bad?": ("answer", 1, 0, 0),
    }
    assert reasons(lake, done) == {
        samples["Turns?"]["sample_id"]: "out_of_turns",
        samples["Cut?"]["sample_id"]: "cut_off",
        samples["Bad?"]["sample_id"]: "wrong_answer",
    }
