"""The page's charts: what was counted, turned into panels with a title, a note, the drawing, and its words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from markupsafe import Markup

from flows.console import ARM_NAMES
from flows.report import charts
from flows.report.measures import tasks
from flows.report.vega import Spec, draw
from flows.results import PAIRS, Comparison

PANELS = 12
"""How many tasks or banks get a panel of their own; the tables name all."""

CURVES = (
    ("sft", "loss", None, True, "SFT loss", "a dot per step; the line is the mean around it"),
    (
        "grpo",
        "reward",
        "reward_std",
        False,
        "GRPO reward",
        "mean of a step's answers; the band is one standard deviation",
    ),
    ("sft", "mean_token_accuracy", None, False, "SFT token accuracy", "share of the next tokens that were guessed"),
    (
        "grpo",
        "frac_reward_zero_std",
        None,
        True,
        "GRPO groups without contrast",
        "all answers paid alike, nothing learnt",
    ),
    ("grpo", "completions/mean_length", None, True, "GRPO answer length", "tokens"),
    ("grpo", "tools/call_frequency", None, True, "GRPO tool calls", "per answer"),
)
"""Which logged values are drawn: trainer, key, key of the spread, whether the scale starts at 0, title, note."""


SPANS = {"banks": "drawing banks", "sft": "SFT", "grpo": "GRPO", "evaluate": "evaluation"}
"""What the stages beside the pool are called where their time is summed."""


FATE = {"sft": "chosen for SFT", "rl": "chosen for GRPO", "none": "not chosen"}
"""What the selection made of a sample, in words."""


@dataclass(frozen=True)
class Panel:
    """One chart with its caption."""

    title: str
    note: str
    svg: Markup


def funnel(rows: Sequence[dict[str, Any]]) -> Panel | None:
    """Where the rows of the pool's stages went."""
    if not rows:
        return None
    says = "; ".join(f"{row['name']} kept {row['kept'] + row['expanded']} of {row['read']}" for row in rows)
    return _panel("Where rows went", "kept and expanded, of all read", says, partial(charts.funnel, rows), "funnel")


def difficulty(rows: Sequence[dict[str, Any]], solved: Sequence[dict[str, Any]], tag: str) -> Iterator[Panel]:
    """Samples by their share of right answers and by the attempt that came first to one; then by share per task."""
    if solved:
        yield _shares("All tasks", [{**row, "task": "all"} for row in rows], f"{tag}-all")
        bars = attempts(solved)
        note = "samples by the attempt that was right first"
        yield _panel("Attempts until solved", note, _counts(bars), charts.histogram(bars), f"{tag}-search")
    for place, task in enumerate(tasks(rows)[:PANELS]):
        yield _shares(task["task"], [row for row in rows if row["task"] == task["task"]], f"{tag}-{place}")


def _shares(title: str, rows: Sequence[dict[str, Any]], tag: str) -> Panel:
    (total,), bars = tasks(rows), bins(rows)
    note = f"{total['samples']:,} sample{'s' if total['samples'] != 1 else ''}"
    if total["asked"]:
        note += f", {100 * total['right'] / total['asked']:.1f} % of answers right"
    return _panel(title, note, _counts(bars), charts.histogram(bars), tag)


def _counts(bars: Sequence[dict[str, Any]]) -> str:
    return ", ".join(f"{bar['samples']} at {bar['bin']}" for bar in bars if bar["samples"])


