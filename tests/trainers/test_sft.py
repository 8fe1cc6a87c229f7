from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import TrainerCallback
from trl import SFTTrainer

from pipelines.workers.encoding import Encoder
from schemas.messages import pictures
from tests.trainers.conftest import Classroom
from trainers.dataset import Album, NothingToLearn, taught
from trainers.policy import load
from trainers.sft import Parameters, batches, train_sft

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


def test_a_killed_training_goes_on_from_its_checkpoint_to_the_same_weights(
    policy: Path, room: Classroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = P.model_copy(update={"steps": 5, "save_every": 2})
    whole = train_sft(room.lessons, policy, tmp_path / "whole", p, room.load, tmp_path / "scratch")

    class Killed(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            if state.global_step == 3:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("trainers.sft.narrate", lambda trainer, name: trainer.add_callback(Killed))
        train_sft(room.lessons, policy, tmp_path / "lost", p, room.load, tmp_path / "killed")
    (tmp_path / "killed" / "checkpoint-4").mkdir()  # one that was being written when the kill came
    steps: list[int] = []
    monkeypatch.setattr("trainers.sft.narrate", lambda trainer, name: trainer.add_callback(_Watch(steps)))
    again = train_sft(room.lessons, policy, tmp_path / "again", p, room.load, tmp_path / "killed")
    assert steps == [3, 4, 5]
    assert again.weights == whole.weights and list(again.curve) == list(whole.curve)


class _Watch(TrainerCallback):
    def __init__(self, steps: list[int]) -> None:
        self.steps = steps

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self.steps.append(state.global_step)


def test_loss_is_taken_on_what_the_assistant_says_and_on_nothing_else(policy: Path, room: Classroom) -> None:
    _, processor = load(policy)
    encoder = Encoder(processor, Album(room.load, room.lessons))
    row = room.lessons[-1]
    encoded = encoder.encode(taught(row), opened=False)
    told = processor.tokenizer.decode([label for label in encoded.labels if label != -100])
    turns = [message.text for message in taught(row) if message.role == "assistant"]
    assert told == "".join(f"{text}<|im_end|>" for text in turns)
    assert len(turns) == 2 and len(encoded.pictures) == 2


@given(
    st.lists(st.integers(1, 90), min_size=1, max_size=30),
    st.integers(1, 12),
    st.integers(2, 8),
    st.sampled_from(["shuffled", "curated"]),
)
def test_every_row_is_taught_equally_often(lengths: list[int], steps: int, batch: int, order: str) -> None:
    p = Parameters(steps=steps, batch=batch, parts=1, order=order)
    made = batches(lengths, p)
    assert made == batches(lengths, p) and [len(each) for each in made] == [batch] * steps
    for each in made:
        assert [lengths[row] for row in each] == sorted((lengths[row] for row in each), reverse=True)
    counts = [sum(each.count(row) for each in made) for row in range(len(lengths))]
    assert max(counts) - min(counts) <= 1
    if order == "curated":
        assert sorted(made[0]) == sorted(row % len(lengths) for row in range(batch))


def test_every_step_shows_every_row_its_pictures(
    policy: Path, room: Classroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row is left out, and each brings the pixels of all its pictures, a tool's included."""
    stock, shown = SFTTrainer.compute_loss, []

    def watch(self: Any, model: Any, inputs: Any, *rest: Any, **more: Any) -> Any:
        picture = self.processing_class.image_token_id
        places = (inputs["input_ids"] == picture).sum(dim=1) // 16
        grids = inputs["image_grid_thw"].prod(dim=1).tolist()
        assert len(grids) == places.sum() and len(inputs["pixel_values"]) == sum(grids)
        shown.extend(places.tolist())
        return stock(self, model, inputs, *rest, **more)

    monkeypatch.setattr(SFTTrainer, "compute_loss", watch)
    p = Parameters(steps=1, batch=12, parts=2)
    train_sft(room.lessons, policy, tmp_path / "out", p, room.load, tmp_path / "scratch")
    asked = [len(pictures(taught(row))) for row in room.lessons]
    assert sorted(shown) == sorted(asked) and set(asked) == {1, 2}


def test_a_picture_that_is_none_stops_the_training(policy: Path, room: Classroom, tmp_path: Path) -> None:
    (lost,) = room.lessons[2]["image_ids"]

    def load_image(image_id: str) -> Any:
        picture = room.load(image_id)
        return str(picture) if image_id == lost else picture  # as a table reader may return it

    with pytest.raises(Exception, match="'str' object"):
        train_sft(room.lessons, policy, tmp_path / "out", P, load_image, tmp_path / "scratch")
    assert not (tmp_path / "out").exists()


def test_impossible_wishes_are_refused(policy: Path, room: Classroom, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a batch of 6 cannot be cut into 4 equal parts"):
        train_sft(room.lessons, policy, tmp_path, Parameters(batch=6, parts=4), room.load, tmp_path)
    with pytest.raises(NothingToLearn, match="1 rows to learn from"):
        train_sft(room.lessons[:1], policy, tmp_path, Parameters(), room.load, tmp_path)
