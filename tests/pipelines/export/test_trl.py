"""TRL's own data path over exports: its collator and trainers see the tokens and pixels that our own encoding gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.export.write import Choice, export
from pipelines.lake import Lake
from pipelines.lake.runs import Run
from pipelines.prompts import conversation
from schemas.messages import Message, Text
from tests.pipelines.export.lakes import Given, file_bytes, given, lake_of, seeded, traced

WEIGHTS = Path(__file__).resolve().parents[3] / "trainers" / "seedling" / "weights"


@pytest.fixture(scope="module")
def rows() -> list[Given]:
    more = [
        given((file_bytes(60 + number, "PNG"),), f"Number {number}?", number, answer_type="integer", split="rl")
        for number in range(3)
    ]
    return [*seeded(), *more, traced()]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, rows: list[Given]) -> tuple[Lake, Run]:
    return lake_of(tmp_path_factory.mktemp("lake"), rows)


@pytest.fixture(scope="module")
def processor() -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(WEIGHTS)


def loaded(out: Path, split: str) -> Any:
    from datasets import load_dataset

    return load_dataset(str(out), split=split, cache_dir=str(out.parent / "cache"))


def encoder(processor: Any, lake: Lake, rows: list[Given]) -> Any:
    from pipelines.workers.encoding import Encoder
    from trainers.dataset import Album

    lessons = [{**each.sample, **(each.trace or {"steps": []})} for each in rows]
    return Encoder(processor, Album(lake.image, lessons))


def test_the_sft_collator_gives_our_tokens_and_pixels(
    stored: tuple[Lake, Run], rows: list[Given], processor: Any, tmp_path: Path
) -> None:
    import torch
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    export(*stored, Choice("trl-sft", split="all"), tmp_path / "out")
    ours = encoder(processor, stored[0], rows)
    by_id = {each.sample["sample_id"]: each for each in rows}
    collate = DataCollatorForVisionLanguageModeling(processor)
    seen = 0
    for split in ("sft", "rl"):
        for row in loaded(tmp_path / "out", split):
            each = by_id[row["sample_id"]]
            if each.trace is None:
                continue
            inputs = collate([row])
            wanted = ours.encode(conversation(each.sample, each.trace["steps"]), opened=False)
            assert len(wanted.pictures) == 2  # the sample's, and the tool's in its own turn
            assert inputs["input_ids"][0, : len(wanted.ids)].tolist() == list(wanted.ids)
            pixels = torch.cat([ours.picture(name)["pixel_values"] for name in wanted.pictures])
            assert torch.equal(inputs["pixel_values"], pixels)
            seen += 1
    assert seen == 1


def test_grpo_prompts_are_ours_and_rewards_know_the_answer(
    stored: tuple[Lake, Run], rows: list[Given], processor: Any, tmp_path: Path
) -> None:
    from trl.data_utils import prepare_multimodal_messages

    from trainers.rewards import REWARDS

    export(*stored, Choice("trl-grpo"), tmp_path / "out")
    ours = encoder(processor, stored[0], rows)
    by_id = {each.sample["sample_id"]: each.sample for each in rows}
    found = list(loaded(tmp_path / "out", "rl"))
    assert len(found) == sum(each.split == "rl" for each in rows)
    for row in found:
        sample = by_id[row["sample_id"]]
        messages = prepare_multimodal_messages(row["prompt"], images=row["images"])
        inputs = processor.apply_chat_template(
            [messages], tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True
        )
        assert inputs["input_ids"][0].tolist() == list(ours.encode(conversation(sample), opened=True).ids)
        columns = {name: [row[name]] for name in ("answer", "answer_type", "verifier", "options", "tools_help")}
        gold, wrong = (
            [[{"role": "assistant", "content": f"<answer>{said}</answer>"}]]
            for said in (row["solution"], "no such thing")
        )
        assert REWARDS["accuracy"](completions=gold, **columns) == [1.0]
        assert REWARDS["accuracy"](completions=wrong, **columns) != [1.0]


def test_the_dpo_collator_sees_one_question_and_both_answers(
    stored: tuple[Lake, Run], rows: list[Given], processor: Any, tmp_path: Path
) -> None:
    import torch
    from trl.trainer.dpo_trainer import DataCollatorForVisionPreference

    export(*stored, Choice("trl-dpo"), tmp_path / "out")
    ours = encoder(processor, stored[0], rows)
    by_id = {each.sample["sample_id"]: each.sample for each in rows}
    collate = DataCollatorForVisionPreference(processor)
    found = list(loaded(tmp_path / "out", "rl"))
    assert len(found) == sum(each.split == "rl" for each in rows)
    for row in found:
        sample = by_id[row["sample_id"]]
        answers = [row[name][0]["content"][0]["text"] for name in ("chosen", "rejected")]
        inputs = collate([row])
        for place, text in enumerate(answers):
            wanted = ours.encode((*conversation(sample), Message("assistant", (Text(text),))), opened=False)
            mask = inputs["attention_mask"][place].bool()
            assert inputs["input_ids"][place][mask].tolist()[: len(wanted.ids)] == list(wanted.ids)
        pixels = torch.cat([ours.picture(name)["pixel_values"] for name in sample["image_ids"]])
        assert torch.equal(inputs["pixel_values"], torch.cat([pixels, pixels]))


@pytest.mark.parametrize("kind", ["trl-sft", "trl-grpo", "trl-dpo"])
def test_a_step_of_the_trainer(kind: str, stored: tuple[Lake, Run], tmp_path: Path) -> None:
    """TRL's trainers, as anybody would configure them, over the folder alone."""
    import trl
    from transformers import AutoModelForImageTextToText, AutoProcessor

    export(*stored, Choice(kind), tmp_path / "out")
    common = {
        "output_dir": str(tmp_path / "trained"), "max_steps": 1, "use_cpu": True, "bf16": False, "report_to": "none",
        "gradient_checkpointing": False, "save_strategy": "no", "disable_tqdm": True, "logging_steps": 1,
    }  # fmt: skip
    parts = {
        "model": AutoModelForImageTextToText.from_pretrained(WEIGHTS),
        "processing_class": AutoProcessor.from_pretrained(WEIGHTS),
        "train_dataset": loaded(tmp_path / "out", "sft" if kind == "trl-sft" else "rl"),
    }
    if kind == "trl-sft":
        options = trl.SFTConfig(**common, per_device_train_batch_size=1, max_length=None)
        trainer = trl.SFTTrainer(args=options, **parts)
    elif kind == "trl-dpo":
        options = trl.DPOConfig(**common, per_device_train_batch_size=2, max_length=None)
        trainer = trl.DPOTrainer(args=options, **parts)
    else:
        from trainers.rewards import accuracy

        options = trl.GRPOConfig(
            **common, per_device_train_batch_size=2, num_generations=2, max_completion_length=4, beta=0.0
        )
        trainer = trl.GRPOTrainer(args=options, reward_funcs=[accuracy], **parts)
    trainer.train()
    (logged,) = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert json.dumps(logged["loss"]) not in ("NaN", "null")
