"""What is drawn: one Vega-Lite specification per panel, narrow enough that a phone shows them one by one.

Colours are names of the page's (`vega.ink`); every mark carries a sentence, which the page shows under the pointer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from flows.console import ARM_NAMES
from flows.report.vega import NARROW, ink
from flows.results import Comparison

Spec: TypeAlias = dict[str, Any]
Rows: TypeAlias = Sequence[dict[str, Any]]

WAYS = {"kept": "kept", "expanded": "expanded", "rejected": "rejected", "failed": "failed"}
SPLITS = {"sft": "sft", "rl": "grpo", "none": "rest"}
ARMS = {"base": "rest", "sft": "sft", "grpo": "grpo", "control_sft": "sft", "control_grpo": "grpo"}
"""Colours of the ways out of a stage, of what curation made of a row, and of the policies that are compared."""

CURVES = {"curated": "grpo", "random": "rest"}


def funnel(rows: Rows, width: int = NARROW) -> Spec:
    """Bars per stage, cut by where the rows went."""
    values = [
        {
            "stage": row["name"],
            "way": way,
            "rows": row[way],
            "order": order,
            "says": f"{row['name']}: {row[way]:,} {way}",
        }
        for row in rows
        for order, way in enumerate(WAYS)
        if row[way]
    ]
    ends = [
        {"stage": row["name"], "read": row["read"], "text": f"{row['kept'] + row['expanded']:,} of {row['read']:,}"}
        for row in rows
    ]
    stages = [row["name"] for row in rows]
    y = {"field": "stage", "type": "nominal", "sort": stages, "title": None, "axis": {"labelLimit": 110}}
    top = max((row["read"] for row in rows), default=1)
    return {
        "width": width - 105,
        "height": {"step": 27},
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "bar", "height": {"band": 0.62}},
                "encoding": {
                    "y": y,
                    "x": {
                        "field": "rows",
                        "type": "quantitative",
                        "title": None,
                        "axis": None,
                        "scale": {"domain": [0, top * 1.38]},
                    },
                    "color": _colours("way", WAYS),
                    "order": {"field": "order"},
                    "description": {"field": "says"},
                },
            },
            {
                "data": {"values": ends},
                "mark": {"type": "text", "align": "left", "dx": 5, "color": ink("soft")},
                "encoding": {
                    "y": y,
                    "x": {"field": "read", "type": "quantitative"},
                    "text": {"field": "text"},
                },
            },
        ],
    }


def histogram(rows: Rows, colours: dict[str, str] = SPLITS, height: int = 120) -> Spec:
    """Samples by their place on a scale; `rows` hold `bin` (in order), `split`, `samples`, `says`."""
    bins = list(dict.fromkeys(row["bin"] for row in rows))
    return {
        "width": NARROW - 60,
        "height": height,
        "data": {"values": [{**row, "order": list(colours).index(row["split"])} for row in rows]},
        "mark": {"type": "bar", "width": {"band": 0.86}},
        "encoding": {
            "x": {"field": "bin", "type": "ordinal", "sort": bins, "title": None, "axis": {"labelAngle": 0}},
            "y": {
                "field": "samples",
                "type": "quantitative",
                "title": None,
                "axis": {"tickCount": 3, "tickMinStep": 1, "format": "~s"},
            },
            "color": _colours("split", colours),
            "order": {"field": "order"},
            "description": {"field": "says"},
        },
    }


def accuracy(rows: Rows, top: float) -> Spec:
    """One bank: a dot per policy with its 95 % interval. `top` is where the scale ends, 0 to 1."""
    arms = [arm for arm in ARM_NAMES if any(row["arm"] == arm for row in rows)]
    values = [
        {
            **row,
            "policy": ARM_NAMES[row["arm"]],
            "control": row["arm"].startswith("control"),
            "text": f"{100 * row['accuracy']:.1f}",
            "says": f"{ARM_NAMES[row['arm']]}: {100 * row['accuracy']:.1f} %, {row['k']} of {row['n']} right,"
            f" 95 % interval {100 * row['low']:.1f} to {100 * row['high']:.1f}",
        }
        for row in rows
    ]
    y = {
        "field": "policy",
        "type": "nominal",
        "sort": [ARM_NAMES[arm] for arm in arms],
        "title": None,
        "axis": {"labelLimit": 120},
    }
    scale = {"domain": [0, top]}
    x = {
        "field": "low",
        "type": "quantitative",
        "title": None,
        "scale": scale,
        "axis": {"format": ".0%", "values": [0, 0.2, 0.4, 0.6, 0.8, 1], "labelFlush": False},
    }
    colour = {
        "field": "arm",
        "type": "nominal",
        "scale": {"domain": arms, "range": [ink(ARMS[arm]) for arm in arms]},
        "legend": None,
    }
    return {
        "width": NARROW - 160,
        "height": {"step": 24},
        "data": {"values": values},
        "encoding": {"y": y, "color": colour, "description": {"field": "says"}},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.35, "strokeCap": "round"},
                "encoding": {"x": x, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "size": 70, "strokeWidth": 2, "opacity": 1},
                "encoding": {
                    "x": {"field": "accuracy", "type": "quantitative"},
                    "fill": {
                        "condition": {"test": "datum.control", "value": ink("card")},
                        "field": "arm",
                        "type": "nominal",
                        "scale": colour["scale"],
                        "legend": None,
                    },
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 8, "color": ink("ink"), "fontWeight": 600},
                "encoding": {
                    "x": {"field": "high", "type": "quantitative"},
                    "text": {"field": "text"},
                    "color": {"value": ink("ink")},
                },
            },
        ],
    }


def differences(rows: Sequence[Comparison], width: int = NARROW) -> Spec:
    """One pair of policies: how accuracy changed on every bank, in points, with its paired 95 % interval."""
    values = [
        {
            "bank": row.bank,
            "low": 100 * row.low,
            "high": 100 * row.high,
            "difference": 100 * row.difference,
            "state": "better" if row.better else "worse" if row.difference < 0 and row.p_holm <= 0.05 else "open",
            "text": f"{100 * row.difference:+.1f}".replace("-", "−"),
            "says": f"{row.bank}: {100 * row.difference:+.1f} points, 95 % interval {100 * row.low:+.1f} to"
            f" {100 * row.high:+.1f}, p {row.p_holm:.4f} after Holm",
        }
        for row in rows
    ]
    reach = max([5.0, *(100 * abs(end) for row in rows for end in (row.low, row.high))]) * 1.3
    x = {
        "field": "low",
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [-reach, reach]},
        "axis": {"tickCount": 4, "format": "+d", "labelOverlap": True},
    }
    states = {"better": "kept", "worse": "failed", "open": "rest"}
    return {
        "width": width - 105,
        "height": {"step": 26},
        "layer": [
            {
                "data": {"values": [{}]},
                "mark": {"type": "rule", "color": ink("soft"), "strokeDash": [2, 3]},
                "encoding": {"x": {"datum": 0, "type": "quantitative"}},
            },
            {
                "data": {"values": values},
                "encoding": {
                    "y": {"field": "bank", "type": "nominal", "title": None, "axis": {"labelLimit": 110}},
                    "color": _colours("state", states),
                    "description": {"field": "says"},
                },
                "layer": [
                    {
                        "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.45, "strokeCap": "round"},
                        "encoding": {"x": x, "x2": {"field": "high"}},
                    },
                    {
                        "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
                        "encoding": {"x": {"field": "difference", "type": "quantitative"}},
                    },
                    {
                        "mark": {"type": "text", "dy": -10, "fontSize": 10},
                        "encoding": {
                            "x": {"field": "difference", "type": "quantitative"},
                            "text": {"field": "text"},
                            "color": {"value": ink("ink")},
                        },
                    },
                ],
            },
        ],
    }


def curve(rows: Rows, key: str, band: str | None = None, zero: bool = False, width: int = NARROW) -> Spec:
    """What a trainer logged under `key`, one line per arm over faint points; `band` is a spread around it."""
    values = [
        {
            "arm": row["arm"],
            "step": step["step"],
            "value": step[key],
            "spread": step.get(band, 0.0) if band else 0.0,
            "says": f"{row['arm']}, step {step['step']:.0f}: {step[key]:.3f}",
        }
        for row in rows
        for step in row["steps"]
        if key in step and "step" in step
    ]
    window = max(1, max(len(row["steps"]) for row in rows) // 24)
    x = {"field": "step", "type": "quantitative", "title": "step", "axis": {"tickCount": 5, "grid": False}}
    y = {"type": "quantitative", "title": None, "axis": {"tickCount": 4}, "scale": {"zero": zero}}
    colour = _colours("arm", {name: CURVES[name] for name in CURVES if any(v["arm"] == name for v in values)})
    layers: list[Spec] = [
        {
            "mark": {"type": "circle", "size": 9 if window > 1 else 22, "opacity": 0.4},
            "encoding": {"y": {**y, "field": "value"}, "description": {"field": "says"}},
        },
        {
            "mark": {"type": "line", "strokeWidth": 2.2, "interpolate": "monotone", "aria": False},
            "encoding": {"y": {**y, "field": "smooth"}},
        },
    ]
    if band:
        layers.insert(
            0,
            {
                "mark": {"type": "area", "opacity": 0.13, "interpolate": "monotone", "aria": False},
                "encoding": {"y": {**y, "field": "lower"}, "y2": {"field": "upper"}},
            },
        )
    return {
        "width": width - 50,
        "height": 170,
        "data": {"values": values},
        "transform": [
            {
                "window": [{"op": "mean", "field": "value", "as": "smooth"}],
                "frame": [-window, window],
                "sort": [{"field": "step"}],
                "groupby": ["arm"],
            },
            {"calculate": "datum.smooth - datum.spread", "as": "lower"},
            {"calculate": "datum.smooth + datum.spread", "as": "upper"},
        ],
        "encoding": {"x": x, "color": colour},
        "layer": layers,
    }


def bars(rows: Rows, unit: str) -> Spec:
    """One bar per row (`name`, `value`, `text`, `colour`), longest scale shared."""
    top = max((row["value"] for row in rows), default=1) or 1
    y = {
        "field": "name",
        "type": "nominal",
        "sort": [row["name"] for row in rows],
        "title": None,
        "axis": {"labelLimit": 110},
    }
    x = {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "axis": None,
        "scale": {"domain": [0, top * 1.3]},
    }
    return {
        "width": NARROW - 105,
        "height": {"step": 24},
        "data": {"values": [{**row, "says": f"{row['name']}: {row['text']} {unit}"} for row in rows]},
        "encoding": {"y": y, "x": x},
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.6}, "color": ink("accent")},
                "encoding": {"description": {"field": "says"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 5, "color": ink("soft")},
                "encoding": {"text": {"field": "text"}},
            },
        ],
    }


def _colours(field: str, names: dict[str, str]) -> Spec:
    scale = {"domain": list(names), "range": [ink(colour) for colour in names.values()]}
    return {"field": field, "type": "nominal", "scale": scale, "legend": None}
