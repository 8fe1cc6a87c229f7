"""The page: every section's figures, in the order in which a reader asks for them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from flows.console import ARM_NAMES
from flows.report import figures, measures
from flows.report.bands import bands, solved, suspected
from flows.report.chain import chain, longest
from flows.report.gallery import gallery, stored
from flows.report.pictures import SIDE, shown
from flows.report.rejected import rules
from flows.report.source import Source, open_run
from flows.results import verdict
from flows.review.measures import precision
from pipelines.lake import Lake, files

TEMPLATES = Path(__file__).parent / "templates"

LISTED = 200
"""The most rows of any list or table; what is left out is counted."""


def write_report(lake: Lake, out: Path, run_id: str | None = None, sample: str | None = None) -> Path:
    """Write the report of a run (`source.wanted_run` says which) as one HTML file.

    Raises `NoRun`, `Damaged`, and `NoSample` when `sample` starts no id, or several.
    """
    with open_run(lake, run_id) as source:
        page = render(source, sample)
    out.parent.mkdir(parents=True, exist_ok=True)
    files.replace(out, page.encode())
    return out


def render(source: Source, sample: str | None = None) -> str:
    """The whole page; `sample` is the row whose lineage is drawn. No clock in it: equal runs, equal pages."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.filters.update(n=number, pct=percent, short=short, clock=duration, when=when)
    environment.filters.update(solved=solved, suspected=suspected)
    lineage = _lineage(source, sample)  # first: a wrong id is told before anything is drawn
    totals, ways = measures.totals(source), measures.funnel(source)
    curated = source.rows(measures.QUERIES["curated"])
    kept = sum(row["samples"] for row in curated if row["arm"] == "curated") or totals["samples"]
    costs = measures.costs(source, kept)
    pool = [row for row in ways if row["pool"] and row["read"]]
    return environment.get_template("page.html.jinja").render(
        run=source.run,
        seconds=_seconds(source.run.started, source.run.ended),
        style=_own("style.css"),
        script=_own("script.js"),
        sql=measures.QUERIES,
        listed=LISTED,
        totals=totals,
        kept=kept,
        funnel=[row for row in ways if row["pool"]],
        apart=[row for row in ways if not row["pool"]],
        funnel_chart=figures.funnel(pool),
        rules=rules(source),
        failures=source.rows(measures.QUERIES["failures"]),
        gallery=gallery(source),
        samples=source.rows(measures.QUERIES["samples"]),
        reviewed=precision(source),
        rounds=_rounds(source),
        arms=ARM_NAMES,
        costs=costs,
        cost_charts=list(figures.cost(costs, kept)),
        lineage=lineage,
    )


def number(value: float | int | None, digits: int = 0) -> str:
    """A number as it is read: 1,234 or 0.37; a dash for none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share as 26.7 %."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def short(value: str) -> str:
    """An id by its first characters; other names whole."""
    return value[:12] if len(value) == 32 and all(c in "0123456789abcdef" for c in value) else value


def duration(seconds: float | None) -> str:
    """Seconds as 4.2 s, 13 min 05 s or 2 h 07 min."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def when(moment: str | None) -> str:
    """A moment as 2026-11-22 12:20 UTC."""
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC" if moment else "–"


def _own(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file


def _seconds(started: str | None, ended: str | None) -> float | None:
    if not started or not ended:
        return None
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()


def _rounds(source: Source) -> list[dict[str, Any]]:
    """Difficulty, accuracy and training, round by round."""
    asked = ("difficulty", "solved", "measured")
    counted = {name: source.rows(measures.QUERIES[name]) for name in asked}
    counted |= {"accuracy": measures.accuracies(source), "curves": measures.curves(source)}
    rounds, numbers = [], measures.rounds(source)
    for place in numbers:
        rows = {name: [row for row in found if row["round"] == place] for name, found in counted.items()}
        compared = measures.comparisons(source, place)
        whole = any((row.before, row.after) == ("base", "grpo") for row in compared)
        rounds.append(
            {
                "number": place,
                "tasks": [row for row in rows["measured"] if row["task"] is not None],
                "measured": next((row for row in rows["measured"] if row["task"] is None), None),
                "bands": bands(source, place) if place == numbers[-1] else [],
                "drift": measures.drift(source, place - 1, place) if place - 1 in numbers else [],
                "difficulty": list(figures.difficulty(rows["difficulty"], rows["solved"], f"difficulty{place}")),
                "accuracy": list(figures.accuracy(rows["accuracy"], f"accuracy{place}")),
                "cells": {(row["bank"], row["arm"]): row for row in rows["accuracy"]},
                "banks": sorted({row["bank"] for row in rows["accuracy"]}),
                "differences": list(figures.differences(compared, f"change{place}")),
                "comparisons": compared,
                "verdict": verdict(compared) if whole else None,
                "curves": list(figures.curves(rows["curves"], f"curve{place}")),
            }
        )
    return rounds


def _lineage(source: Source, sample: str | None) -> dict[str, Any] | None:
    if sample is None:
        sample_id = longest(source)
        if sample_id is None:
            return None
    else:
        from flows.sample_view import SampleView

        sample_id = SampleView.find(source.connection, sample).sample_id
    row = source.rows("SELECT image_ids, question FROM samples WHERE sample_id = ?", sample_id)[0]
    image = stored(source, row["image_ids"][0])
    return {
        "sample_id": sample_id,
        "question": row["question"],
        "picture": shown(image, SIDE) if image else None,
        "links": chain(source, sample_id),
    }
