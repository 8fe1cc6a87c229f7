"""Necessity: what is answered only from the edited picture needs interaction, and the counts say how surely."""

import json

import pytest

from pipelines.curate import DEFAULT_ELIGIBLE, select
from pipelines.intervals import wilson
from pipelines.lake import Lake
from pipelines.necessity import STAGE, Parameters
from pipelines.tools import picture_id
from pipelines.tools.replay import with_observations
from pipelines.tools.turn import step
from schemas.arrow import TABLES, table_of
from schemas.messages import pictures
from schemas.requests import Failed
from schemas.rows import StepRow, TraceRow
from tests.pipelines.jobs import IDENTITY, given, picture, reasons, rows, run, said, sample

PHOTO = picture(1)
CROPS = [{"bbox_2d": [0, 0, 500, 500]}, {"bbox_2d": [500, 500, 1000, 1000], "target_image": 1}]
CUT = [PHOTO.crop((0, 0, 32, 32)), PHOTO.crop((32, 32, 64, 64))]


def trace(row: dict, origin: str, *crops: dict) -> dict:
    actions = [step("action", None, "crop", arguments) for arguments in crops]
    steps = [StepRow.of(each) for each in [*with_observations([PHOTO], actions), step("answer", "red")]]
    return TraceRow(sample_id=row["sample_id"], origin=origin, steps=steps, answer="red", producer={}).row()


def measured(lake: Lake, traces: list[dict], samples: list[dict], script, **parameters):
    checks = [{name: each[name] for name in ("trace_id", "sample_id", "origin")} for each in traces]
    clusters = [{"sample_id": row["sample_id"], "cluster_id": row["sample_id"]} for row in samples]
    upstream = given(lake, PHOTO, samples=samples, traces=traces, checks=checks, clusters=clusters)
    return run(lake, STAGE, Parameters(**parameters), upstream, script=script)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def only_from(*wanted: str):
    """A policy that knows the answer when it sees just these pictures, and else guesses wrongly."""
    return lambda request: said(f"<answer>{'red' if pictures(request.messages) == list(wanted) else 'blue'}</answer>")


def test_oracle_and_policy_traces_tell_which_samples_need_their_tool(lake):
    needs, easy, plain = (sample(PHOTO, question) for question in ("Small?", "Plain?", "Toolless?"))
    traces = [
        trace(needs, "policy", CROPS[0]),
        trace(needs, "oracle", *CROPS),
        trace(easy, "policy", CROPS[1]),
        trace(plain, "oracle"),
    ]

    def script(request):
        right = request.messages[0].text == "Plain?" or pictures(request.messages) == [picture_id(CUT[1])]
        return said(f"<answer>{'red' if right else 'blue'}</answer>")

    done = measured(lake, traces, [needs, easy, plain], script, rollouts=6)
    found = {row["sample_id"]: row for row in rows(lake, done, "necessity")}
    assert found.keys() == {needs["sample_id"], easy["sample_id"]}  # a trace without a picture has nothing to show
    first, second = found[needs["sample_id"]], found[easy["sample_id"]]
    assert (first["origin"], first["trace_id"], first["policy"]) == ("oracle", traces[1]["trace_id"], IDENTITY.name)
    assert (first["original_k"], first["original_n"], first["edited_k"], first["edited_n"]) == (0, 6, 6, 6)
    assert (first["original_low"], first["original_high"]) == wilson(0, 6)
    assert (first["edited_low"], first["edited_high"]) == wilson(6, 6)
    assert first["needs_interaction"] is True
    assert (second["origin"], second["original_k"], second["needs_interaction"]) == ("policy", 6, False)
    asked = rows(lake, done, "rollouts")
    assert {row["purpose"] for row in asked} == {"original", "edited"} and len(asked) == 24
    assert len({row["seed"] for row in asked}) == 24


def test_the_last_picture_stands_alone_or_all_stand_behind_the_original(lake):
    row = sample(PHOTO, "Small?")
    own, first, last = (picture_id(image) for image in (PHOTO, *CUT))
    for edited, shown in (("last", [last]), ("all", [own, first, last])):
        done = measured(lake, [trace(row, "oracle", *CROPS)], [row], only_from(*shown), rollouts=5, edited=edited)
        (found,) = rows(lake, done, "necessity")
        assert (found["original_k"], found["edited_k"], found["needs_interaction"]) == (0, 5, True)


def test_a_call_of_a_tool_is_refused_on_both_sides(lake):
    heard = []

    def script(request):
        heard.append([message.text for message in request.messages if message.role == "tool"])
        return said(f"closer\\n<tool_call>{json.dumps({'name': 'crop', 'arguments': CROPS[0]})}</tool_call>")

    row = sample(PHOTO, "Small?")
    done = measured(lake, [trace(row, "oracle", CROPS[0])], [row], script, rollouts=2, max_turns=2)
    assert {(each["finish"], each["pictures"], each["calls"]) for each in rows(lake, done, "rollouts")} == {
        ("turns", 0, 2)
    }
    assert {len(each) for each in heard} == {0, 1} and all(
        "There is no tool" in text for each in heard for text in each
    )


def test_few_attempts_show_little_and_a_trace_that_does_not_replay_nothing(lake):
    row, other = sample(PHOTO, "Small?"), sample(PHOTO, "Changed?")
    broken = trace(other, "oracle", CROPS[0])
    broken["steps"][1]["image_id"] = "f" * 32
    traces = [trace(row, "oracle", CROPS[1]), broken]
    done = measured(lake, traces, [row, other], only_from(picture_id(CUT[1])), rollouts=2)
    (found,) = rows(lake, done, "necessity")
    assert (found["original_k"], found["edited_k"], found["needs_interaction"]) == (0, 2, False)
    assert reasons(lake, done) == {other["sample_id"]: "replay_mismatch"}


def test_a_failed_request_is_no_wrong_answer(lake):
    row = sample(PHOTO, "Small?")
    late = Failed("timeout", "too late", transient=True)
    done = measured(lake, [trace(row, "oracle", CROPS[0])], [row], lambda request: late, rollouts=2)
    assert reasons(lake, done) == {row["sample_id"]: "timeout"} and not rows(lake, done, "rollouts")


def test_a_selection_may_ask_for_what_needs_interaction():
    samples = [sample(PHOTO, question) for question in ("a", "b", "c")]
    ids = [row["sample_id"] for row in samples]
    tables = {name: table_of(name, []) for name in TABLES} | {
        "samples": table_of("samples", samples),
        "clusters": table_of("clusters", [{"sample_id": each, "cluster_id": each} for each in ids]),
        "necessity": table_of(
            "necessity",
            [{"sample_id": ids[0], "needs_interaction": True}, {"sample_id": ids[1], "needs_interaction": False}],
        ),
    }
    sql = "SELECT sample_id, 'rl' AS split FROM pool WHERE needs_interaction"
    pool, chosen = select(tables, sql, DEFAULT_ELIGIBLE, ["oracle"])
    assert chosen == [(ids[0], "rl")] and len(pool) == 3
