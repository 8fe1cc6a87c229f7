"""What a run shows: the funnel of every stage, and accuracy per bank with honest intervals (design §11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pipelines.lake import Lake
from schemas.outcome import Counts
from trainers.statistics import holm, paired_bootstrap

if TYPE_CHECKING:
    from flows.plan import Node, Plan

FUNNEL = ("read", "kept", "expanded", "rejected", "failed", "children", "children_kept")


@dataclass(frozen=True)
class Comparison:
    """Accuracy of two policies on one bank's `n` questions; the interval is of the difference, 95 %, paired.

    `p_holm` is corrected over the banks of one round.
    """

    round: int
    before: str
    after: str
    bank: str
    n: int
    accuracy_before: float
    accuracy_after: float
    difference: float
    low: float
    high: float
    p_holm: float

    @property
    def better(self) -> bool:
        """Whether the gain stands at 5 % after Holm's correction."""
        return self.difference > 0 and self.p_holm <= 0.05


def funnel(lake: Lake, nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """One row per finished node: how many rows took each way. The law held, or there would be no manifest."""
    rows = []
    for node in nodes:
        found = lake.find(lake.resolve(node.key))
        if found is not None:
            counts: Counts = found.counts
            rows.append({"stage": node.name, **{name: getattr(counts, name) for name in FUNNEL}})
    return rows


def scores(lake: Lake, plan: Plan, number: int) -> dict[str, dict[str, dict[str, float]]]:
    """arm → bank → sample_id → 1.0 or 0.0 for one round. Rows without a verdict are left out."""
    result: dict[str, dict[str, dict[str, float]]] = {}
    for node in plan.nodes.values():
        if node.round == number and node.call.stage.table == "evals" and lake.find(node.key):
            for row in lake.read(node.key, "evals").to_pylist():
                if row["correct"] is not None:
                    banks = result.setdefault(row["arm"], {})
                    banks.setdefault(row["bank"], {})[row["sample_id"]] = float(row["correct"])
    return result


PAIRS = (("base", "sft"), ("base", "grpo"), ("sft", "grpo"), ("control_grpo", "grpo"))
"""What is compared: the whole round, each training alone, and the chosen data against the random control."""


def comparisons(lake: Lake, plan: Plan, number: int) -> list[Comparison]:
    """Every pair of `PAIRS` on every bank of one round, Holm-corrected over the banks of each pair."""
    found = scores(lake, plan, number)
    return [row for before, after in PAIRS for row in compare(found, number, before, after)]


def compare(
    found: Mapping[str, Mapping[str, Mapping[str, float]]], number: int, before: str, after: str
) -> list[Comparison]:
    """One pair of arms on every bank that both answered, question by question."""
    banks = sorted(found.get(before, {}).keys() & found.get(after, {}).keys())
    paired = []
    for bank in banks:
        shared = sorted(found[before][bank].keys() & found[after][bank].keys())
        if shared:
            first, second = found[before][bank], found[after][bank]
            paired.append((bank, paired_bootstrap([first[i] for i in shared], [second[i] for i in shared])))
    corrected = holm([result.p for _, result in paired])
    return [
        Comparison(
            number,
            before,
            after,
            bank,
            result.n,
            result.before,
            result.after,
            result.difference,
            result.low,
            result.high,
            p,
        )
        for (bank, result), p in zip(paired, corrected, strict=True)
    ]


def verdict(rows: Sequence[Comparison]) -> str:
    """One line: on how many banks +SFT+GRPO beats base, and what GRPO added."""
    whole = [row for row in rows if (row.before, row.after) == ("base", "grpo")]
    grpo = [row for row in rows if (row.before, row.after) == ("sft", "grpo")]
    better = [row.bank for row in whole if row.better]
    mean = sum(row.difference for row in grpo) / len(grpo) if grpo else 0.0
    return (
        f"+SFT+GRPO beats base on {len(better)} of {len(whole)} banks (paired bootstrap, Holm, 5 %)"
        + (f": {', '.join(better)}" if better else "")
        + f". GRPO alone changed accuracy by {100 * mean:+.1f} points (mean over banks)."
    )


def as_rows(rows: Sequence[Comparison]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]
