"""What a loss is taken on, token by token: the policy's own words with their ends of turn, and nothing that it read."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.prompts import assistant_text
from pipelines.reflection import reflect
from pipelines.tools.replay import again, observation
from pipelines.tools.tool import Shown
from pipelines.tools.turn import step
from pipelines.workers.encoding import IGNORED, Encoded, Encoder
from schemas.ids import picture_id
from tests.trainers.conftest import Classroom
from trainers.dataset import Album, taught
from trainers.grpo import Parameters, train_grpo
from trainers.grpo_trainer import GroupTrainer
from trainers.policy import load

END = "<|im_end|>"
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("crop", {"bbox_2d": [0, 0, 600, 700]}),
    ("crop", {"bbox_2d": [300, 200, 1000, 1000], "target_image": 1}),
    ("rotate", {"angle": 90}),
    ("crop", {"bbox_2d": [0, 0, 1, 1]}),  # too small: the tool answers in words
    ("crop", {"target_image": 9}),
    ("measure", {"points": [[0, 0], [500, 500]]}),
    ("fly", {}),
)
words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" \n"), max_size=30)
"""Thoughts in any script; what could be a tag or a control token has no place in a trace."""
plain = words.map(lambda text: re.sub(r"[<>|]", "", text).strip())


@st.composite
def attempts(draw: st.DrawFn, answer: str) -> list[dict[str, Any]]:
    """An attempt as steps without observations."""
    steps: list[dict[str, Any]] = []
    for name, arguments in draw(st.lists(st.sampled_from(CALLS), max_size=3)):
        steps += [step("thought", text) for text in draw(st.lists(plain, max_size=2)) if text]
        steps.append(step("action", None, name, arguments))
    steps += [step("thought", text) for text in draw(st.lists(plain, max_size=2)) if text]
    return [*steps, step("answer", answer)]


def observed(row: dict[str, Any], room: Classroom, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps with what the tools really answer, pictures and sentences."""
    shown = Shown.of([room.load(name) for name in row["image_ids"]])
    whole = []
    for item in steps:
        whole.append(item)
        if item["kind"] == "action":
            seen = again(shown, item)
            shown = shown.plus(seen)
            whole.append(observation(None if seen.image is None else picture_id(seen.image), seen.text))
    return whole


Encode = Callable[..., tuple[Encoded, str]]


@pytest.fixture(scope="module")
def encode(policy: Path, room: Classroom) -> Encode:
    """Encodes a lesson; returns it with the text of the tokens that carry loss."""
    _, processor = load(policy)

    def encoded(row: dict[str, Any], wrong: Any = "masked") -> tuple[Encoded, str]:
        found = Encoder(processor, Album(room.load, [row])).encode(taught(row, wrong=wrong), opened=False)
        told = [label for label in found.labels if label != IGNORED]
        assert processor.image_token_id not in told
        return found, str(processor.tokenizer.decode(told))

    return encoded


def said(steps: list[dict[str, Any]]) -> list[str]:
    """The assistant's turns of a trace, by a cut at its observations."""
    turns: list[list[dict[str, Any]]] = [[]]
    for item in steps:
        if item["kind"] == "observation":
            turns.append([])
        else:
            turns[-1].append(item)
    return [assistant_text(turn) for turn in turns]


@settings(max_examples=60, deadline=None)
@given(steps=attempts("red"), place=st.integers(0, 11))
def test_sft_learns_the_assistants_words_and_their_ends_and_nothing_else(
    encode: Encode, room: Classroom, steps: list[dict[str, Any]], place: int
) -> None:
    row = {**room.lessons[place], "wrong_steps": None}
    row["steps"] = observed(row, room, steps)
    _, told = encode(row)
    assert told == "".join(turn + END for turn in said(row["steps"]))


