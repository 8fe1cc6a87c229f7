"""What the stated 95 % intervals of pass rates cover, and how well groups without variance are foreseen.

    python -m benchmarks.passrate

Coverage is exact, from the count of all orders in which attempts can come out; `any` is the least of all rates, and a
seeded simulation of the same rule stands in brackets. A forecast is judged by its error at one sample (root mean
square) and, in brackets, by its mean error, for three estimates of r^8 + (1 - r)^8.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import numpy as np

from pipelines.intervals import time_uniform, wilson
from pipelines.passrate import POINTS, Interval, Rule, chances, coverage, least_coverage, ways, zero_variance

RULES = {
    "8": Rule(8, 8),
    "16": Rule(16, 16),
    "64": Rule(64, 64),
    "8 to 64, edges 0.2 0.8": Rule(8, 64, (0.2, 0.8)),
    "8 to 64, edges 0.125 0.875": Rule(8, 64, (0.125, 0.875)),
    "8 to 64, edge 0.5": Rule(8, 64, (0.5,)),
}
TRUE = (0.0, *POINTS, 1.0)
REPEATS = 20_000
GROUP = 8


def simulated(rule: Rule, rate: float, repeats: int = REPEATS, seed: int = 0) -> float:
    """The share of simulated samples of that true rate whose interval holds it."""
    draw, held = random.Random(f"coverage:{seed}:{rate}"), 0
    for _ in range(repeats):
        right = n = 0
        for look in rule.looks:
            right, n = right + sum(draw.random() < rate for _ in range(look - n)), look
            if rule.settled(right, n):
                break
        low, high = rule.interval(right, n)
        held += low <= rate <= high
    return held / repeats


def attempts(rule: Rule, interval: Interval, rate: float) -> float:
    """Mean number of attempts."""
    found = ways(rule, interval)
    return float(chances(found, [rate])[0] @ np.array([n for _, n in found]))


def plug_in(right: int, n: int, rule: Rule) -> float:
    """The formula at k/n: what column `zero_variance` says where groups are larger than the first look."""
    del rule
    return (right / n) ** GROUP + (1 - right / n) ** GROUP


def jeffreys(right: int, n: int, rule: Rule) -> float:
    """The mean of the formula over Jeffreys' posterior of the rate."""
    del rule
    sides = ((right + 0.5, n - right + 0.5), (n - right + 0.5, right + 0.5))
    return sum(math.prod((a + step) / (a + b + step) for step in range(GROUP)) for a, b in sides)


def unbiased(right: int, n: int, rule: Rule) -> float:
    """What column `zero_variance` says otherwise."""
    return zero_variance(right, n, GROUP, rule) or 0.0


def errors(rule: Rule, estimate: Callable[[int, int, Rule], float], rate: float) -> tuple[float, float]:
    """Root mean square and mean of the error of a forecast, at a true rate."""
    found = ways(rule, rule.interval)
    off = np.array([estimate(right, n, rule) for right, n in found]) - rate**GROUP - (1 - rate) ** GROUP
    chance = chances(found, [rate])[0]
    return float(np.sqrt(chance @ off**2)), float(chance @ off)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    rows = []
    for name, rule in RULES.items():
        seen = [simulated(rule, rate) for rate in POINTS]
        sides = {"wilson": wilson, "time-uniform": time_uniform, f"**{rule.method}**": rule.interval}
        for called, interval in sides.items():
            kept = [f"{100 * each:.1f}" for each in (*coverage(rule, interval, POINTS), least_coverage(rule, interval))]
            if interval == rule.interval:
                kept = [f"{each} ({100 * other:.1f})" for each, other in zip(kept, seen, strict=False)] + kept[-1:]
            spent = ", ".join(f"{attempts(rule, interval, rate):.0f}" for rate in (0.0, *POINTS))
            rows.append([name, called, *kept, spent])
    rates = [f"{rate:g}" for rate in POINTS]
    print(table(["attempts", "interval", *rates, "any", "mean attempts at 0, " + ", ".join(rates)], rows), end="\n\n")
    rows = []
    for name, rule in RULES.items():
        for called, estimate in (("k/n", plug_in), ("Jeffreys", jeffreys), ("unbiased", unbiased)):
            found = [errors(rule, estimate, rate) for rate in TRUE]
            rows.append([name, called, *(f"{100 * rms:.0f} ({100 * bias:+.0f})" for rms, bias in found)])
    print(table(["attempts", "forecast", *(f"{rate:g}" for rate in TRUE)], rows))


if __name__ == "__main__":
    main()
