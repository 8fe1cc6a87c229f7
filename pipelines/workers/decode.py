"""The generation loop of `local:`: prompts are read once however many rows continue them, finished rows leave the
batch.

Written out rather than left to `generate`, because k rollouts of one question are the common case here: a prompt that
k rows share is prefilled once and its keys and values are handed to each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from transformers.cache_utils import DynamicLayer


class Draws(Protocol):
    """Chooses the next tokens."""

    def draw(self, logits: torch.Tensor, rows: torch.Tensor, index: int) -> torch.Tensor:
        """Token ids [n] for `logits` [n, vocabulary], which belong to the batch rows `rows` [n] at token `index`."""


Finished = Callable[[int, list[int]], bool]
"""Whether row i is complete with these tokens; asked after every token."""


@torch.inference_mode()
def decode(
    model: Any, prompts: dict[str, Any], prompt_of: Sequence[int], sampler: Draws, finished: Finished
) -> list[list[int]]:
    """New tokens of each row. `prompts` are left-padded model inputs; row i continues prompt `prompt_of[i]`."""
    device = prompts["input_ids"].device
    output = model(**prompts, **_first_positions(model, prompts), use_cache=True, logits_to_keep=1)
    cache = output.past_key_values
    rows = torch.arange(len(prompt_of))
    spread = torch.tensor(list(prompt_of), device=device)
    logits = output.logits[spread, -1]
    mask = prompts["attention_mask"][spread]
    _select(model, cache, spread)
    said: list[list[int]] = [[] for _ in prompt_of]
    open_rows = torch.ones(len(rows), dtype=torch.bool)
    index = 0
    while True:
        tokens = sampler.draw(logits, rows, index)
        index += 1
        for place, (row, token) in enumerate(zip(rows.tolist(), tokens.tolist(), strict=True)):
            if open_rows[place]:
                said[row].append(token)
                if finished(row, said[row]):
                    open_rows[place] = False
        remaining = int(open_rows.sum())
        if remaining == 0:
            return said
        if remaining <= 0.75 * len(rows):  # leaving copies the cache, so rows leave in groups
            kept = open_rows.nonzero().squeeze(1)
            rows, open_rows = rows[kept], open_rows[kept]
            kept = kept.to(device)
            tokens, mask = tokens[kept], mask[kept]
            _select(model, cache, kept)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        output = model(
            input_ids=tokens.unsqueeze(1),
            attention_mask=mask,
            position_ids=_next_positions(model, mask),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits = output.logits[:, -1]


def _first_positions(model: Any, prompts: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Positions that count from each row's first real token; a model that places pictures in space works them out
    itself.
    """
    spatial = hasattr(model.model, "rope_deltas")
    if spatial and "image_grid_thw" in prompts:
        return {}
    positions = (prompts["attention_mask"].cumsum(dim=1) - 1).clamp(min=0)
    return {"position_ids": positions.expand(3, *positions.shape) if spatial else positions}


def _next_positions(model: Any, mask: torch.Tensor) -> torch.Tensor:
    positions = mask.sum(dim=1, keepdim=True) - 1
    if not hasattr(model.model, "rope_deltas"):
        return positions
    deltas = model.model.rope_deltas
    if deltas is not None:
        positions = positions + deltas.to(positions.device)
    return positions.expand(3, *positions.shape)


def _select(model: Any, cache: Any, places: torch.Tensor) -> None:
    """Keep rows `places` of the cache, in that order; a row may be taken several times."""
    cache.layers = [_Roomy(layer) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    for layer in cache.layers:
        layer.batch_select_indices(places)
    deltas = getattr(model.model, "rope_deltas", None)
    if deltas is not None:
        model.model.rope_deltas = deltas[places]


class _Roomy(DynamicLayer):
    """Keys and values in buffers with room to grow: the stock layer copies everything for each new token, half of the
    time here.
    """

    def __init__(self, layer: DynamicLayer) -> None:
        super().__init__()
        self.dtype, self.device, self.is_initialized = layer.dtype, layer.device, True
        self.keys, self.values = layer.keys, layer.values
        self._room = {"keys": layer.keys, "values": layer.values}

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.keys = self._append("keys", self.keys, key_states)
        self.values = self._append("values", self.values, value_states)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        self.keys, self.values = self.keys[indices], self.values[indices]
        self._room = {"keys": self.keys, "values": self.values}

    def _append(self, name: str, held: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        length = held.shape[2]
        end = length + new.shape[2]
        if end > self._room[name].shape[2]:
            grown = held.new_empty((*held.shape[:2], end + 64, held.shape[3]))
            grown[:, :, :length] = held
            self._room[name] = grown
        room: torch.Tensor = self._room[name]
        room[:, :, length:end] = new
        return room[:, :, :end]