def attempts(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Samples by the attempt that was right first, in spans that double (1, 2, 3–4, 5–8, …), and the unsolved.

    `rows` hold `within` (the end of the span, None for unsolved), `split` and `samples`.
    """
    most = max((row["within"] or 1 for row in rows), default=1)
    ends: list[int | None] = [*(2**power for power in range(most.bit_length())), None]
    counted = {(row["within"], row["split"]): row["samples"] for row in rows}
    made = []
    for end in ends:
        name = "unsolved" if end is None else str(end) if end < 3 else f"{end // 2 + 1}–{end}"
        told = "unsolved" if end is None else f"solved at attempt {name}"
        for split in charts.SPLITS:
            number = counted.get((end, split), 0)
            says = f"{told}: {number:,} {FATE[split]}"
            made.append({"bin": name, "split": split, "samples": number, "says": says})
    return made


def bins(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Samples by share of right answers: as they were counted, k of n, where all were asked equally few questions;
    else by tenths. Empty places stay, so that scales agree.
    """
    asked = {row["n"] for row in rows}
    exact = len(asked) == 1 and 0 < max(asked) <= 8
    names = [f"{k}/{max(asked)}" for k in range(max(asked) + 1)] if exact else [f"{10 * tenth}" for tenth in range(10)]
    counted: dict[tuple[int, str], int] = {}
    for row in rows:
        place = row["k"] if exact else row["tenth"]
        if place is not None:
            counted[int(place), row["split"]] = counted.get((int(place), row["split"]), 0) + row["samples"]
    return [
        {
            "bin": name,
            "split": split,
            "samples": (number := counted.get((place, split), 0)),
            "says": f"{name if exact else f'{name} to {int(name) + 10} %'} right: {number:,} {FATE[split]}",
        }
        for place, name in enumerate(names)
        for split in charts.SPLITS
    ]


def accuracy(rows: Sequence[dict[str, Any]], tag: str) -> Iterator[Panel]:
    """Every policy on one bank after the other, all on one scale."""
    top = min(1.0, max((row["high"] for row in rows), default=1.0) * 1.25)
    banks = sorted({row["bank"] for row in rows})
    for place, bank in enumerate(banks[:PANELS]):
        mine = [row for row in rows if row["bank"] == bank]
        says = ", ".join(f"{ARM_NAMES.get(row['arm'], row['arm'])} {100 * row['accuracy']:.1f} %" for row in mine)
        asked = max(row["n"] for row in mine)
        yield _panel(bank, f"{asked:,} questions", says, charts.accuracy(mine, top), f"{tag}-{place}")


def differences(compared: Sequence[Comparison], tag: str) -> Iterator[Panel]:
    """What each step changed, bank by bank."""
    for before, after in PAIRS:
        rows = [row for row in compared if (row.before, row.after) == (before, after)][:PANELS]
        if rows:
            says = "; ".join(f"{row.bank} {100 * row.difference:+.1f} points" for row in rows)
            spec = partial(charts.differences, rows)
            title = f"{ARM_NAMES[before]} → {ARM_NAMES[after]}"
            yield _panel(title, "difference in points", says, spec, f"{tag}-{before}-{after}")


def curves(rows: Sequence[dict[str, Any]], tag: str) -> Iterator[Panel]:
    """What the trainers logged, where they did."""
    for place, (trainer, key, band, zero, title, note) in enumerate(CURVES):
        mine = [row for row in rows if row["trainer"] == trainer and any(key in step for step in row["steps"])]
        if mine:
            ends = [(row["arm"], [step[key] for step in row["steps"] if key in step]) for row in mine]
            says = ", ".join(f"{arm} from {values[0]:.3f} to {values[-1]:.3f}" for arm, values in ends)
            spec = partial(charts.curve, mine, key, band, zero)
            yield _panel(title, note, says, spec, f"{tag}-{place}")


def cost(costs: Sequence[dict[str, Any]], kept: int) -> Iterator[Panel]:
    """Milliseconds and tokens per kept sample, by stage; and where all the time went."""
    making = [row for row in costs if row["pool"] and kept]
    spent = [(row["name"], 1000 * row["seconds"] / kept, ",.1f") for row in making if row["seconds"]]
    read = [(row["name"], (row["prompt_tokens"] + row["completion_tokens"]) / kept, ",.0f") for row in making]
    spans = {"making samples": sum(row["seconds"] or 0 for row in making)}
    for row in costs:
        if not row["pool"]:
            span = SPANS.get(row["stage"], row["stage"])
            span = "the control" if "control_" in row["name"] and row["stage"] != "evaluate" else span
            spans[span] = spans.get(span, 0) + (row["seconds"] or 0)
    everything = [(name, seconds, ",.0f") for name, seconds in spans.items() if seconds] if len(spans) > 1 else []
    yield from _bars("Milliseconds per kept sample", f"of work, over {kept:,} kept samples", spent, "cost-time")
    tokens = [each for each in read if each[1]]
    yield from _bars("Tokens per kept sample", "read and written by the policy", tokens, "cost-tokens")
    yield from _bars("Seconds in all", "of work; the control is trained on random rows", everything, "cost-all")


def _bars(title: str, note: str, values: Sequence[tuple[str, float, str]], tag: str) -> Iterator[Panel]:
    rows = [{"name": name, "value": value, "text": f"{value:{form}}"} for name, value, form in values]
    if rows:
        says = ", ".join(f"{row['name']} {row['text']}" for row in rows)
        yield _panel(title, note, says, charts.bars(rows, title.lower()), tag)


def _panel(title: str, note: str, says: str, spec: Spec, tag: str) -> Panel:
    return Panel(title, note, draw(spec, tag, f"{title}: {says}"))
