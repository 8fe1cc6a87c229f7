"""Whether measured difficulty rises with the dial, for every family.

A dial can only be felt by a policy that can do something of the family. So the families that the seedling was not grown
on are measured with a seedling that was first taught each for a little while (`taught.family`); the others with the
seedling as it is shipped, tools and all. Beside each pass rate stands what one gets right who never looks.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks.labels.asked import STAGE, Parameters
from benchmarks.labels.taught import family, taught
from benchmarks.problems import Cell, Drawn, Problems
from pipelines.lake import Lake
from pipelines.tasks import FAMILIES
from pipelines.workers import WorkerSpec
from trainers import sft
from trainers.seedling.corpus import TAUGHT
from trainers.seedling.evaluate import blind

RESAMPLES = 2000
PROBLEMS = 48


def measured(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Spearman's correlation of dial and measured difficulty for each family, with a bootstrapped interval."""
    found = {}
    for name in options.families or FAMILIES:
        found[name] = one(work, name, options)
        print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    return {"families": found}


def one(work: Path, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One family: pass rates by dial, and how they go with it. Difficulty is one minus the pass rate."""
    spec = WorkerSpec("local:seedling")
    if name not in TAUGHT:
        lessons = options.lessons
        p = sft.Parameters(steps=options.steps, batch=16, learning_rate=1e-3, base="seedling", save_every=50)
        spec = taught(work, name, lambda: family(name, lessons), [name, lessons, FAMILIES[name].VERSION], p)
    dials = range(len(FAMILIES[name].DIALS))
    cells = tuple(Cell(task=name, dial=dial, count=(options.problems or PROBLEMS)) for dial in dials)
    problems = Problems.draw(Lake(work / "lake"), Drawn(cells=cells, seed=11))
    p = Parameters(attempts=options.attempts, max_tokens=256, max_turns=4 if name in TAUGHT else 1)
    samples = problems.samples
    rows = problems.measured(STAGE, p, spec, part_rows=32, wave_rows=32)
    found = np.array([(samples[row["sample_id"]]["dial"], row["pass_rate"]) for row in rows])
    told = {"policy": "taught" if name not in TAUGHT else "shipped", "attempts": options.attempts}
    return {**told, **summary(found, guesses(name, (options.problems or PROBLEMS)))}


def guesses(name: str, count: int) -> list[float]:
    """Of each dial, the share right of one who gives to each kind of question its most frequent answer."""
    return [
        blind([FAMILIES[name].make(910_000_000 + seed, dial) for seed in range(count)])
        for dial in range(len(FAMILIES[name].DIALS))
    ]


def summary(found: np.ndarray, guess: list[float]) -> dict[str, Any]:
    """`found` holds a dial and a pass rate in each row."""
    draw = np.random.default_rng(5)
    resampled = [correlation(found[draw.integers(0, len(found), len(found))]) for _ in range(RESAMPLES)]
    low, high = np.quantile(resampled, [0.025, 0.975])
    means = [float(found[found[:, 0] == dial, 1].mean()) for dial in range(len(guess))]
    return {
        "problems": len(found),
        "pass_rate": [round(mean, 3) for mean in means],
        "blind_guess": [round(each, 3) for each in guess],
        "spearman": round(correlation(found), 3),
        "low": round(float(low), 3),
        "high": round(float(high), 3),
        "rises": bool(low > 0),
    }


def correlation(found: np.ndarray) -> float:
    """Of dial and difficulty; 0 where one of them is the same everywhere."""
    if np.ptp(found[:, 0]) == 0 or np.ptp(found[:, 1]) == 0:
        return 0.0
    return float(spearmanr(found[:, 0], 1 - found[:, 1]).statistic)


def table(result: dict[str, Any]) -> str:
    """As Markdown."""
    lines = [
        "| family | policy | pass rate by dial | blind guess by dial | Spearman | 95 % interval |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in result["families"].items():
        rates, guess = (", ".join(f"{each:.2f}" for each in row[key]) for key in ("pass_rate", "blind_guess"))
        interval = f"{row['low']:.2f} to {row['high']:.2f}"
        lines.append(f"| {name} | {row['policy']} | {rates} | {guess} | {row['spearman']:.2f} | {interval} |")
    return "\n".join(lines)
