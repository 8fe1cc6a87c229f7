"""Pass rates: how many attempts are enough, and how far the rate that they give can be trusted.

Why: eight attempts cannot tell a rate of 0.1 from one of 0.4, and sixty-four at every sample are wasted on those that
are always right. So attempts are doubled only while the interval straddles an edge of a band that the recipe selects
by. Looking again and again makes an interval too short, so what intervals cover under a rule is computed, not assumed:
all ways in which k of n can come about are counted, which gives the chance of each for every true rate.

`python -m benchmarks.passrate` prints what the intervals cover; docs/difficulty.md shows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal, TypeAlias

import numpy as np

from pipelines.intervals import time_uniform, wilson

POINTS = (0.02, 0.1, 0.3, 0.5, 0.9)
"""True rates at which, and at the edges of the bands, Wilson's 95 % must be kept …"""

LEAST = 0.94
"""… to this share, or it is not used."""

LEVEL = 0.95

Method: TypeAlias = Literal["wilson", "mixture"]
Interval: TypeAlias = Callable[[int, int], tuple[float, float]]
"""k, n → the ends."""
Ending: TypeAlias = tuple[int, int]
"""k and n at which attempts ended."""


@dataclass(frozen=True)
class Rule:
    """`first` attempts, doubled up to `most` while the interval of their rate has one of `edges` inside it.

    Without edges there is one look. `first` 0 asks nothing.
    """

    first: int
    most: int
    edges: tuple[float, ...] = ()

    @property
    def looks(self) -> tuple[int, ...]:
        """After how many attempts the rule may stop: 8, 16, 32, 64."""
        counts = [self.first]
        while self.edges and 0 < counts[-1] < self.most:
            counts.append(min(2 * counts[-1], self.most))
        return tuple(counts)

    @property
    def method(self) -> Method:
        """`wilson` where that interval covers the rates of `POINTS` and the edges under this rule. Else `mixture`: the
        time-uniform interval at the least nominal level at which, under this rule, it covers every rate by 95 %.
        """
        return _chosen(self)[0]

    def interval(self, right: int, n: int) -> tuple[float, float]:
        """The 95 % interval of k of n. Where some attempts could not be judged, n is none of the looks, and the
        interval is one that holds at any.
        """
        return (_chosen(self)[1] if n in self.looks else time_uniform)(right, n)

    def settled(self, right: int, n: int) -> bool:
        """Whether the interval of k of n lies clear of every edge."""
        return _clear(self.interval(right, n), self.edges)


@lru_cache(maxsize=64)
def _chosen(rule: Rule) -> tuple[Method, Interval]:
    if coverage(rule, wilson, (*POINTS, *rule.edges)).min() >= LEAST:
        return "wilson", wilson
    low, high = 0.0, LEVEL  # nominal levels: too low, and high enough for any rule
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if least_coverage(rule, _mixture(middle)) >= LEVEL else (middle, high)
    return "mixture", _mixture(high)


def _mixture(level: float) -> Interval:
    return partial(time_uniform, level=level)


def ways(rule: Rule, interval: Interval, begun: Ending = (0, 0)) -> dict[Ending, int]:
    """(k, n) at which the rule stops → in how many orders of right and wrong attempts it comes there.

    `begun` is k of n to start from, with n no later than the first look.
    """
    ended: dict[Ending, int] = {}
    going, asked = {begun[0]: 1}, begun[1]
    for look in rule.looks:
        reached: dict[int, int] = {}
        for right, orders in going.items():
            for more in range(look - asked + 1):
                reached[right + more] = reached.get(right + more, 0) + orders * math.comb(look - asked, more)
        asked, going = look, {}
        for right, orders in reached.items():
            if look == rule.looks[-1] or _clear(interval(right, look), rule.edges):
                ended[right, look] = orders
            else:
                going[right] = orders
    return ended


def chances(found: Mapping[Ending, int], rates: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The chance of each ending (columns) at each true rate (rows); a row sums to 1."""
    right, wrong = np.array([(k, n - k) for k, n in found]).T
    orders = np.array([math.log(number) for number in found.values()])
    rate = np.asarray(rates, dtype=float)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(right, right * np.log(rate), 0.0) + np.where(wrong, wrong * np.log1p(-rate), 0.0)
    return np.asarray(np.exp(orders + logs))


def coverage(rule: Rule, interval: Interval, rates: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """For each true rate the chance that the interval at which the rule stops holds it."""
    found = ways(rule, interval)
    low, high = np.array([interval(*ending) for ending in found]).T
    rate = np.asarray(rates, dtype=float)[:, None]
    return np.asarray((chances(found, rates) * ((low <= rate) & (rate <= high))).sum(axis=1))


def least_coverage(rule: Rule, interval: Interval) -> float:
    """The least coverage of all rates: it is found just beside an end of some interval, where one falls out."""
    ends = {end for ending in ways(rule, interval) for end in interval(*ending) if 0 < end < 1}
    beside = [end + step for end in ends for step in (-1e-9, 1e-9)]
    return float(coverage(rule, interval, [0.5, *beside]).min())


def zero_variance(right: int, n: int, group: int, rule: Rule) -> float | None:
    """The chance that a group of attempts ends alike, all right or all wrong, and so gives GRPO no gradient.

    Where the rule asks for a group at least, this is the unbiased estimate: of all orders in which the attempts could
    have led to k of n, the share that begins with such a group (Girshick, Mosteller and Savage, Ann. Math. Stat. 17,
    1946), so that its mean over samples is the share of groups without variance whatever their rates are. Where it
    asks for fewer there is none, and this is r^group + (1 - r)^group at r = k/n, which is on average not too low
    (Jensen). `python -m benchmarks.passrate` compares them. None when nothing was asked.
    """
    if n == 0:
        return None
    known = _alike(rule, group).get((right, n))
    return (right / n) ** group + (1 - right / n) ** group if known is None else known


@lru_cache(maxsize=64)
def _alike(rule: Rule, group: int) -> dict[Ending, float]:
    """(k, n) at which the rule may stop → the share of the orders whose first `group` attempts ended alike; empty where
    the rule may stop before.
    """
    if group > rule.first:
        return {}
    interval = _chosen(rule)[1]
    begun = [ways(rule, interval, (right, group)) for right in (0, group)]
    return {end: sum(each.get(end, 0) for each in begun) / orders for end, orders in ways(rule, interval).items()}


def _clear(found: tuple[float, float], edges: Sequence[float]) -> bool:
    return not any(found[0] < edge < found[1] for edge in edges)
