"""How well readers without the picture do: detectors fitted on some captions, tried on others, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.textonly import meaning, ngrams, surprise
from pipelines.textonly.candidates import Block, Puzzle
from pipelines.textonly.choice import Features, Vector, chances, fit

DETECTORS: Mapping[str, Callable[[Sequence[Block]], Features]] = {
    "ngrams": ngrams.features,
    "surprise": surprise.features,
    "meaning": meaning.features,
}
"""Blocks → a row for each candidate of each puzzle, in order."""

PENALTY = 3.0
"""Of the weights' squares, for features of unit spread."""


@dataclass(frozen=True)
class Seen:
    """What a detector makes of one caption.

    `ratio`: the chance it gives the false phrase, over that of a guess among the candidates. `share`: of the other
    candidates, how many look less false to it (ties count half); its mean over captions is the area under the curve.
    """

    ratio: float
    share: float


class Trial:
    """Features of one detector for some captions, to be fitted on any of them and tried on any others."""

    def __init__(self, features: Features, puzzles: Sequence[Puzzle]) -> None:
        self._features = features
        self._sizes = np.array([len(each.spans) for each in puzzles], dtype=np.int64)
        self._false = np.array([each.false for each in puzzles], dtype=np.int64)
        self._starts = np.cumsum(self._sizes) - self._sizes

    def __call__(self, fitted: Sequence[int], tried: Sequence[int]) -> list[Seen]:
        """What is made of the captions `tried` after a fit on those `fitted` (places in the order of the puzzles)."""
        if not fitted or not tried:
            return [Seen(1.0, 0.5)] * len(tried)
        features, sizes, false = self._of(fitted)
        dense = not hasattr(features, "tocsr")  # words, which are mostly absent, stay as they are
        middle, spread = (features.mean(0), features.std(0) + 1e-6) if dense else (0, 1)
        weights = fit((features - middle) / spread if dense else features, sizes, false, PENALTY)
        features, sizes, false = self._of(tried)
        shares = chances((features - middle) / spread if dense else features, sizes, weights)
        own, begin = shares[false], np.cumsum(sizes) - sizes
        less = np.add.reduceat(_halves(shares, np.repeat(own, sizes)), begin) - 0.5  # without its tie with itself
        return list(map(Seen, (own * sizes).tolist(), (less / (sizes - 1)).tolist()))

    def _of(self, places: Sequence[int]) -> tuple[Features, Any, Any]:
        sizes = self._sizes[places]
        begin = np.cumsum(sizes) - sizes
        rows = np.repeat(self._starts[places] - begin, sizes) + np.arange(sizes.sum())
        return self._features[rows], sizes, begin + self._false[places]


def _halves(shares: Vector, own: Vector) -> Vector:
    return np.asarray((shares < own) + (shares == own) / 2)


def area(shares: Sequence[float], groups: Sequence[str], draws: int = 1000) -> tuple[float, float, float]:
    """The mean of the shares, and its 95 % interval by a bootstrap over groups (seeded); (nan, 0, 1) of nothing."""
    if not shares:
        return float("nan"), 0.0, 1.0
    _, places = np.unique(np.array(groups), return_inverse=True)
    sums, counts = np.bincount(places, weights=shares), np.bincount(places)
    rng = np.random.default_rng(0)
    means = np.empty(draws)
    for draw in range(draws):
        picked = rng.integers(0, len(sums), len(sums))
        means[draw] = sums[picked].sum() / counts[picked].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    return float(np.mean(shares)), float(low), float(high)
