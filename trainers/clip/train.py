"""Grow the embedder from nothing.

    OMP_NUM_THREADS=1 python -m trainers.clip.train --out DIR

DIR then holds an ordinary open_clip folder, `curve.json` (step, both losses, seconds) and `table.json` (retrieval among
fresh pictures of one family). Two things are learned at once, both by open_clip's contrastive loss: which text tells of
which picture, and which two views are of one picture. The second is what deduplication asks for.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.nn import functional

from trainers.clip import corpus, evaluate, model
from trainers.growing import groups, lines

SHOW_EVERY = 25  # steps
SHARPNESS = 10.0  # of the comparison of views; that of texts is learned, as in CLIP


@dataclass(frozen=True)
class Recipe:
    """How the shipped weights were made; `pairs` are drawn once and met `steps` × `batch` / `pairs` times."""

    seed: int = 40
    pairs: int = 14_000
    steps: int = 360
    batch: int = 128
    rate: float = 2e-3
    warmup: int = 40
    weight_decay: float = 0.1


def train(recipe: Recipe, out: Path) -> list[dict[str, float]]:
    """Train from nothing, write the folder and `curve.json`, return the curve."""
    from open_clip.loss import ClipLoss

    torch.set_num_threads(1)
    begun = time.monotonic()
    pixels = torch.empty(recipe.pairs, model.SIZE, model.SIZE, 3, dtype=torch.uint8)
    said: list[tuple[str, ...]] = []
    for index, pair in enumerate(corpus.drawn(recipe.pairs, recipe.seed)):
        pixels[index] = torch.from_numpy(pair.pixels)
        said.append(pair.sentences)
    tokenizer = model.learn(map(" ".join, said))
    network = model.build(recipe.seed).train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(groups(network, recipe.weight_decay), lr=recipe.rate, betas=(0.9, 0.98))
    contrast = ClipLoss()
    generator, rng = torch.Generator().manual_seed(recipe.seed), random.Random(f"clip:words:{recipe.seed}")
    curve: list[dict[str, float]] = []
    totals = [0.0, 0.0]
    print(f"{sum(weight.numel() for weight in network.parameters()):,} parameters, {len(said):,} pairs", flush=True)
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * share(recipe, step)
        chosen = batch_of(recipe, step)
        texts = [corpus.shuffled(said[index], rng) for index in chosen]
        words = tokenizer(texts, return_tensors="pt", max_length=model.CONTEXT, padding="max_length", truncation=True)
        pictures = corpus.normal(pixels[chosen])
        views = torch.cat([corpus.seen_again(pictures, generator) for _ in range(2)])
        with torch.autocast("cpu", torch.bfloat16):  # three times as fast where the processor knows bfloat16
            looked = network.encode_image(views.contiguous(memory_format=torch.channels_last))
            heard = network.encode_text(words.input_ids)
        first, second = functional.normalize(looked.float(), dim=-1).chunk(2)
        told = functional.normalize(heard.float(), dim=-1)
        losses = contrast(first, told, network.logit_scale.exp()), contrast(first, second, SHARPNESS)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(sum(losses))
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            network.logit_scale.clamp_(0, math.log(100))
        totals = [total + float(loss.detach()) for total, loss in zip(totals, losses, strict=True)]
        if (step + 1) % SHOW_EVERY == 0 or step + 1 == recipe.steps:
            count = (step % SHOW_EVERY) + 1
            text_loss, view_loss = (round(total / count, 4) for total in totals)
            totals = [0.0, 0.0]
            seconds = round(time.monotonic() - begun, 1)
            curve.append({"step": step + 1, "text_loss": text_loss, "view_loss": view_loss, "seconds": seconds})
            print(json.dumps(curve[-1]), flush=True)
    model.save(network, tokenizer, out)
    (out / "curve.json").write_text(lines(curve), encoding="utf-8")
    return curve


def batch_of(recipe: Recipe, step: int) -> list[int]:
    """Which pairs step `step` shows: all of them once in a drawn order, then all in another."""
    order: list[int] = []
    first = step * recipe.batch
    while len(order) < recipe.batch:
        epoch, place = divmod(first + len(order), recipe.pairs)
        drawn = torch.randperm(recipe.pairs, generator=torch.Generator().manual_seed(recipe.seed * 1000 + epoch))
        order += drawn[place : place + recipe.batch - len(order)].tolist()
    return order


def share(recipe: Recipe, step: int) -> float:
    """Share of the full learning rate at `step`: up over `warmup`, then down along a cosine."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    return 0.5 * (1 + math.cos(math.pi * (step - recipe.warmup) / (recipe.steps - recipe.warmup)))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.clip.train", description="Grow the pinned embedder from nothing."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, curve.json and table.json")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    given = parser.parse_args(arguments)
    torch.set_flush_denormal(True)  # for the whole process, so not in train(), which tests call
    train(replace(Recipe(), seed=given.seed), given.out)
    rows = evaluate.table(given.out)
    (given.out / "table.json").write_text(lines(rows), encoding="utf-8")
    print(evaluate.show(rows))


if __name__ == "__main__":
    main()
