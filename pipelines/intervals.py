"""Intervals: how far a share that was counted may be from the true one."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (JASA 22, 1927); (0, 1) when nothing was asked.

    Raises `ValueError` unless 0 ≤ right ≤ n.
    """
    if not 0 <= right <= n:
        raise ValueError(f"{right} right answers of {n} questions")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share, scale = right / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    return (0.0 if right == 0 else centre - half), (1.0 if right == n else centre + half)
