"""The weighing of features where exactly one of several candidates is right: a conditional logit.

Score = features · weights; the chance of a candidate is the softmax of the scores within its puzzle (McFadden 1974).
Matrices have one row for each candidate of each puzzle, in order; `sizes` says how many rows each puzzle has.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Vector: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Counts: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Features: TypeAlias = Any
"""A dense array, or a sparse one of scipy: both know `@` and `.T`."""


def fit(features: Features, sizes: Counts, false: Counts, penalty: float) -> Vector:
    """Weights of the largest likelihood, less `penalty`/2 for each unit of their squares; `false` are row numbers."""
    from scipy.optimize import minimize

    def loss(weights: Vector) -> tuple[float, Vector]:
        shares = chances(features, sizes, weights)
        value = -np.log(np.maximum(shares[false], 1e-12)).sum() + penalty / 2 * weights @ weights
        shares[false] -= 1
        return float(value), features.T @ shares.astype(features.dtype) + penalty * weights

    start = np.zeros(features.shape[1])
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 80}).x)


def chances(features: Features, sizes: Counts, weights: Vector) -> Vector:
    """The chance of each candidate to be the false one of its puzzle."""
    scores = np.asarray(features @ weights.astype(features.dtype), dtype=np.float64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    exp = np.exp(scores - np.repeat(np.maximum.reduceat(scores, starts), sizes))
    return np.asarray(exp / np.repeat(np.add.reduceat(exp, starts), sizes))
