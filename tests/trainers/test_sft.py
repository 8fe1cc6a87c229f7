from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from tests.trainers.conftest import Classroom
from trainers.sft import Parameters, train_sft

P = Parameters(steps=3, batch=6, learning_rate=1e-3)


def test_three_steps_learn_repeatably_and_save_a_whole_policy(policy: Path, room: Classroom, tmp_path: Path) -> None:
    first = train_sft(room.lessons, policy, tmp_path / "a", P, room.load, tmp_path / "scratch")
    again = train_sft(room.lessons, policy, tmp_path / "b", P, room.load, tmp_path / "scratch2")
    assert first.weights == again.weights and list(first.curve) == list(again.curve)
    assert [entry["step"] for entry in first.curve] == [1, 2, 3]
    assert first.last_loss < first.first_loss
    assert first.image_effect["change"] > first.image_effect["noise"]
    before, after = load_file(policy / "model.safetensors"), load_file(tmp_path / "a" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(value.dtype == torch.float32 for value in after.values())
    assert any(not torch.equal(value.float(), after[name]) for name, value in before.items() if "visual" in name)
    assert {"config.json", "tokenizer.json", "chat_template.jinja"} <= {
        path.name for path in (tmp_path / "a").iterdir()
    }
