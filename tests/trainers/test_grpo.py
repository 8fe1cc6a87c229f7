from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from trl import GRPOTrainer

from tests.trainers.conftest import Classroom, classroom, save_policy
from trainers.dataset import NothingToLearn
from trainers.grpo import Parameters, train_grpo
from trainers.grpo_trainer import GroupTrainer, conversation_text
from trainers.images_matter import PicturesIgnored
from trainers.policy import Trained
from trainers.rewards import REWARDS
from trainers.sft import Parameters as SftParameters
from trainers.sft import train_sft

P = Parameters(steps=2, prompts=2, generations=4, max_completion=240, temperature=0.3, learning_rate=1e-3)


def practise(room: Classroom, start: Path, out: Path) -> tuple[Trained, list[dict[str, Any]]]:
    questions = [{**sample, "tools_help": True} for sample in room.samples]
    return train_grpo(questions, start, out / "policy", P, room.load, out / "scratch")


@pytest.fixture(scope="module")
def pupil(tmp_path_factory: pytest.TempPathFactory) -> tuple[Classroom, Path]:
    """A policy that has learned four searches by heart, so that it calls tools."""
    room, folder = classroom({"search": 4}), tmp_path_factory.mktemp("pupil")
    p = SftParameters(steps=80, batch=4, learning_rate=4e-3)
    save_policy(folder / "base", room)
    train_sft(room.lessons, folder / "base", folder / "sft", p, room.load, folder / "scratch")
    return room, folder / "sft"


def test_two_steps_with_tools_in_the_loop(pupil: tuple[Classroom, Path], tmp_path: Path) -> None:
    room, start = pupil
    trained, rewards = practise(room, start, tmp_path)
    again, repeated = practise(room, start, tmp_path / "again")
    assert trained.weights == again.weights and rewards == repeated

    assert len(rewards) == 2 * 8 * len(REWARDS)
    asked = [sample["sample_id"] for sample in room.samples]
    groups: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rewards:
        groups[row["step"], row["sample_id"]].append(row)
    # Four completions of each question, two questions a step, in curated order.
    assert {key: len(rows) for key, rows in groups.items()} == {
        (step, sample): 4 * len(REWARDS) for step in (1, 2) for sample in asked[2 * step - 2 : 2 * step]
    }
    for rows in groups.values():
        paid: dict[int, float] = defaultdict(float)
        for row in rows:
            paid[row["position"]] += row["value"]
        mean = sum(paid.values()) / len(paid)
        for row in rows:  # Dr. GRPO: the advantage is the distance from the group's mean, not divided by its spread
            assert row["advantage"] == pytest.approx(paid[row["position"]] - mean, abs=1e-5)

    conversations = [json.loads(row["completion"]) for row in rewards]
    seen = [part for turns in conversations for turn in turns if turn["role"] == "tool" for part in turn["content"]]
    assert {"type": "image"} in seen
    assert trained.image_effect["change"] > trained.image_effect["noise"]
    logged = pq.read_table(tmp_path / "scratch" / "completions" / "completions_00002.parquet")
    assert {"step", "prompt", "completion", "sample_id", "advantage", *REWARDS} <= set(logged.column_names)
    assert {entry["tools/call_frequency"] > 0 for entry in trained.curve} == {True}


def test_each_rollout_is_trained_on_its_own_pictures(
    pupil: tuple[Classroom, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of padded rollouts gives each token the log-probability that it has alone, with its own pictures."""
    room, start = pupil
    draw = GroupTrainer._generate_and_score_completions
    compared: list[int] = []

    def compare(self: Any, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        batch = draw(self, inputs)
        (answered,) = self._sync_tool_dicts[0]["zooom"](x=1)
        assert answered["text"] == "There is no tool 'zooom'; did you mean zoom?", "not TRL's own words"
        trained = batch["completion_mask"] * batch["tool_mask"]
        together = torch.split(self._spoken(batch), trained.sum(dim=1).tolist())
        for row, environment in enumerate(self.environments):
            prompt = batch["prompt_ids"][row][batch["prompt_mask"][row].bool()]
            said = batch["completion_ids"][row][batch["completion_mask"][row].bool()]
            ids = torch.cat([prompt, said])[None]
            pictures = list(environment._environment._open[environment._trajectory].state.shown.images)
            pixels = self.processing_class.image_processor(images=pictures, return_tensors="pt")
            is_picture = (ids == self.processing_class.image_token_id).long()
            with torch.no_grad():
                logits = self.model(input_ids=ids, mm_token_type_ids=is_picture, **pixels).logits[0] / self.temperature
            alone = logits.log_softmax(-1)[len(prompt) - 1 : -1].gather(1, said[:, None])[:, 0]
            kept = trained[row][: len(said)].bool()
            torch.testing.assert_close(together[row], alone[kept], atol=1e-4, rtol=1e-4)
            compared.append(len(pictures))
        return batch

    monkeypatch.setattr(GroupTrainer, "_generate_and_score_completions", compare)
    questions = [{**sample, "tools_help": True} for sample in room.samples]
    p = P.model_copy(update={"steps": 1})
    train_grpo(questions, start, tmp_path / "policy", p, room.load, tmp_path / "scratch")
    assert len(compared) == 8 and max(compared) == 2


def test_pictures_that_trl_drops_stop_the_training(
    pupil: tuple[Classroom, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRL trains a batch without pixels when its picture tokens do not add up; we do not."""
    room, start = pupil
    drawn = GRPOTrainer._generate_and_score_completions

    def drop(self: Any, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        return {name: value for name, value in drawn(self, inputs).items() if name != "pixel_values"}

    monkeypatch.setattr(GRPOTrainer, "_generate_and_score_completions", drop)
    questions = [{**sample, "tools_help": True} for sample in room.samples]
    with pytest.raises(PicturesIgnored, match="step 1: the trainer dropped the pictures"):
        train_grpo(questions, start, tmp_path / "policy", P, room.load, tmp_path / "scratch")


def test_too_few_questions_are_refused(room: Classroom, policy: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingToLearn, match="1 questions are fewer than the 4"):
        train_grpo([{}], policy, tmp_path, Parameters(), room.load, tmp_path)


def test_logged_text_holds_no_pixels() -> None:
    text = conversation_text([{"role": "tool", "content": [{"type": "image", "image": object()}]}])
    assert json.loads(text) == [{"role": "tool", "content": [{"type": "image"}]}]


def test_unknown_rewards_are_named() -> None:
    with pytest.raises(ValueError, match="'speed' is no reward; there are accuracy"):
        Parameters(rewards=("accuracy", "speed"))
