"""Reflections: two attempts become one trace that replays, says nothing untrue, and names its pictures rightly."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.prompts import conversation
from pipelines.reflection import (
    CLAIMS,
    RECOGNITIONS,
    Reflection,
    difference,
    moved,
    proven_wrong,
    reflect,
    speakable,
)
from pipelines.tools import picture_id
from pipelines.tools.replay import replay, with_observations
from pipelines.tools.turn import step
from tests.pipelines.jobs import picture, sample

PICTURES = [picture(1), picture(2)]
SAMPLE = sample(PICTURES[0], "What colour?", "red")


@st.composite
def attempts(draw: st.DrawFn, own: int, answer: str) -> list[dict]:
    """A whole episode over the first `own` pictures, whose calls name any picture that there is, or none."""
    steps: list[dict] = []
    for turn in range(draw(st.sampled_from([3, 2, 1, 0]))):
        if draw(st.booleans()):
            steps.append(step("thought", draw(st.sampled_from(["I look.", "closer; here", "größer …"]))))
        target = draw(st.sampled_from([*range(own + turn, 0, -1), None]))
        named = {} if target is None else {"target_image": target}
        call = draw(
            st.sampled_from(
                [
                    ("crop", {"bbox_2d": [0, 0, 600, 700]}),
                    ("crop", {"bbox_2d": [300, 200, 1000, 1000]}),
                    ("rotate", {"angle": 90}),
                    ("mark_point", {"point": [500, 500]}),
                ]
            )
        )
        steps.append(step("action", None, call[0], {**call[1], **named}))
    if draw(st.booleans()):
        steps.append(step("thought", f"It is {answer}."))
    return [*with_observations(PICTURES[:own], steps), step("answer", answer)]


def both(own: int) -> st.SearchStrategy:
    return st.tuples(attempts(own, "blue"), attempts(own, "red"), st.integers(0, 2**32))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2).flatmap(lambda own: st.tuples(st.just(own), both(own))))
def test_the_whole_replays_and_the_right_attempt_sees_what_it_saw(case) -> None:
    own, (wrong, right, seed) = case
    made = reflect(wrong, "blue", right, own, seed)
    assert made == reflect(wrong, "blue", right, own, seed)
    again = replay(PICTURES[:own], made.steps)
    assert again.mismatches == () and again.refused == 0
    seen = [item["image_id"] for item in made.steps if item["kind"] == "observation"]
    assert seen == [item["image_id"] for item in [*wrong, *right] if item["kind"] == "observation"]
    before, after = made.steps[: made.wrong_steps], made.steps[made.wrong_steps :]
    assert list(before[:-1]) == wrong[:-1]
    assert [(item["kind"], item["text"], item["tool"]) for item in after[1:]] == [
        (item["kind"], item["text"], item["tool"]) for item in right
    ]


@settings(max_examples=60, deadline=None)
@given(both(1))
def test_what_is_ours_claims_only_what_the_attempts_show(case) -> None:
    wrong, right, seed = case
    made = reflect(wrong, "blue", right, 1, seed)
    claim, taken_back = made.steps[made.wrong_steps - 1]["text"], made.steps[made.wrong_steps]["text"]
    assert claim in {each.format(answer="blue") for each in CLAIMS}
    (kind,) = [
        kind
        for kind, sentences in RECOGNITIONS.items()
        if taken_back in {sentence.format(answer="blue", place="") for sentence in sentences}
    ]
    calls = [[item for item in steps if item["kind"] == "action"] for steps in (wrong, right)]
    seen = [[item["image_id"] for item in steps if item["kind"] == "observation"] for steps in (wrong, right)]
    assert (kind == "looks") == (not calls[0] and bool(calls[1]))
    assert (kind == "elsewhere") == (bool(calls[0]) and bool(calls[1]) and seen[1][0] not in seen[0])


@settings(max_examples=40, deadline=None)
@given(both(1))
def test_the_wrong_attempt_is_a_prefix_of_the_conversation(case) -> None:
    """Its last turn goes on in the turn that takes it back, as a model that corrects itself writes."""
    wrong, right, seed = case
    made = reflect(wrong, "blue", right, 1, seed)
    before, whole = conversation(SAMPLE, made.steps[: made.wrong_steps]), conversation(SAMPLE, made.steps)
    assert whole[: len(before) - 1] == before[:-1]
    assert whole[len(before) - 1].text.startswith(before[-1].text + "\n")
    assert [message.role for message in whole].count("assistant") == sum(
        item["kind"] in ("action", "answer") for item in [*wrong[:-1], *right]
    )


def test_sentences_vary_with_the_seed_and_with_nothing_else() -> None:
    wrong, right = [step("answer", "blue")], [step("answer", "red")]
    said = {reflect(wrong, "blue", right, 1, seed).steps[1]["text"] for seed in range(40)}
    assert said == {sentence.format(answer="blue") for sentence in RECOGNITIONS["anew"]}
    assert difference(wrong, right) == "anew"


def test_calls_name_the_same_pictures_by_their_new_numbers() -> None:
    steps = with_observations(
        PICTURES,
        [
            step("action", None, "crop", {"bbox_2d": [0, 0, 500, 500]}),  # the sample's last: now the third from behind
            step("action", None, "rotate", {"angle": 90, "target_image": 1}),
            step("action", None, "rotate", {"angle": 180, "target_image": 3}),
            step("action", None, "select_frame", {"index": 1}),
            step("action", None, "rotate", {"angle": 90}),
        ],
    )
    calls = [json.loads(item["arguments"]) for item in moved(steps, 2, 2) if item["kind"] == "action"]
    assert [call.get("target_image") for call in calls] == [2, 1, 5, None, None]
    assert moved(steps, 2, 0) == steps


def test_what_cannot_be_said_or_does_not_end_is_no_reflection() -> None:
    assert speakable("blue") and speakable("[1, 2]")
    assert not any(map(speakable, ("", "a\nb", "x" * 81, "a</answer>")))
    with pytest.raises(ValueError, match="the wrong attempt does not end in an answer"):
        reflect([step("thought", "hm")], "blue", [step("answer", "red")], 1, 0)


def trace(made: Reflection, answer: object = "blue") -> dict:
    return {"steps": list(made.steps), "wrong_steps": made.wrong_steps, "wrong_answer": json.dumps(answer)}


def test_the_wrong_answer_is_proven_wrong() -> None:
    made = reflect([step("answer", "blue")], "blue", [step("answer", "red")], 1, 0)
    assert proven_wrong(trace(made), SAMPLE)
    assert not proven_wrong(trace(made, "red"), SAMPLE)  # not what the trace says
    assert not proven_wrong({**trace(made), "wrong_answer": None}, SAMPLE)
    assert not proven_wrong({**trace(made), "wrong_steps": None}, SAMPLE)
    assert not proven_wrong({**trace(made), "wrong_steps": len(made.steps)}, SAMPLE)
    right = reflect([step("answer", "red")], "red", [step("answer", "red")], 1, 0)
    assert not proven_wrong(trace(right, "red"), SAMPLE)
    assert picture_id(PICTURES[0]) == SAMPLE["image_ids"][0]
