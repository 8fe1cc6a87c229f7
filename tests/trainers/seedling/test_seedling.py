"""The seedling's laws. Its accuracy is in its table, never in a test."""

from __future__ import annotations

import dataclasses
import json
import random
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, Qwen3VLForConditionalGeneration
from trl.chat_template_utils import (
    is_chat_template_prefix_preserving,
    is_chat_template_stop_token_trained,
    supports_tool_calling,
)

from pipelines.tasks import FAMILIES
from pipelines.tools.environment import State
from trainers.seedling import WEIGHTS, batch, corpus, evaluate, model, recipes, train

SQUARE = Image.new("RGB", (112, 112), (200, 30, 30))


@pytest.fixture(scope="module")
def processor() -> Any:
    return AutoProcessor.from_pretrained(WEIGHTS)


@pytest.fixture
def tiny(processor: Any) -> Qwen3VLForConditionalGeneration:
    torch.set_num_threads(1)
    size = model.Size(width=32, text_layers=2, text_mlp=64, vision_layers=2, vision_mlp=64, heads=2)
    return model.build(processor.tokenizer, size, seed=0)


def noise(*shape: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), dtype=np.uint8))


def collated(processor: Any, made: list[Any]) -> dict[str, torch.Tensor]:
    tokenizer = processor.tokenizer
    rows = [batch.encode(tokenizer, *corpus.trace(item)) for item in made]
    return batch.collate(rows, tokenizer.pad_token_id, processor.image_token_id)


def test_loads_unchanged_and_stays_small() -> None:
    network = AutoModelForImageTextToText.from_pretrained(WEIGHTS, dtype=torch.float32)
    assert type(network) is Qwen3VLForConditionalGeneration
    assert next(network.parameters()).dtype == torch.float32
    assert model.parameters(network) <= 3_000_000
    assert sum(file.stat().st_size for file in WEIGHTS.glob("*.safetensors")) <= 6_000_000
    assert not list(WEIGHTS.glob("*.py"))


def test_whatever_it_may_meet_fits_its_context(processor: Any) -> None:
    config = json.loads((WEIGHTS / "config.json").read_text())
    limit = config["text_config"]["max_position_embeddings"]
    assert limit >= 2048
    assert processor.tokenizer.model_max_length == limit
    for name, family in FAMILIES.items():
        for dial in range(len(family.DIALS)):
            example = batch.encode(processor.tokenizer, *corpus.trace(family.make(7, dial)))
            assert len(example.ids) < (limit / 4 if name in corpus.TAUGHT else limit)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_round_trips(processor: Any, text: str) -> None:
    ids = processor.tokenizer(text, add_special_tokens=False).input_ids
    assert processor.tokenizer.decode(ids, skip_special_tokens=False) == unicodedata.normalize("NFC", text)


def test_markers_are_single_tokens_and_tags_survive_decoding(processor: Any) -> None:
    tokenizer = processor.tokenizer
    for marker in (*tokenizer.all_special_tokens, "<tool_call>", "</tool_response>", "<answer>", "</think>"):
        assert len(tokenizer(marker, add_special_tokens=False).input_ids) == 1
    ids = tokenizer("a <answer>3</answer><|im_end|>").input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a <answer>3</answer>"


def test_a_longer_conversation_begins_with_a_shorter_one(processor: Any) -> None:
    picture = {"type": "image"}
    call = '<tool_call>\n{"name": "crop", "arguments": {"bbox_2d": [0, 0, 500, 500]}}\n</tool_call>'
    turns = [
        {"role": "user", "content": [picture, picture, {"type": "text", "text": "What mark?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": f"look.\n{call}"}]},
        {"role": "tool", "content": [picture]},
        {"role": "assistant", "content": [{"type": "text", "text": call}]},
        {"role": "tool", "content": [{"type": "text", "text": "bbox_2d is empty."}]},
        {"role": "assistant", "content": [{"type": "text", "text": "circle.\n<answer>circle</answer>"}]},
    ]
    whole = processor.apply_chat_template(turns, tokenize=False)
    for end in range(1, len(turns)):
        ask = turns[end]["role"] == "assistant"
        shorter = processor.apply_chat_template(turns[:end], tokenize=False, add_generation_prompt=ask)
        assert whole.startswith(shorter)
    assert whole.count("<|image_pad|>") == 3
    assert "# Tools" not in processor.apply_chat_template(turns, tools=[{"name": "crop"}], tokenize=False)


