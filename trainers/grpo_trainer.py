"""TRL's GRPOTrainer with three additions: pictures may not get lost, calls of tools that there are not are answered as
everywhere, and its completion log can be written and read."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from trl import GRPOTrainer
from trl.trainer.utils import strip_images_from_messages

from trainers.environment import ByName
from trainers.images_matter import AllAlike, ImageEffect, PicturesIgnored, image_effect

PICTURE_INPUTS = ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")


class GroupTrainer(GRPOTrainer):
    """GRPO that checks its pictures: their effect before the first step that shows two, and that none was dropped."""

    effect: ImageEffect | None = None
    _sync_tool_dicts: list[dict[str, Any]]  # TRL's: the tools of each rollout, by name

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if "pixel_values" not in output:  # TRL goes on without any where it counts too few picture tokens
            raise PicturesIgnored(f"step {self.state.global_step + 1}: the trainer dropped the pictures of its batch")
        if self.effect is None:  # a batch may happen to ask about one picture only; the next one will do
            with contextlib.suppress(AllAlike):
                self.effect = image_effect(self._spoken, output)
        return output

    def _tool_call_loop(self, *arguments: Any, **named: Any) -> Any:
        found = zip(self._sync_tool_dicts, self.environments, strict=True)
        self._sync_tool_dicts = [ByName(known, rollout) for known, rollout in found]
        return super()._tool_call_loop(*arguments, **named)

    def _spoken(self, inputs: Mapping[str, Any]) -> torch.Tensor:
        """Log-probabilities of the tokens that GRPO trains on, by TRL's own forward pass."""
        with torch.no_grad():
            found, _, _ = self._get_per_token_logps_and_entropies(
                self.model,
                torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
                torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
                inputs["completion_ids"].size(1),
                batch_size=self.args.per_device_train_batch_size,
                **{name: inputs[name] for name in PICTURE_INPUTS if name in inputs},
            )
        values: torch.Tensor = found[(inputs["completion_mask"] * inputs["tool_mask"]).bool()]
        return values

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Conversations become JSON text first: turns with pictures and turns without fit no one Arrow type."""
        for name in ("prompt", "completion"):
            entries = self._logs[name]
            texts = [entry if isinstance(entry, str) else conversation_text(entry) for entry in entries]
            entries.clear()
            entries.extend(texts)
        super().log(logs, start_time)


def conversation_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """Messages as JSON text, without their pixels."""
    return json.dumps(strip_images_from_messages(list(messages)), ensure_ascii=False, sort_keys=True)


def logged_rewards(folder: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """TRL's completion log as rows of table `rewards`, without the columns that name the policy.

    One row per step, completion and reward; `position` counts completions from 0 within their step, and a masked reward
    has no value.
    """
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob("completions_*.parquet")):
        for position, entry in enumerate(pq.read_table(path).to_pylist()):
            for name in names:
                value = entry[name]
                rows.append(
                    {
                        "step": entry["step"],
                        "position": position,
                        "sample_id": entry["sample_id"],
                        "reward": name,
                        "value": None if value is None or math.isnan(value) else round(value, 6),
                        "advantage": round(entry["advantage"], 6),
                        "completion": entry["completion"],
                    }
                )
    return rows