@settings(max_examples=60, deadline=None)
@given(
    wrong=attempts("blue"),
    right=attempts("red"),
    alike=st.booleans(),
    place=st.integers(0, 11),
    seed=st.integers(0, 99),
)
def test_of_a_reflection_sft_learns_what_is_not_the_wrong_attempts_alone_or_all_by_a_stated_parameter(
    encode: Encode,
    room: Classroom,
    wrong: list[dict[str, Any]],
    right: list[dict[str, Any]],
    alike: bool,
    place: int,
    seed: int,
) -> None:
    """`alike`: both attempts have begun with the same call, as in backtracking."""
    row = dict(room.lessons[place])
    begun = [step("thought", "turned"), step("action", None, "rotate", {"angle": 180})] if alike else []
    shared = observed(row, room, begun)
    astray = observed(row, room, [*begun, *wrong])[len(shared) :]
    made = reflect(astray, "blue", right, len(row["image_ids"]), seed, shared)
    row |= {"steps": observed(row, room, [s for s in made.steps if s["kind"] != "observation"])}
    row |= {"wrong_steps": made.wrong_steps, "shared_steps": made.shared_steps}
    assert row["steps"][: made.wrong_steps] == list(made.steps[: made.wrong_steps])
    masked, told = encode(row)
    everything, all_told = encode(row, "taught")
    assert all_told == "".join(turn + END for turn in said(row["steps"]))
    learned = said(shared)[:-1] + said(row["steps"][made.wrong_steps :])
    assert told == "".join(turn + END for turn in learned)
    assert masked.ids == everything.ids and masked.turns == everything.turns  # masking changes no token


def test_grpo_trains_on_what_the_policy_said_and_on_no_token_of_an_observation(
    policy: Path, room: Classroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rollouts of random turns go through TRL's own tool loop and our tools; only their words are drawn by us."""
    draw = random.Random(5)
    _, processor = load(policy)
    tokenizer = processor.tokenizer
    spoken: dict[str, list[int]] = {}

    def turn(name: str) -> list[int]:
        """The next turn of a rollout: a call, an answer, or words cut off in the middle."""
        text = f"{name} " + draw.choice(["I look.", "größer; 21", "so\nit is"])
        ends = draw.random()
        if ends < 0.6:
            text += "\n" + assistant_text([step("action", None, *draw.choice(CALLS))])
        elif ends < 0.9:
            text += "\n<answer>red</answer>"
        ids = list(tokenizer(text, add_special_tokens=False).input_ids)
        ids += [tokenizer.eos_token_id] if ends < 0.95 else []
        spoken[name] = spoken.get(name, []) + ids
        return ids

    def generate(self: Any, prompt_ids: list[list[int]], *_: Any, **__: Any) -> tuple[list[list[int]], None]:
        names = []
        for ids in prompt_ids:
            known = re.search(r"\brollout\d+\b", tokenizer.decode(ids))
            names.append(known.group() if known else f"rollout{len(spoken) + len(names)}")
        return [turn(name) for name in names], None

    scored = GroupTrainer._generate_and_score_completions
    seen: list[str] = []

    def check(self: Any, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        batch = scored(self, inputs)
        rows = zip(batch["completion_ids"], batch["completion_mask"].bool(), batch["tool_mask"].bool(), strict=True)
        for ids, real, own in rows:
            told = tokenizer.decode(ids[real & own])
            name = re.match(r"rollout\d+", told).group()  # type: ignore[union-attr]  # it is there
            assert ids[real & own].tolist() == spoken[name]
            read = tokenizer.decode(ids[real & ~own])
            assert re.fullmatch(r"(\s*<\|im_start\|>user\n<tool_response>.*?<\|im_start\|>assistant\n)*", read, re.S)
            assert told.count("<tool_call>") <= read.count("<tool_response>") + 1  # the last one has no turn left
            seen.append(read)
        return batch

    monkeypatch.setattr(GroupTrainer, "_generate_single_turn", generate)
    monkeypatch.setattr(GroupTrainer, "_generate_and_score_completions", check)
    p = Parameters(steps=2, prompts=2, generations=8, max_completion=900, max_turns=4)
    asked = [{**sample, "tools_help": True} for sample in room.samples[-4:]]
    train_grpo(asked, policy, tmp_path / "policy", p, room.load, tmp_path / "scratch")
    assert len(seen) == 32
    assert any("<|image_pad|>" in read for read in seen) and any("takes" in read or "needs" in read for read in seen)
