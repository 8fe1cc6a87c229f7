"""The plots of a dataset card, as PNG files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.cards.counts import DRAWN, drawn
from flows.report.source import Source
from flows.report.vega import SCHEMA, VERSION

TITLES = {
    "difficulty": "share of the policy's answers that were right (each bar: a tenth)",
    "lengths": "characters of question and taught text, from … up to twice as many",
}


def paint(source: Source, folder: Path, arm: str) -> dict[str, str]:
    """Write the plots that the run has rows for; returns title by file name."""
    import vl_convert

    painted = {}
    for name in DRAWN:
        rows = drawn(source, name, arm)
        if rows:
            folder.mkdir(parents=True, exist_ok=True)
            png = vl_convert.vegalite_to_png(_bars(rows, TITLES[name]), VERSION, scale=2, allowed_base_urls=[])
            (folder / f"{name}.png").write_bytes(png)
            painted[f"{name}.png"] = TITLES[name]
    return painted


def _bars(rows: Sequence[dict[str, Any]], title: str) -> dict[str, Any]:
    x = {"field": "least", "type": "ordinal", "title": title, "axis": {"labelAngle": 0}}
    return {
        "$schema": SCHEMA,
        "width": 420,
        "height": 160,
        "background": "white",
        "data": {"values": list(rows)},
        "mark": {"type": "bar", "color": "#4c78a8"},
        "encoding": {"x": x, "y": {"field": "samples", "type": "quantitative", "title": "samples"}},
    }
