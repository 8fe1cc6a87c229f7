"""Policies as folders: what a training starts from, what it leaves behind, and its row of table `policies`."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.stage import Context
from pipelines.workers.identity import weights_hash
from schemas.ids import Json, canonical_json
from schemas.outcome import Row

if TYPE_CHECKING:
    import pyarrow as pa

LOGGER = logging.getLogger(__name__)
TOLD_EVERY_S = 5.0

POLICY = "policy"
"""Name of the folder, inside a training's artifact, that transformers, TRL and vLLM load."""


@dataclass(frozen=True)
class Trained:
    """A finished training; `curve` has one entry per optimizer step, and losses are means over a twentieth of it, None
    where no step was taken.
    """

    path: Path
    weights: str
    steps: int
    rows: int
    curve: Sequence[Mapping[str, Json]]
    image_effect: Mapping[str, Json]

    @property
    def first_loss(self) -> float | None:
        return self._mean(self.curve[: self._few])

    @property
    def last_loss(self) -> float | None:
        return self._mean(self.curve[-self._few :])

    @property
    def _few(self) -> int:
        return max(1, len(self.curve) // 20)

    @staticmethod
    def _mean(entries: Sequence[Mapping[str, Any]]) -> float | None:
        return sum(float(entry["loss"]) for entry in entries) / len(entries) if entries else None


def parent(tables: Mapping[str, pa.Table], ctx: Context, base: Path | None, name: str | None) -> tuple[Path, str]:
    """The folder that a training starts from and its name: an upstream policy, or else the given base.

    Raises `ValueError` unless there is exactly one.
    """
    rows = tables["policies"].to_pylist() if "policies" in tables else []
    found = [(ctx.paths.lake / row["path"], str(row["policy"])) for row in rows]
    if base is not None:
        found.append((base, name or base.name))
    if len(found) != 1:
        raise ValueError(
            f"a training starts from one policy, and {len(found)} are given: {[each for _, each in found]}"
        )
    return found[0]


def load(folder: Path) -> tuple[Any, Any]:
    """Model (float32 weights, whatever the file holds, so that small updates are not rounded away) and processor.

    Without a GPU, a Qwen3-VL gets the seedling's quicker forms of its vision tower; they compute the same.
    """
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    if model.config.model_type == "qwen3_vl" and not torch.cuda.is_available():
        from trainers.seedling.model import quicken

        quicken(model)
    return model, AutoProcessor.from_pretrained(folder, local_files_only=True)


def save(model: Any, start: Path, folder: Path) -> str:
    """Write the weights with the processor of `start` (a trainer may have changed its own); returns their hash."""
    from transformers import AutoProcessor

    model.save_pretrained(folder)
    AutoProcessor.from_pretrained(start, local_files_only=True).save_pretrained(folder)
    return weights_hash(folder)


def policy_row(ctx: Context, trained: Trained, *, trainer: str, arm: str, start: str) -> Row:
    """Columns of table `policies`. The policy is named by the key of the stage that trained it."""
    return {
        "policy": ctx.key,
        "trainer": trainer,
        "arm": arm,
        "parent": start,
        "path": f"{ctx.paths.final}/{POLICY}",
        "weights": trained.weights,
        "steps": trained.steps,
        "rows": trained.rows,
        "first_loss": trained.first_loss,
        "last_loss": trained.last_loss,
        "curve": canonical_json(list(trained.curve)),
        "image_effect": canonical_json(dict(trained.image_effect)),
    }


def newest_checkpoint(scratch: Path) -> str | None:
    """The newest whole checkpoint that a killed training left in its scratch folder; None where there is none.

    The trainer writes `trainer_state.json` last, so a checkpoint without a readable one was cut short, and is removed.
    """
    whole: dict[int, Path] = {}
    for folder in scratch.glob("checkpoint-*"):
        try:
            whole[int(json.loads((folder / "trainer_state.json").read_text())["global_step"])] = folder
        except (OSError, ValueError, KeyError):
            shutil.rmtree(folder)
    return str(whole[max(whole)]) if whole else None


def curve_of(history: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Json]]:
    """The trainer's log as one entry per step: `step`, `loss` and the `names` it has, at six digits."""
    return [
        {"step": int(entry["step"])}
        | {name: float(f"{entry[name]:.6g}") for name in ("loss", *names) if entry.get(name) is not None}
        for entry in history
        if "loss" in entry
    ]


def narrate(trainer: Any, name: str) -> None:
    """Let the trainer print nothing, and tell logger `trainers.policy` every few seconds, at INFO, how far it is."""
    from transformers import PrinterCallback, ProgressCallback, TrainerCallback

    class Narrator(TrainerCallback):
        began = told = 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.began = self.told = time.monotonic()

        def on_step_end(self, _arguments: Any, state: Any, _control: Any, **__: Any) -> None:
            now = time.monotonic()
            if now - self.told >= TOLD_EVERY_S:
                self.told = now
                left = (now - self.began) / state.global_step * (state.max_steps - state.global_step)
                LOGGER.info("%s: step %d of %d, %.0f s left", name, state.global_step, state.max_steps, left)

    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(Narrator())
