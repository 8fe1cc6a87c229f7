"""Corrupted answers: how many of them `suspicion: label` finds, and how many sound labels it blames.

5 % of the stored answers are those of other questions of the same kind. The witnesses are asked one at a time: the
program's truth; the policy's own agreement; and where the policy is a seedling with noise on its weights, which is
often wrong, its own agreement again, and the seedling as it is, the stronger worker. All but the first speak only where
no attempt was right as the label has it, so recall is told of those corrupted labels as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.labels.leaks import share
from benchmarks.labels.taught import weakened
from benchmarks.problems import Cell, Drawn, Problems
from pipelines import difficulty
from pipelines.lake import Lake
from pipelines.workers import WorkerSpec

MIX = (("counting", 0), ("counting", 1), ("charts", 0), ("geometry", 0))
PROBLEMS = 800
NOISE = 0.3
WITNESSES = ("program", "agreement", "weak agreement", "weak stronger")


def measured(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Precision and recall of each witness alone."""
    return {"mix": MIX, "witnesses": {name: one(work, name, options) for name in WITNESSES}}


def one(work: Path, witness: str, options: argparse.Namespace) -> dict[str, Any]:
    """The difficulty of all problems, and which labels were suspected."""
    count = (options.problems or PROBLEMS) // len(MIX)
    cells = tuple(Cell(task=task, dial=dial, count=count) for task, dial in MIX)
    drawn = Drawn(cells=cells, seed=71, plant="answers", programs=witness == "program")
    problems = Problems.draw(Lake(work / "lake"), drawn)
    stronger = WorkerSpec("local:seedling")
    policy = weakened(work, NOISE) if "weak" in witness else stronger
    named = "seedling" if "stronger" in witness else ""
    looked = difficulty.Parameters(
        rollouts=8, iterations=4, blind=8, most=8, max_tokens=96, max_turns=2, stronger=named
    )
    rows = problems.measured(difficulty.STAGE, looked, policy, stronger if named else None, part_rows=50, wave_rows=50)
    planted = problems.planted
    flagged = {row["sample_id"] for row in rows if row["suspicion"] == "label"}
    unsolved = {row["sample_id"] for row in rows if row["iterations"] is None}
    return {
        "problems": len(rows),
        "pass_rate": round(sum(row["pass_rate"] for row in rows) / len(rows), 3),
        "planted": len(planted),
        "unsolved": len(unsolved),
        "suspected": len(flagged),
        "precision": share(len(flagged & planted), len(flagged)),
        "recall": share(len(flagged & planted), len(planted)),
        "recall_of_unsolved": share(len(flagged & planted & unsolved), len(planted & unsolved)),
    }


def table(result: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["| witness | precision | recall | recall where unsolved |", "|---|---|---|---|"]
    for name, row in result["witnesses"].items():
        cells = [
            f"{row[key]['share']:.2f} ({row[key]['low']:.2f}–{row[key]['high']:.2f} of {row[key]['of']})"
            for key in ("precision", "recall", "recall_of_unsolved")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