def test_trl_accepts_the_template(processor: Any) -> None:
    assert is_chat_template_prefix_preserving(processor)
    assert is_chat_template_stop_token_trained(processor)
    assert supports_tool_calling(processor)


@pytest.mark.parametrize("shape", [(112, 112), (448, 448), (60, 60), (60, 200), (33, 20), (224, 224)])
def test_patches_equal_the_image_processors(processor: Any, shape: tuple[int, int]) -> None:
    pictures = [noise(*shape), SQUARE]
    expected = processor.image_processor(pictures, return_tensors="pt")
    values, grid = batch.pixel_values([batch.patchify(picture) for picture in pictures])
    assert torch.allclose(values, expected["pixel_values"], atol=1e-6)
    assert grid.tolist() == expected["image_grid_thw"].tolist()


def test_tokens_and_labels_equal_the_processors(processor: Any) -> None:
    messages, pictures = corpus.trace(FAMILIES["search"].make(3, 2))
    example = batch.encode(processor.tokenizer, messages, pictures)
    shown = iter(pictures)
    for message in messages:
        for part in message["content"]:
            if part["type"] == "image":
                part["image"] = next(shown)
    expected = processor.apply_chat_template(
        messages, tokenize=True, return_dict=True, return_tensors="pt", return_assistant_tokens_mask=True
    )
    assert list(example.ids) == expected["input_ids"][0].tolist()
    assert [label != batch.IGNORED for label in example.labels] == expected["assistant_masks"][0].bool().tolist()
    with pytest.raises(ValueError, match="pictures"):
        batch.encode(processor.tokenizer, messages, [*pictures, SQUARE])


def test_the_quick_path_computes_the_same(processor: Any, tiny: Qwen3VLForConditionalGeneration) -> None:
    inputs = collated(processor, [FAMILIES["search"].make(seed, 0) for seed in range(2)])
    stock = tiny(**inputs).loss.item()
    labelled = int((inputs["labels"][:, 1:] >= 0).sum())
    pictures = {name: inputs[name] for name in ("pixel_values", "image_grid_thw")}
    values, grid = batch.pixel_values([batch.patchify(noise(60, 200)), batch.patchify(SQUARE)])
    uneven = {"pixel_values": values, "image_grid_thw": grid}
    expected = [torch.cat(tiny.model.get_image_features(**seen).pooler_output) for seen in (pictures, uneven)]
    model.quicken(tiny)
    assert batch.summed_loss(tiny, inputs).item() / labelled == pytest.approx(stock, rel=1e-4)
    for seen, features in zip((pictures, uneven), expected, strict=True):
        assert torch.allclose(torch.cat(tiny.model.get_image_features(**seen).pooler_output), features, atol=1e-5)


def test_one_step_lowers_the_loss(processor: Any, tiny: Qwen3VLForConditionalGeneration) -> None:
    inputs = collated(processor, [FAMILIES["counting"].make(seed, 0) for seed in range(4)])
    optimiser = torch.optim.AdamW(tiny.parameters(), lr=1e-3)
    before = batch.summed_loss(tiny, inputs)
    before.backward()
    optimiser.step()
    assert batch.summed_loss(tiny, inputs).item() < before.item()


def test_rows_depend_on_seed_and_index_alone() -> None:
    first, again = (corpus.draw(recipes.DIET, 20, 5) for _ in range(2))
    assert first == again
    assert first != corpus.draw(recipes.DIET, 21, 5)


