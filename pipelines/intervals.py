"""Intervals: how far a share that was counted may be from the true one.

Wilson's is short and right on average over shares; for some shares it is too short. The time-uniform one is never too
short, however often one looks and whenever one stops: a gambler who bets on all shares at once (by Jeffreys' prior)
multiplies the stake against a share that is true by 1 / (1 - level) at any time with a chance of at most 1 - level
(Ville, Étude critique de la notion de collectif, 1939; Robbins, Ann. Math. Stat. 41, 1970; for shares Lai, Ann. Stat.
4, 1976), so the interval holds the shares against which that has not come about.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist


def wilson(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (JASA 22, 1927); (0, 1) when nothing was asked.

    Raises `ValueError` unless 0 ≤ right ≤ n.
    """
    _check(right, n)
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share, scale = right / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    return (0.0 if right == 0 else centre - half), (1.0 if right == n else centre + half)


@lru_cache(maxsize=65_536)
def time_uniform(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The confidence sequence of the beta-binomial mixture, see above; otherwise as `wilson`."""
    _check(right, n)
    stake = _log_beta(right + 0.5, n - right + 0.5) - _log_beta(0.5, 0.5) + math.log(1 - level)

    def inside(share: float) -> bool:
        return stake < _log_power(share, right) + _log_power(1 - share, n - right)

    def last(start: float, end: float) -> float:
        """The last share inside on the way from `start`, which is, to `end`."""
        if inside(end):
            return end
        for _ in range(60):
            middle = (start + end) / 2
            start, end = (middle, end) if inside(middle) else (start, middle)
        return start

    best = right / n if n else 0.5
    return last(best, 0.0), last(best, 1.0)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_power(base: float, exponent: int) -> float:
    """The logarithm of base ** exponent, where 0 ** 0 is 1."""
    if exponent == 0:
        return 0.0
    return exponent * math.log(base) if base else -math.inf


def _check(right: int, n: int) -> None:
    if not 0 <= right <= n:
        raise ValueError(f"{right} right answers of {n} questions")
