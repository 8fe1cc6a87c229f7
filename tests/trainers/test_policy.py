"""The trainers as stages: SFT from a folder, GRPO from that SFT, evaluation of what came out, all through a lake."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipelines.lake import Lake
from pipelines.runner import run_stage
from pipelines.stage import StageCall, WorkerSpec
from pipelines.workers import WorkerSpec as Address
from pipelines.workers import connect, identity_of
from pipelines.workers.identity import weights_hash
from tests.pipelines.jobs import given, rows, run
from tests.trainers.conftest import Classroom
from tests.trainers.test_dataset import curated
from trainers import evaluate, grpo, sft
from trainers.policy import POLICY, Trained
from trainers.rewards import REWARDS


def test_one_policy_after_the_other(room: Classroom, policy: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    chosen = curated(room, split="sft", order=[0, 1, 6, 7]) + curated(room, split="rl", order=[8, 2, 3, 9])
    banks = [{"bank": "hold", "role": "evaluation", **sample} for sample in (room.samples[4], room.samples[10])]
    aims = [{"bank": "aim", "role": "influence", **room.samples[5]}]
    data = given(
        lake, *room.pictures.values(), samples=room.samples, traces=room.traces, curated=chosen, banks=banks + aims
    )

    taught = run(lake, sft.stage(policy), sft.Parameters(base="tiny", steps=2, batch=4), data)
    (first,) = rows(lake, taught, "policies")
    assert (first["policy"], first["parent"], first["arm"], first["rows"]) == (taught.key, "tiny", "curated", 4)
    assert len(json.loads(first["curve"])) == first["steps"] == 2
    assert first["weights"] == weights_hash(lake.root / first["path"])

    p = grpo.Parameters(steps=2, prompts=2, generations=2, max_completion=24)
    tuned = run(lake, grpo.STAGE, p, data, taught.key)
    (second,) = rows(lake, tuned, "policies")
    assert (second["policy"], second["parent"], second["trainer"]) == (tuned.key, taught.key, "grpo")
    paid = rows(lake, tuned, "rewards")
    assert len(paid) == 2 * 4 * len(REWARDS) and {row["policy"] for row in paid} == {tuned.key}
    assert [row["sample_id"] for row in paid[:: 2 * len(REWARDS)]] == [each["sample_id"] for each in chosen[4:]]
    assert sorted(path.name for path in lake.artifact(tuned.key).iterdir()) == ["completions", POLICY]

    address = Address(f"local:{lake.root / second['path']}")
    worker = WorkerSpec(identity_of(address), partial(connect, address))
    asked = evaluate.Parameters(arm="grpo", max_tokens=12)
    evaluated = run_stage(lake, StageCall(evaluate.STAGE, asked, (data,), worker))
    found = rows(lake, evaluated, "evals")
    assert {(row["bank"], row["sample_id"], row["arm"]) for row in found} == {
        ("hold", sample["sample_id"], "grpo") for sample in (room.samples[4], room.samples[10])
    }
    rollouts = {row["rollout_id"]: row for row in rows(lake, evaluated, "rollouts")}
    assert {row["rollout_id"] for row in found} == rollouts.keys()
    assert {json.loads(row["sampling"])["temperature"] for row in rollouts.values()} == {0}


def test_no_step_hands_the_policy_on_to_reinforcement_as_it_is(room: Classroom, policy: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    practised = curated(room, split="rl", order=[8, 2])
    data = given(lake, *room.pictures.values(), samples=room.samples, traces=room.traces, curated=practised)
    handed = run(lake, sft.stage(policy), sft.Parameters(base="tiny", steps=0), data)
    (row,) = rows(lake, handed, "policies")
    assert (row["steps"], row["rows"], row["first_loss"], row["curve"]) == (0, 0, None, "[]")
    before, after = (load_file(folder / "model.safetensors") for folder in (policy, lake.root / row["path"]))
    assert before.keys() == after.keys()
    assert all(torch.equal(value.float(), after[name]) for name, value in before.items())
    p = grpo.Parameters(steps=1, prompts=2, generations=2, max_completion=8)
    assert rows(lake, run(lake, grpo.STAGE, p, data, handed.key), "policies")[0]["parent"] == handed.key


def test_a_training_starts_from_exactly_one_policy(room: Classroom, policy: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    data = given(lake, samples=room.samples, traces=room.traces, curated=curated(room, split="sft", order=[0, 1]))
    with pytest.raises(ValueError, match="starts from one policy, and 0 are given"):
        run(lake, sft.STAGE, sft.Parameters(), data)


def test_losses_are_means_over_a_twentieth() -> None:
    curve = [{"step": step, "loss": float(step)} for step in range(1, 41)]
    trained = Trained(Path(), "", 40, 1, curve, {})
    assert (trained.first_loss, trained.last_loss) == (1.5, 39.5)


def test_a_training_says_how_far_it_is(
    room: Classroom, policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("trainers.policy.TOLD_EVERY_S", 0.0)
    p = sft.Parameters(steps=2, batch=4)
    with caplog.at_level("INFO", logger="trainers.policy"):
        sft.train_sft(room.lessons, policy, tmp_path / "policy", p, room.load, tmp_path / "scratch")
    assert [line.split(",")[0] for line in caplog.messages] == ["sft: step 1 of 2", "sft: step 2 of 2"]