def test_what_follows_from_a_list_weighs_more(processor: Any) -> None:
    tokenizer = processor.tokenizer
    rows = [
        batch.encode(tokenizer, *corpus.trace(FAMILIES["search"].make(5, 0))),
        batch.encode(tokenizer, *corpus.described(FAMILIES["counting"].make(5, 0), random.Random(0))),
    ]
    told = [
        tokenizer.decode([token for token, follows in zip(row.ids, row.follows, strict=True) if follows])
        for row in rows
    ]
    listing = FAMILIES["search"].make(5, 0).steps[0].text.rpartition(";")
    assert told[0].startswith(listing[2])
    assert listing[0] not in told[0]
    assert told[1] == ""
    weights = batch.collate(rows, tokenizer.pad_token_id, processor.image_token_id, emphasis=6.0)["weights"]
    assert set(weights.unique().tolist()) == {0.0, 1.0, 6.0}
    assert int((weights == 6.0).sum()) == sum(map(sum, (row.follows for row in rows)))


def test_a_list_that_nobody_sees_is_given_not_learned(processor: Any) -> None:
    made = FAMILIES["search"].make(5, 0)
    row = batch.encode(processor.tokenizer, *corpus.listed(made))
    assert row.pictures == ()
    assert [label != batch.IGNORED for label in row.labels] == list(row.follows)
    only_text = batch.collate([row], processor.tokenizer.pad_token_id, processor.image_token_id)
    assert "pixel_values" not in only_text
    assert "crop" in processor.tokenizer.decode(row.ids)


def test_phases_follow_each_other() -> None:
    recipe = recipes.RECIPES["crumb"]
    assert [recipe.phase(step).emphasis for step in (0, 9, 10, 19)] == [1.0, 1.0, 6.0, 6.0]
    with pytest.raises(IndexError):
        recipe.phase(recipe.steps)


def test_the_rate_rises_rests_and_ends_near_zero() -> None:
    recipe = recipes.RECIPES["cpu"]
    shares = [train.share(recipe, step) for step in range(recipe.steps)]
    assert shares[0] == 1 / recipe.warmup
    assert max(shares) == 1.0
    assert 0 < shares[-1] < 1e-2


def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = model.Size(width=32, text_layers=2, text_mlp=64, vision_layers=2, vision_mlp=64, heads=2)
    phases = (recipes.Phase(1, recipes.DIET, 1.0), recipes.Phase(2, recipes.THEN, 6.0))
    recipe = dataclasses.replace(recipes.RECIPES["crumb"], phases=phases, batch=4, vocabulary=300, size=size)
    texts, update = corpus.texts, train.update
    monkeypatch.setattr(corpus, "texts", lambda count: texts(2))
    monkeypatch.setattr(train, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(train, "SHOW_EVERY", 1)
    whole = train.train(recipe, tmp_path / "whole")
    done: list[int] = []

    def interrupted(*arguments: Any) -> float:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return update(*arguments)

    monkeypatch.setattr(train, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.train(recipe, tmp_path / "cut")
    monkeypatch.setattr(train, "update", update)
    cut = train.train(recipe, tmp_path / "cut")
    assert [row["step"] for row in cut] == [1, 2, 3]
    assert cut[-1]["loss"] == pytest.approx(whole[-1]["loss"], rel=1e-4)


def test_the_table_counts_answers_and_calls() -> None:
    made = FAMILIES["search"].make(1, 0)
    attempt = evaluate.Attempt(made, State.of(made.images))
    attempt.hear('look.\n<tool_call>\n{"name": "crop", "arguments": {"bbox_2d": [0, 0, 500, 500]}}\n</tool_call>')
    attempt.hear('<tool_call>\n{"name": "crop", "arguments": {"bbox_2d": [9, 9]}}\n</tool_call>')
    attempt.hear(f"it is.\n<answer>{made.answer}</answer>")
    assert (attempt.done, attempt.calls, attempt.valid, len(attempt.state.shown.images)) == (True, 2, 1, 2)
    assert evaluate.correct(attempt)


def test_a_blind_guess_is_the_most_frequent_answer_of_each_kind_of_question() -> None:
    made = [FAMILIES["stilllife"].make(seed, 1) for seed in range(40)]
    by_hand = 0
    for relation in {item.relation for item in made}:
        said = [item.answer for item in made if item.relation == relation]
        by_hand += max(said.count(answer) for answer in said)
    assert evaluate.blind(made) == by_hand / 40
    assert {cell.split("/")[0] for cell in evaluate.CELLS} == FAMILIES.keys()
