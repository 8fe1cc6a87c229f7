"""Leaked answers: how many are found blind-solvable, and how many questions that leak nothing are called so.

A quarter of the questions tell their answer, beside its option or behind the question. Whoever cannot read a leak
cannot use it, so the policy is a seedling that was taught to (`taught.reading`); it answers other questions as before.
A question that leaks nothing and is called blind-solvable is counted as a false alarm, though some can be guessed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.labels.taught import reading, taught
from benchmarks.problems import Cell, Drawn, Problems
from pipelines import difficulty
from pipelines.intervals import wilson
from pipelines.lake import Lake
from trainers import sft

MIX = (("counting", 0), ("counting", 1), ("charts", 0), ("mazes", 1))
PROBLEMS, SHARE = 400, 0.25
LESSONS, STEPS = 1600, 200
WANTED = 0.95


def measured(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Recall, false alarms, and how well the policy reads a leak at all."""
    p = sft.Parameters(steps=STEPS, batch=32, learning_rate=5e-4, base="seedling", save_every=50)
    spec = taught(work, "reading", lambda: reading(MIX, LESSONS), [MIX, LESSONS], p)
    count = (options.problems or PROBLEMS) // len(MIX)
    cells = tuple(Cell(task=task, dial=dial, count=count) for task, dial in MIX)
    problems = Problems.draw(Lake(work / "lake"), Drawn(cells=cells, seed=61, plant="leaks", share=SHARE))
    looked = difficulty.Parameters(rollouts=8, blind=8, iterations=0, max_tokens=96, max_turns=1)
    rows = problems.measured(difficulty.STAGE, looked, spec, part_rows=50, wave_rows=50)
    leaked = problems.planted
    found = [row["blind_solvable"] for row in rows if row["sample_id"] in leaked]
    clean = [row for row in rows if row["sample_id"] not in leaked]
    alarms = {row["sample_id"]: row["blind_rate"] for row in clean if row["blind_solvable"]}
    rate = [row["blind_rate"] for row in rows if row["sample_id"] in leaked]
    return {
        "problems": len(rows),
        "mix": MIX,
        "leaked": len(leaked),
        "recall": share(sum(found), len(found)),
        "false_alarms": share(len(alarms), len(clean)),
        "false_alarms_blind_rates": sorted(round(each, 3) for each in alarms.values()),
        "leaked_blind_rate": round(sum(rate) / len(rate), 3),
        "clean_blind_rate": round(sum(row["blind_rate"] for row in clean) / len(clean), 3),
        "clean_pass_rate": round(sum(row["pass_rate"] for row in clean) / len(clean), 3),
        "wanted": {"recall": WANTED},
        "met": sum(found) >= WANTED * len(found),
    }


def share(count: int, of: int) -> dict[str, float]:
    """A share with Wilson's interval, and what it is of."""
    low, high = wilson(count, of)
    return {"share": round(count / of, 3) if of else 0.0, "low": round(low, 3), "high": round(high, 3), "of": of}


def table(result: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["| | share | 95 % interval | of |", "|---|---|---|---|"]
    for name in ("recall", "false_alarms"):
        row = result[name]
        lines.append(
            f"| {name.replace('_', ' ')} | {row['share']:.3f} | {row['low']:.3f}–{row['high']:.3f} | {row['of']} |"
        )
    return "\n".join(lines)
