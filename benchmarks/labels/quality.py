"""Which label of difficulty is right most often for the same number of rollouts.

The truth is the pass rate of 256 attempts at each problem. Four labels are compared with it, all with the same mean
number of rollouts, that of the sequential rule (with few and with many at most), and from rollouts that the truth has
not seen:

    first success   1 / (number of the first right attempt), 0 where none of the most was right (ThinkLite's count)
    flat            the share of so many attempts
    sequential      ours: 8 attempts, doubled while the interval straddles an edge of a band
    tree            the value of the root after a search of so many iterations that does not stop at a success

Attempts are drawn once, in a pool for each problem, which each label reads in several orders; the tree is searched.
A label's error is that of its band: the share of problems that it puts on the wrong side of an edge.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks import searched
from benchmarks.labels import asked
from benchmarks.problems import Cell, Drawn, Problems
from pipelines.lake import Lake
from pipelines.passrate import Rule
from pipelines.treesearch import Searching
from pipelines.workers import WorkerSpec

MIX = (("counting", 0), ("counting", 1), ("counting", 2), ("charts", 1), ("charts", 2))
PROBLEMS, TRUTH, POOL = 400, 256, 64
EDGES = (0.2, 0.8)
RULES = (Rule(8, 16, EDGES), Rule(8, 64, EDGES))
SPEC, BRIEF = WorkerSpec("local:seedling"), {"max_tokens": 96, "max_turns": 1}
ORDERS, RESAMPLES = 8, 400
CUT = {"part_rows": 25, "wave_rows": 25}
Numbers: TypeAlias = NDArray[np.float64]


def measured(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Rank correlation with the truth and error of the band for each label, at the budget of each rule."""
    count = options.problems or PROBLEMS
    cells = tuple(Cell(task=task, dial=dial, count=count // len(MIX)) for task, dial in MIX)
    problems = Problems.draw(Lake(work / "lake"), Drawn(cells=cells, seed=51))
    true = problems.measured(asked.STAGE, asked.Parameters(attempts=TRUTH, seed=1, **BRIEF), SPEC, **CUT)
    pooled = problems.ask(asked.STAGE, asked.Parameters(attempts=POOL, seed=2, **BRIEF), SPEC, **CUT).key
    names = sorted(row["sample_id"] for row in true)
    truth = in_order(names, {row["sample_id"]: row["pass_rate"] for row in true})
    pool = attempts(names, problems.lake.read(pooled, "rollouts").to_pylist())
    draw = np.random.default_rng(52)
    orders = [draw.permuted(pool, axis=1) for _ in range(ORDERS)]
    token = sum(row["tokens"] for row in true) / TRUTH / len(true)
    return {
        "problems": len(names),
        "mix": MIX,
        "truth": {"attempts": TRUTH, "in_bands": np.bincount(band(truth), minlength=len(EDGES) + 1).tolist()},
        "edges": EDGES,
        "budgets": [at_budget(problems, names, truth, orders, token, rule) for rule in RULES],
    }


def at_budget(
    problems: Problems, names: list[str], truth: Numbers, orders: list[Numbers], token: float, rule: Rule
) -> dict[str, Any]:
    """All labels with as many rollouts as the rule takes on average; `token` are those of one attempt."""
    looked = [sequential(order, rule) for order in orders]
    mean = float(np.mean([used for _, used in looked]))
    each, most = round(mean), patience(orders, mean)
    tree = Searching(iterations=each, stop="budget", seed=3, **BRIEF)
    trees = problems.measured(searched.STAGE, tree, SPEC, part_rows=100, wave_rows=100)
    labels = {
        "first success": [first(order, most) for order in orders],
        "flat": [order[:, :each].mean(axis=1) for order in orders],
        "sequential": [rates for rates, _ in looked],
        "tree": [in_order(names, {row["sample_id"]: row["pass_rate"] for row in trees})],
    }
    used = dict.fromkeys(labels, float(each)) | {"sequential": mean}
    used["first success"] = float(np.mean([spent(order, most) for order in orders]))
    tokens = {name: rollouts * token for name, rollouts in used.items()}
    tokens["tree"] = sum(row["tokens"] for row in trees) / len(trees)
    scored = compared(truth, labels)
    return {
        "most": rule.most,
        "interval": rule.method,
        "first_success_gives_up_after": most,
        "labels": {
            name: {"rollouts": round(used[name], 1), "tokens": round(tokens[name]), **scored[name]} for name in labels
        },
        "best": {
            "rank": max(scored, key=lambda name: scored[name]["spearman"]["mean"]),
            "band": min(scored, key=lambda name: scored[name]["band_error"]["mean"]),
        },
    }


def in_order(names: list[str], values: dict[str, float]) -> Numbers:
    return np.array([values[name] for name in names])


def attempts(names: list[str], rollouts: list[dict[str, Any]]) -> Numbers:
    """1 where attempt j at problem i was right."""
    found: dict[str, list[bool]] = {}
    for row in rollouts:
        found.setdefault(row["sample_id"], []).append(row["correct"])
    return np.array([found[name] for name in names], dtype=float)


def first(pool: Numbers, most: int) -> Numbers:
    """1 / number of the first success among `most`, else 0."""
    number = 1 + pool.argmax(axis=1)
    return np.where(pool.any(axis=1) & (number <= most), 1.0 / number, 0.0)


def spent(pool: Numbers, most: int) -> float:
    """Mean attempts until the first success, `most` at most."""
    return float(np.where(pool.any(axis=1), 1 + pool.argmax(axis=1), most).clip(max=most).mean())


def patience(orders: list[Numbers], each: float) -> int:
    """After how many attempts the count gives up, so that it costs nearest to `each` on average; the pool at most."""
    return min(range(1, POOL + 1), key=lambda most: abs(np.mean([spent(order, most) for order in orders]) - each))


def sequential(pool: Numbers, rule: Rule) -> tuple[Numbers, float]:
    """The rates at which the rule stops, and how many attempts it took on average."""
    rates, used = [], []
    for row in pool:
        for look in rule.looks:
            right = int(row[:look].sum())
            if rule.settled(right, look):
                break
        rates.append(right / look)
        used.append(look)
    return np.array(rates), float(np.mean(used))


def band(rates: Numbers) -> NDArray[np.int64]:
    """0 below the first edge, and so on; an edge belongs to what lies above."""
    return np.digitize(rates, EDGES)


def correlation(one: Numbers, other: Numbers) -> float:
    """Spearman's, ties at their mean rank; 0 where one is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def compared(truth: Numbers, labels: dict[str, list[Numbers]]) -> dict[str, dict[str, Any]]:
    """Each label's scores, with a 95 % interval over problems, and how much worse it is than ours on the same ones."""

    def scores(chosen: NDArray[np.int64]) -> dict[str, tuple[float, float]]:
        true, bands = truth[chosen], band(truth[chosen])
        return {
            name: (
                float(np.mean([correlation(each[chosen], true) for each in orders])),
                float(np.mean([np.mean(band(each[chosen]) != bands) for each in orders])),
            )
            for name, orders in labels.items()
        }

    draw, count = np.random.default_rng(53), len(truth)
    whole = scores(np.arange(count))
    again = [scores(draw.integers(0, count, count)) for _ in range(RESAMPLES)]
    found: dict[str, dict[str, Any]] = {}
    for name in labels:
        found[name] = {}
        for place, score in enumerate(("spearman", "band_error")):
            behind = [each[name][place] - each["sequential"][place] for each in again]
            found[name][score] = {"mean": round(whole[name][place], 3), **bounds([e[name][place] for e in again])}
            found[name][f"{score}_over_sequential"] = bounds(behind)
    return found


def bounds(values: list[float]) -> dict[str, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return {"low": round(float(low), 3), "high": round(float(high), 3)}


def table(result: dict[str, Any]) -> str:
    """As Markdown."""
    lines = [
        "| label | rollouts | tokens | rank correlation | band error | its band error less the sequential one's |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in ((name, row) for budget in result["budgets"] for name, row in budget["labels"].items()):
        scores = [row["spearman"], row["band_error"]]
        rank, error = (f"{each['mean']:.3f} ({each['low']:.3f}–{each['high']:.3f})" for each in scores)
        behind = row["band_error_over_sequential"]
        beside = "–" if name == "sequential" else f"{behind['low']:+.3f} to {behind['high']:+.3f}"
        lines.append(f"| {name} | {row['rollouts']:.1f} | {row['tokens']} | {rank} | {error} | {beside} |")
    return "\n".join(lines)
