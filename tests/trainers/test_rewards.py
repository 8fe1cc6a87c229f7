from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.verifiers import verify
from trainers.rewards import BONUS, REWARDS, accuracy, looked, said, well_formed

PICTURE = {"role": "tool", "name": "crop", "content": [{"type": "image"}]}
REFUSAL = {"role": "tool", "name": "crop", "content": [{"type": "text", "text": "crop needs the argument bbox_2d."}]}


def turn(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def paid(
    names: Sequence[str], completion: Sequence[dict[str, Any]], gold: str, kind: str, helps: bool = True
) -> float | None:
    columns = {"answer": [gold], "answer_type": [kind], "verifier": [None], "options": [None], "tools_help": [helps]}
    values = [REWARDS[name](completions=[completion], sample_id=["s"], **columns)[0] for name in names]
    if None in values:
        assert set(values) == {None}
        return None
    return sum(value for value in values if value is not None)


words = st.text("abc <>/answer{}\n0123456789.", max_size=30)
answers = st.one_of(st.integers(-50, 50).map(str), st.sampled_from(["7", "seven", "7.0", "yes", "", "[1, 2]"]), words)
layouts = st.sampled_from(
    ["{}", "so\n<answer>{}</answer>", "<answer>{}</answer> and more", "<answer>1</answer><answer>{}</answer>"]
)
texts = st.builds(lambda layout, answer: layout.replace("{}", answer), layouts, answers)
before = st.lists(st.sampled_from([turn("look"), PICTURE, REFUSAL]), max_size=3)
completions = st.builds(lambda head, text: [*head, turn(text)], before, texts)
every = st.one_of(*(st.just((name,)) for name in REWARDS), st.just(tuple(REWARDS)))


@given(
    every,
    completions,
    completions,
    st.sampled_from([("7", "integer"), ("7.5", "number"), ('"yes"', "yes_no"), ('"a b"', "text")]),
    st.booleans(),
)
def test_correct_is_never_paid_below_wrong(names, one, other, question, helps) -> None:
    gold, kind = question
    import json

    verdicts = [verify(said(each), json.loads(gold), kind) for each in (one, other)]
    values = [paid(names, each, gold, kind, helps) for each in (one, other)]
    pairs = list(zip(verdicts, values, strict=True))
    for (this, mine), (that, yours) in [(pair, other_pair) for pair in pairs for other_pair in pairs]:
        if this.correct and not that.correct:
            assert mine >= yours
        if names == ("accuracy",) and this.score >= that.score:
            assert mine >= yours


@given(every, completions, st.booleans())
def test_bonuses_are_bounded_and_gated_and_silence_pays_nothing(names, completion, helps) -> None:
    value = paid(names, completion, "7", "integer", helps)
    assert value is not None
    correct = verify(said(completion), 7, "integer").correct
    bonuses = [name for name in names if name != "accuracy"]
    ceiling = ("accuracy" in names) + BONUS * len(bonuses)
    assert 0 <= value <= ceiling + 1e-12
    if bonuses == list(names) and not correct:
        assert value == 0
    for silence in ([], [turn("")], [turn("look"), PICTURE], [{**turn("x"), "tool_calls": [{}]}]):
        assert paid(names, silence, "7", "integer", helps) == 0 <= value


@given(every, completions)
def test_what_nobody_can_decide_is_masked(names, completion) -> None:
    undecided = verify(said(completion), "a house", "open").correct is None
    assert (paid(names, completion, '"a house"', "open") is None) == undecided


def test_what_each_bonus_is_for() -> None:
    columns = {"answer": ["7"] * 4, "answer_type": ["integer"] * 4, "verifier": [None] * 4, "options": [None] * 4}
    right, wrong = turn("it is\n<answer>7</answer>"), turn("<answer>8</answer>")
    group = [[right], [turn("x"), PICTURE, right], [turn("x"), REFUSAL, right], [turn("x"), PICTURE, wrong]]
    assert accuracy(group, **columns)[:3] == [1.0, 1.0, 1.0]
    assert well_formed(group, **columns) == [BONUS, BONUS, BONUS, 0]
    assert looked(group, tools_help=[True] * 4, **columns) == [0, BONUS, 0, 0]
    assert looked(group, tools_help=[False] * 4, **columns) == [0, 0, 0, 0]
    sloppy = [
        [turn("<answer>7</answer> or so")],
        [turn("<answer>1</answer><answer>7</answer>")],
        [turn("\\boxed{7}")],
        [right],
    ]
    assert well_formed(sloppy, **columns) == [0, 0, 0, BONUS]


def test_a_graded_answer_between_wrong_and_right() -> None:
    columns: dict[str, Any] = {
        "answer": ["[0, 0, 10, 10]"] * 3,
        "answer_type": ["box"] * 3,
        "verifier": [None] * 3,
        "options": [None] * 3,
    }
    boxes = [[turn(f"<answer>{box}</answer>")] for box in ([0, 0, 10, 10], [0, 0, 4, 10], [50, 50, 60, 60])]
    values = accuracy(boxes, **columns)
    assert values[0] == 1.0 and values == sorted(values, key=lambda value: -(value or 0))
    assert values[1] is not None and values[1] <= 0.5 and values[2] == pytest.approx(0, abs=0.05)


def test_triplets_are_paid_by_their_parts_and_never_as_much_as_a_right_answer() -> None:
    seconds = ["; 6 size large", "; 6 size small", "; 6 shape star", ""]
    everything = "; ".join(f"{number} colour red; {number} size large" for number in range(1, 10))
    said = [*(f"4 colour red{second}" for second in seconds), "", everything]
    columns: dict[str, Any] = {
        "answer": ['["4 colour red","6 size large"]'] * len(said),
        "answer_type": ["list"] * len(said),
        "verifier": ['{"entries":"triplet","name":"typed"}'] * len(said),
        "options": [None] * len(said),
    }
    values = accuracy([[turn(f"<answer>{text}</answer>")] for text in said], **columns)
    assert values == pytest.approx([1.0, 0.325, 0.275, 0.25, 0.0, 1 / 18])
