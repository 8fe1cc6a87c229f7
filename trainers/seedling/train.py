"""Grow the seedling from nothing.

    python -m trainers.seedling.train --recipe cpu --out DIR

DIR then holds an ordinary transformers folder, `curve.json` (step, loss, seconds) and `table.json` (accuracy for each
task and dial). `DIR/state.pt` is saved every few minutes and removed at the end: the same command goes on from there
after an interruption, with the same batches as an uninterrupted run.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer
from transformers.utils import logging

from trainers.growing import groups, lines
from trainers.seedling import corpus, evaluate, model, tokenizer
from trainers.seedling.batch import summed_loss
from trainers.seedling.recipes import RECIPES, Recipe

SAVE_EVERY = 300.0  # seconds
SHOW_EVERY = 50  # steps


def share(recipe: Recipe, step: int) -> float:
    """Share of the full learning rate at `step`: up over `warmup`, level, down to zero over the last `decay` steps."""
    return min(1.0, (step + 1) / recipe.warmup, (recipe.steps - step) / recipe.decay)


def train(recipe: Recipe, out: Path, start: Path | None = None) -> list[dict[str, float]]:
    """Train from nothing or from the weights in `start`, write the model folder and `curve.json`, return the curve."""
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(recipe.threads)
    state_file = out / "state.pt"
    state: dict[str, Any] = torch.load(state_file, weights_only=False) if state_file.exists() else {}
    words = (
        AutoTokenizer.from_pretrained(start or out)
        if state or start
        else tokenizer.learn(corpus.texts(300), recipe.vocabulary)
    )
    processor = tokenizer.processor(words)
    network = model.load(start)[0] if start else model.build(words, recipe.size, recipe.seed)
    network.to(recipe.device).train()
    model.quicken(network)
    optimiser = torch.optim.AdamW(groups(network, recipe.weight_decay), lr=recipe.rate, betas=(0.9, 0.98), fused=True)
    if state:
        network.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
    curve: list[dict[str, float]] = state.get("curve", [])
    first = int(state.get("step", 0))
    print(
        f"{model.parameters(network):,} parameters, {len(words):,} tokens, from step {first} to {recipe.steps}",
        flush=True,
    )

    begun = time.monotonic() - (curve[-1]["seconds"] if curve else 0.0)
    saved = time.monotonic()
    losses: list[float] = []
    feed = torch.utils.data.DataLoader(
        corpus.Batches(recipe, words, first),
        batch_size=None,
        num_workers=recipe.workers,
        prefetch_factor=8 if recipe.workers else None,
    )
    for step, parts in enumerate(feed, first):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * share(recipe, step)
        losses.append(update(network, optimiser, parts, recipe))
        if (step + 1) % SHOW_EVERY == 0 or step + 1 == recipe.steps:
            seconds = time.monotonic() - begun
            curve.append({"step": step + 1, "loss": round(sum(losses) / len(losses), 4), "seconds": round(seconds, 1)})
            losses.clear()
            left = seconds / (step + 1) * (recipe.steps - step - 1)
            print(f"step {step + 1}  loss {curve[-1]['loss']:.4f}  {seconds:.0f} s, {left:.0f} s left", flush=True)
            if time.monotonic() - saved > SAVE_EVERY or step + 1 == recipe.steps:
                saved = time.monotonic()
                model.save(network, processor, out)
                (out / "curve.json").write_text(lines(curve))
                snapshot = {
                    "model": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "curve": curve,
                    "step": step + 1,
                }
                torch.save(snapshot, out / "state.new")
                (out / "state.new").replace(state_file)
    return curve


def update(network: Any, optimiser: Any, parts: list[dict[str, torch.Tensor]], recipe: Recipe) -> float:
    """One optimiser step over all parts of a batch, every token weighing as the phase says; returns the mean loss."""
    optimiser.zero_grad(set_to_none=True)
    weight = sum(float(part["weights"][:, 1:].sum()) for part in parts)
    half = torch.autocast(recipe.device, torch.bfloat16) if recipe.autocast else contextlib.nullcontext()
    total = 0.0
    for part in parts:
        with half:
            loss = summed_loss(network, {key: value.to(recipe.device) for key, value in part.items()}) / weight
        torch.autograd.backward(loss)
        total += float(loss.detach())
    torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
    optimiser.step()
    return total


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.seedling.train", description="Grow the seedling from nothing."
    )
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="cpu")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, curve.json and table.json")
    parser.add_argument("--start", type=Path, help="a folder whose weights to go on from, with this recipe")
    parser.add_argument("--seed", type=int, help="another seed than the recipe's")
    parser.add_argument("--threads", type=int, help="another number of threads than the recipe's")
    parser.add_argument("--count", type=int, default=200, help="questions for each task and dial in the table")
    given = parser.parse_args(arguments)
    changes = {key: value for key in ("seed", "threads") if (value := getattr(given, key)) is not None}
    recipe = dataclasses.replace(RECIPES[given.recipe], **changes)
    logging.disable_progress_bar()
    torch.set_flush_denormal(True)  # for the whole process, so not in train(), which tests call
    train(recipe, given.out, given.start)
    rows = evaluate.table(given.out, given.count, recipe.device)
    (given.out / "table.json").write_text(lines(rows))
    print(evaluate.show(rows))
    (given.out / "state.pt").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
