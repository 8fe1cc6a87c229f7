"""What the terminal shows: tables, progress lines, one clear line per error."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_WIDTH = None if sys.stdout.isatty() else 160  # a file or a pipe has no width of its own

out = Console(highlight=False, soft_wrap=True, width=_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True, width=_WIDTH)

ARM_NAMES = {
    "base": "base",
    "sft": "+SFT",
    "grpo": "+SFT+GRPO",
    "control_sft": "random +SFT",
    "control_grpo": "random +SFT+GRPO",
}


def table(title: str, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Print rows as a table; numbers stand right."""
    listed = list(rows)
    names = list(columns or (listed[0].keys() if listed else ()))
    numbers = [all(isinstance(row.get(name), int | float | None) for row in listed) for name in names]
    grid(title, names, [[cell(row.get(name)) for name in names] for row in listed], numbers)


def grid(title: str, names: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    """Print texts as a table; names may come twice. `right` says which columns stand right."""
    view = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for name, number in zip(names, right, strict=True):
        view.add_column(escape(name), justify="right" if number else "left", overflow="fold")
    for row in rows:
        view.add_row(*map(escape, row))
    out.print(view)
    out.print()


def print_json(value: Any) -> None:
    """Plain JSON on standard output."""
    print(json.dumps(value, indent=1, default=str), flush=True)  # noqa: T201  # rich would wrap and colour it


def peak_memory() -> str:
    """The most memory that this process, and the largest process it started and saw end, ever held."""
    own, child = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return f"peak memory {own:.0f} MiB, largest child process {child:.0f} MiB"


def cell(value: Any) -> str:
    """One value as short text."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "…"


def accuracy(rows: Sequence[Mapping[str, Any]], found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Accuracy per bank and arm, then each comparison with its interval."""
    banks = sorted({bank for arm in found.values() for bank in arm})
    view = []
    for bank in banks:
        line: dict[str, Any] = {"bank": bank, "n": max(len(arm.get(bank, {})) for arm in found.values())}
        for arm, name in ARM_NAMES.items():
            answers = found.get(arm, {}).get(bank)
            line[name] = f"{100 * sum(answers.values()) / len(answers):.1f} %" if answers else ""
        view.append(line)
    table("Accuracy on held-out banks", view)
    table(
        "Paired differences, in points (95 % bootstrap interval; p after Holm over banks)",
        [
            {
                "from": ARM_NAMES[row["before"]],
                "to": ARM_NAMES[row["after"]],
                "bank": row["bank"],
                "difference": f"{100 * row['difference']:+.1f}",
                "interval": f"[{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]",
                "p": f"{row['p_holm']:.4f}",
            }
            for row in rows
        ],
    )


class Progress:
    """Says how far a stage is, with the time it still needs, once it has taken more than five seconds."""

    def __init__(self, name: str, every: float = 5.0, unit: str = "parts") -> None:
        self.name, self.every, self.unit = name, every, unit
        self.began = self.started = self.said = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` parts, or of what `unit` names, are finished."""
        now = time.monotonic()
        if done == 0:  # what came before was no part of the work whose end is foretold
            self.started = now
        if not total or now - self.said < self.every:
            return
        self.said = now
        if total == 1:
            err.print(f"[dim]  {self.name}: {now - self.began:.0f} s so far[/dim]")
            return
        left = (now - self.started) / done * (total - done) if done else None
        eta = f", about {left:.0f} s to go" if left is not None else ""
        err.print(f"[dim]  {self.name}: {done} of {total} {self.unit}{eta}[/dim]")


def fail(message: str) -> None:
    """One clear error on standard error."""
    err.print(f"[bold red]error:[/bold red] {escape(message)}")
    sys.stderr.flush()
