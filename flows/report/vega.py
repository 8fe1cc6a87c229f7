"""Vega-Lite to SVG that lives in the page: its colours are the page's, its marks say what they show.

vl-convert runs Vega in this process; nothing is fetched, and the page needs no script to show a chart. A colour is the
name of a CSS variable (`ink("kept")`), so one drawing serves light and dark.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from markupsafe import Markup

FONT = "sans-serif"
"""What Vega measures texts with; the page then draws them in its own."""

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
VERSION = "6.4"
"""The Vega-Lite that vl-convert carries; the schema's address only names the language, nothing is fetched."""

NARROW, WIDE = 340, 520
"""Widths in pixels: a phone, and half of a wide page."""

Spec: TypeAlias = dict[str, Any] | Callable[[int], dict[str, Any]]

_NUMBERED = re.compile(r"\b(clip|gradient_)(\d+)\b")


def ink(name: str) -> str:
    """The page's colour of this name."""
    return f"var(--{name})"


CONFIG: dict[str, Any] = {
    "background": None,
    "font": FONT,
    "padding": {"left": 2, "right": 6, "top": 6, "bottom": 2},
    "view": {"stroke": None},
    "axis": {
        "labelColor": ink("soft"),
        "titleColor": ink("soft"),
        "titleFontWeight": "normal",
        "titleFontSize": 11,
        "labelFontSize": 11,
        "labelPadding": 6,
        "domain": False,
        "ticks": False,
        "gridColor": ink("line"),
    },
    "legend": {"labelColor": ink("ink"), "labelFontSize": 11, "title": None, "orient": "top", "symbolStrokeWidth": 2},
    "header": {"labelColor": ink("ink"), "labelFontSize": 12, "title": None},
    "text": {"color": ink("ink"), "fontSize": 11},
}


def draw(spec: Spec, name: str, says: str) -> Markup:
    """One chart as an `<svg>` element. `name` is unique in the page; `says` is the chart in words.

    A specification that is a function of the width is drawn twice, and the page shows the one for which it has room.
    """
    if callable(spec):
        return Markup("").join(
            _svg(spec(width), f"{name}-{kind}", says, f"chart {kind}")
            for kind, width in (("narrow", NARROW), ("wide", WIDE))
        )
    return _svg(spec, name, says, "chart")


def _svg(spec: dict[str, Any], name: str, says: str, kind: str) -> Markup:
    import vl_convert

    svg = vl_convert.vegalite_to_svg({"$schema": SCHEMA, "config": CONFIG, **spec}, VERSION, allowed_base_urls=[])
    numbers: dict[str, int] = {}

    def renamed(match: re.Match[str]) -> str:
        return f"{name}-{match[1]}{numbers.setdefault(match[0], len(numbers))}"

    svg = _NUMBERED.sub(renamed, svg)  # two charts of one page would share ids, and Vega counts on from chart to chart
    svg = svg.replace(f' font-family="{FONT}"', "")
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
    assert size is not None, "Vega states the size of an SVG"
    head = Markup('<svg class="{}" role="img" aria-label="{}" viewBox="0 0 {} {}" style="--natural:{}px">')
    body = Markup(svg[svg.index(">") + 1 :])  # noqa: S704 - drawn by Vega, which escapes its texts
    return head.format(kind, says, size[1], size[2], size[1]) + body
