"""One uniform per (seed, token index); rows never share anything."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.workers.sampler import Sampler, uniforms
from schemas.requests import Sampling

SEEDS = st.integers(0, 2**64 - 1)


def test_uniforms_fill_the_unit_interval_evenly() -> None:
    drawn = np.concatenate([uniforms(np.arange(100, dtype=np.uint64), index) for index in range(100)])
    counts = np.histogram(drawn, bins=20, range=(0, 1))[0]
    assert len(np.unique(drawn)) == 10_000
    assert ((counts - 500) ** 2 / 500).sum() < 45  # chi-square with 19 degrees of freedom, p about 0.0007


def test_neighbouring_seeds_and_indices_are_unrelated() -> None:
    table = np.stack([uniforms(np.arange(400, dtype=np.uint64), index) for index in range(400)])
    assert abs(np.corrcoef(table[:-1].ravel(), table[1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(table[:, :-1].ravel(), table[:, 1:].ravel())[0, 1]) < 0.01
    # A seed's stream must not be a shifted copy of its neighbour's.
    assert not np.isin(table[1:, 0], table[:, 1]).any()


@settings(deadline=None)
@given(st.lists(st.tuples(SEEDS, st.floats(0, 2), st.floats(0.05, 1)), min_size=1, max_size=6), st.integers(0, 500))
def test_a_row_draws_the_same_token_in_any_company(rows: list[tuple[int, float, float]], index: int) -> None:
    samplings = [Sampling(8, temperature, top_p) for _, temperature, top_p in rows]
    seeds = [seed for seed, _, _ in rows]
    logits = torch.randn(len(rows), 50, generator=torch.Generator().manual_seed(index))
    together = Sampler(samplings, seeds).draw(logits, torch.arange(len(rows)), index)
    for row in range(len(rows)):
        alone = Sampler([samplings[row]], [seeds[row]]).draw(logits[row : row + 1], torch.arange(1), index)
        assert alone[0] == together[row]


def test_tokens_come_as_often_as_they_are_likely() -> None:
    odds = torch.tensor([0.5, 0.0, 0.3, 0.15, 0.05])
    n = 20_000
    sampler = Sampler([Sampling(8, 1.0)] * n, list(range(n)))
    tokens = sampler.draw(odds.log().repeat(n, 1), torch.arange(n), 0)
    shares = torch.bincount(tokens, minlength=5) / n
    assert torch.allclose(shares, odds, atol=0.015)
    assert shares[1] == 0


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    odds = torch.tensor([0.1, 0.5, 0.15, 0.25])
    n = 2_000
    for top_p, kept in ((0.05, {1}), (0.5, {1}), (0.6, {1, 3}), (0.8, {1, 2, 3}), (1.0, {0, 1, 2, 3})):
        sampler = Sampler([Sampling(8, 1.0, top_p)] * n, list(range(n)))
        assert set(sampler.draw(odds.log().repeat(n, 1), torch.arange(n), 3).tolist()) == kept


def test_cold_rows_take_the_likeliest_beside_warm_ones() -> None:
    logits = torch.tensor([[0.0, 1.0, 0.9]]).repeat(64, 1)
    samplings = [Sampling(8, 0.0 if row % 2 else 5.0) for row in range(64)]
    tokens = Sampler(samplings, list(range(64))).draw(logits, torch.arange(64), 0)
    assert set(tokens[1::2].tolist()) == {1}
    assert set(tokens[0::2].tolist()) == {0, 1, 2}
