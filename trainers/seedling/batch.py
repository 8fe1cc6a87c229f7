"""From conversations to tensors, quickly.

The training loop sees hundreds of thousands of pictures, so it keeps them as uint8 patches and does the rest of the
image processor's work on whole batches. Tests compare every step with the processor's own output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tv
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from trainers.seedling.model import MERGE, PATCH, PICTURE

IGNORED = -100


@dataclass(frozen=True)
class Patches:
    """One picture as the processor sees it: uint8 [patches, 3·14·14] in merge order; `grid` is rows, columns."""

    values: np.ndarray[Any, np.dtype[np.uint8]]
    grid: tuple[int, int]


@dataclass(frozen=True)
class Example:
    """A conversation ready to batch. `labels` is −100 wherever no loss is taken; `follows` marks the tokens
    that follow from a list rather than make it up."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    follows: tuple[bool, ...]
    pictures: tuple[Patches, ...]


def patchify(picture: Image.Image) -> Patches:
    """Resize as the image processor does (bicubic, antialiased, about 112²) and cut into patches."""
    pixels = torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1)
    height, width = smart_resize(*pixels.shape[1:], PATCH * MERGE, PICTURE**2, PICTURE**2)
    if (height, width) != tuple(pixels.shape[1:]):
        pixels = tv.resize(pixels, [height, width], interpolation=tv.InterpolationMode.BICUBIC, antialias=True)
    rows, columns = height // PATCH, width // PATCH
    cut = pixels.reshape(3, rows // MERGE, MERGE, PATCH, columns // MERGE, MERGE, PATCH).permute(1, 4, 2, 5, 0, 3, 6)
    return Patches(cut.reshape(rows * columns, -1).numpy(), (rows, columns))


def pixel_values(pictures: Sequence[Patches]) -> tuple[torch.Tensor, torch.Tensor]:
    """The processor's `pixel_values` (float32 [patches, 1176], its two frames alike) and `image_grid_thw`."""
    values = torch.from_numpy(np.concatenate([picture.values for picture in pictures])).float().div_(127.5).sub_(1.0)
    twice = values.view(-1, 3, 1, PATCH * PATCH).expand(-1, 3, 2, PATCH * PATCH).reshape(len(values), -1)
    return twice, torch.tensor([[1, *picture.grid] for picture in pictures])


def encode(tokenizer: Any, messages: Sequence[dict[str, Any]], pictures: Sequence[Image.Image]) -> Example:
    """Tokens of the rendered conversation; labels on what the assistant says, its end of turn included."""
    seen = tuple(patchify(picture) for picture in pictures)
    text = tokenizer.apply_chat_template(list(messages), tokenize=False)
    pad, start, end = tokenizer.convert_tokens_to_ids(["<|image_pad|>", "<|im_start|>", "<|im_end|>"])
    speaker = tokenizer("assistant\n", add_special_tokens=False).input_ids
    ids: list[int] = []
    labels: list[int] = []
    waiting = list(seen)
    speaking = False
    for token in tokenizer(text, add_special_tokens=False).input_ids:
        if token == pad:
            rows, columns = waiting.pop(0).grid
            ids += [pad] * (rows * columns // MERGE**2)
            labels += [IGNORED] * (rows * columns // MERGE**2)
            continue
        ids.append(token)
        labels.append(token if speaking else IGNORED)
        if token == end:
            speaking = False
        elif ids[-1 - len(speaker) :] == [start, *speaker]:
            speaking = True
    if waiting:
        raise ValueError(f"the conversation shows {len(seen) - len(waiting)} pictures, {len(seen)} were given")
    follows = _follows(tokenizer, labels)
    if not seen:  # a list of what nobody can see is given, not learned
        labels = [label if after else IGNORED for label, after in zip(labels, follows, strict=True)]
    return Example(tuple(ids), tuple(labels), tuple(follows), seen)


def _follows(tokenizer: Any, labels: Sequence[int]) -> list[bool]:
    """What comes after the last semicolon of each turn that ends in a call or an answer."""
    tags = set(tokenizer.convert_tokens_to_ids(["<tool_call>", "<answer>"]))
    (semicolon,) = tokenizer(";", add_special_tokens=False).input_ids
    marks = [False] * len(labels)
    at = 0
    while at < len(labels):
        stop = at + 1
        if labels[at] != IGNORED:
            while stop < len(labels) and labels[stop] != IGNORED:
                stop += 1
            turn = labels[at:stop]
            if tags & set(turn):
                listed = max((place for place, token in enumerate(turn) if token == semicolon), default=-1)
                marks[at + listed + 1 : stop] = [True] * (len(turn) - listed - 1)
        at = stop
    return marks


def collate(examples: Sequence[Example], pad_id: int, image_id: int, emphasis: float = 1.0) -> dict[str, torch.Tensor]:
    """One right-padded batch: what the model takes, `labels`, and `weights` (1, or `emphasis` on what follows)."""
    longest = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), longest), pad_id)
    labels = torch.full((len(examples), longest), IGNORED)
    mask = torch.zeros((len(examples), longest), dtype=torch.long)
    weights = torch.zeros((len(examples), longest))
    for row, example in enumerate(examples):
        length = len(example.ids)
        ids[row, :length] = torch.tensor(example.ids)
        labels[row, :length] = torch.tensor(example.labels)
        mask[row, :length] = 1
        weights[row, :length] = torch.tensor(example.follows) * (emphasis - 1.0) + 1.0
    batch = {
        "input_ids": ids,
        "attention_mask": mask,
        "labels": labels,
        "weights": weights * (labels != IGNORED),
        "mm_token_type_ids": (ids == image_id).long(),
    }
    pictures = [picture for example in examples for picture in example.pictures]
    if pictures:
        batch["pixel_values"], batch["image_grid_thw"] = pixel_values(pictures)
    return batch


def summed_loss(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Weighted cross-entropy summed over the labelled tokens; the output layer is computed for those alone."""
    inputs = {name: tensor for name, tensor in batch.items() if name not in ("labels", "weights")}
    hidden = model.model(**inputs, use_cache=False).last_hidden_state[:, :-1]
    target = batch["labels"][:, 1:]
    told = target != IGNORED
    each = torch.nn.functional.cross_entropy(model.lm_head(hidden[told]).float(), target[told], reduction="none")
    return (each * batch["weights"][:, 1:][told]).sum()
