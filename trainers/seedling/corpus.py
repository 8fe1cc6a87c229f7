"""Training rows out of the task families: oracle traces with the pictures their tools really make, as conversations.

The text of every turn comes from `pipelines.prompts`, so what the seedling learns to write is, byte for byte, what
the tool loop reads.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from PIL import Image

from pipelines.prompts import conversation, step
from pipelines.tasks import FAMILIES, Made
from pipelines.tools import CallError, Shown
from pipelines.tools.replay import again, observation
from schemas.messages import Message, Picture
from trainers.seedling.batch import Example, collate, encode
from trainers.seedling.recipes import Mix, Recipe

TRAINING_SEEDS = (10**9, 2 * 10**9)
"""Task seeds below belong to others: pools and banks take small ones, `evaluate` takes the hundred million before."""

TAUGHT = ("counting", "search", "charts", "geometry")
"""The families of its diets, and of the texts its tokenizer is learned from. The other worlds are new to it."""

DESCRIBE = ("Describe the picture.", "What does the picture show?")

Row = tuple[list[dict[str, Any]], list[Image.Image]]
"""A conversation as transformers' chat templates take it, and its pictures in order."""


def chat(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Our messages as a chat template takes them; pictures become bare `{"type": "image"}` parts."""
    return [
        {
            "role": message.role,
            "content": [
                {"type": "image"} if isinstance(part, Picture) else {"type": "text", "text": part.text}
                for part in message.parts
            ],
        }
        for message in messages
    ]


def question(made: Made) -> dict[str, Any]:
    """What `pipelines.prompts` needs of a sample row; picture ids are the pictures' places."""
    return {
        "image_ids": [str(index) for index in range(len(made.images))],
        "question": made.question,
        "options": list(made.options),
    }


def trace(made: Made) -> Row:
    """The oracle trace with its observations. Raises `CallError` where a family wrote a call that fails."""
    shown = Shown.of(made.images)
    steps: list[dict[str, Any]] = []
    for item in made.steps:
        steps.append(step(item.kind, item.text or None, item.tool, item.arguments))
        if item.kind == "action":
            seen = again(shown, steps[-1])
            if seen.refused:
                raise CallError(seen.text)
            steps.append(observation(None if seen.image is None else str(len(shown.images)), seen.text))
            shown = shown.plus(seen)
    return chat(conversation(question(made), steps)), list(shown.images)


def listed(made: Made) -> Row:
    """The first turn without its picture: only its own list tells what follows, so it teaches to look back."""
    messages, _pictures = trace(made)
    asked = [part for part in messages[0]["content"] if part["type"] == "text"]
    return [{"role": "user", "content": asked}, messages[1]], []


def described(made: Made, rng: random.Random) -> Row:
    """A request for a caption and the program's own caption. Raises `ValueError` for a family that writes none."""
    if made.caption is None:
        raise ValueError("this family writes no captions")
    parts = [*({"type": "image"} for _ in made.images), {"type": "text", "text": rng.choice(DESCRIBE)}]
    said = [{"type": "text", "text": made.caption.text.strip()}]
    return [{"role": "user", "content": parts}, {"role": "assistant", "content": said}], list(made.images)


def draw(diet: Mix, seed: int, index: int) -> Row:
    """Row `index` of the endless corpus of this diet and seed."""
    rng = random.Random(f"seedling:{seed}:{index}")
    (cell,) = rng.choices(list(diet), list(diet.values()))
    kind, _, place = cell.rpartition(":")
    name, dial = place.split("/")
    made = FAMILIES[name].make(rng.randrange(*TRAINING_SEEDS), int(dial))
    if kind == "caption":
        return described(made, rng)
    return listed(made) if kind == "listed" else trace(made)


def texts(count: int) -> Iterator[str]:
    """What the tokenizer is learned from: `count` traces of every taught family and dial, and their captions."""
    rng = random.Random("seedling:texts")
    for family in (FAMILIES[name] for name in TAUGHT):
        for dial in range(len(family.DIALS)):
            for _ in range(count):
                made = family.make(rng.randrange(*TRAINING_SEEDS), dial)
                rows = [trace(made)] + ([described(made, rng)] if made.caption else [])
                for messages, _pictures in rows:
                    yield from (part["text"] for turn in messages for part in turn["content"] if "text" in part)


class Batches(torch.utils.data.Dataset[list[dict[str, torch.Tensor]]]):
    """Step → its batch, cut into `recipe.parts` by length. Made in worker processes; steps already done are skipped."""

    def __init__(self, recipe: Recipe, tokenizer: Any, first: int = 0) -> None:
        self.recipe, self.tokenizer, self.first = recipe, tokenizer, first
        self.image_id = tokenizer.convert_tokens_to_ids("<|image_pad|>")

    def __len__(self) -> int:
        return self.recipe.steps - self.first

    def __getitem__(self, position: int) -> list[dict[str, torch.Tensor]]:
        if position >= len(self):
            raise IndexError(position)
        phase = self.recipe.phase(self.first + position)
        start = (self.first + position) * self.recipe.batch
        rows = [draw(phase.diet, self.recipe.seed, start + row) for row in range(self.recipe.batch)]
        examples: list[Example] = [encode(self.tokenizer, *row) for row in rows]
        examples.sort(key=lambda example: (len(example.pictures), len(example.ids)))
        part = -(-len(examples) // self.recipe.parts)
        return [
            collate(examples[at : at + part], self.tokenizer.pad_token_id, self.image_id, phase.emphasis)
            for at in range(0, len(examples), part)
        ]
