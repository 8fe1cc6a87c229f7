"""Drawing tokens: one uniform number per (request seed, token index), turned into a token by inverting the
distribution.

No state is shared between the rows of a batch, so a request draws the same numbers whatever stands beside it, and its
first hundred tokens are the same whether it may say a hundred or a thousand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from schemas.requests import Sampling

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


def _mix(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    value = (value ^ (value >> np.uint64(30))) * _MIX1
    value = (value ^ (value >> np.uint64(27))) * _MIX2
    return value ^ (value >> np.uint64(31))


def uniforms(seeds: npt.NDArray[np.uint64], index: int) -> npt.NDArray[np.float64]:
    """One number in [0, 1) for each seed at token `index`: splitmix64 of the mixed seed, advanced `index` times."""
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is what the generator is made of
        state = _mix(seeds + _GAMMA) + np.uint64(index + 1) * _GAMMA
        return (_mix(state) >> np.uint64(11)).astype(np.float64) * 2.0**-53


class Sampler:
    """Draws one token for each row of a batch; `samplings` and `seeds` belong to the rows in their order."""

    def __init__(self, samplings: Sequence[Sampling], seeds: Sequence[int]) -> None:
        self._temperature = torch.tensor([sampling.temperature for sampling in samplings], dtype=torch.float64)
        self._top_p = torch.tensor([sampling.top_p for sampling in samplings], dtype=torch.float64)
        self._top_k = torch.tensor([sampling.top_k for sampling in samplings])
        self._seeds = np.array([seed % 2**64 for seed in seeds], dtype=np.uint64)

    def draw(self, logits: torch.Tensor, rows: torch.Tensor, index: int) -> torch.Tensor:
        """Token ids [n] for `logits` [n, vocabulary], which belong to the batch rows `rows` [n] at token `index`.

        Temperature 0 takes the likeliest token. The kept tokens are laid out by token id, not by rank, so that a
        rounding error that swaps two near-equal tokens does not change what is drawn.
        """
        chosen = logits.argmax(dim=-1)
        temperature, top_p = self._temperature[rows], self._top_p[rows]
        warm = (temperature > 0).nonzero().squeeze(1)
        if len(warm) == 0:
            return chosen
        scaled = logits[warm.to(logits.device)].double() / temperature[warm].to(logits.device).unsqueeze(1)
        odds = torch.softmax(scaled, dim=-1)
        top_k, nucleus = self._top_k[rows][warm], top_p[warm]
        if bool((top_k > 0).any()):
            odds = odds * _likeliest(odds, top_k.to(odds.device))
            odds = odds / odds.sum(dim=-1, keepdim=True)
        if bool((nucleus < 1).any()):
            odds = odds * _nucleus(odds, nucleus.to(odds.device))
        ladder = odds.cumsum(dim=-1)
        drawn = torch.from_numpy(uniforms(self._seeds[rows[warm].numpy()], index)).to(odds.device)
        target = (drawn * ladder[:, -1]).unsqueeze(1)
        token = torch.searchsorted(ladder, target, right=True).squeeze(1)
        chosen[warm.to(logits.device)] = token
        return chosen


def _nucleus(odds: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """1 for the fewest likeliest tokens whose odds reach `top_p` together, 0 for the others (the likeliest always
    stays).
    """
    ranked, order = odds.sort(dim=-1, descending=True, stable=True)
    before = ranked.cumsum(dim=-1) - ranked
    kept = (before < top_p.unsqueeze(1)).to(odds.dtype)
    return torch.zeros_like(odds).scatter(1, order, kept)


def _likeliest(odds: torch.Tensor, top_k: torch.Tensor) -> torch.Tensor:
    """1 for the `top_k` likeliest tokens, or for all where it is 0; 0 for the others."""
    order = odds.argsort(dim=-1, descending=True, stable=True)
    rank = torch.arange(odds.shape[-1], device=odds.device)
    kept = ((rank < top_k.unsqueeze(1)) | (top_k == 0).unsqueeze(1)).to(odds.dtype)
    return torch.zeros_like(odds).scatter(1, order, kept)
