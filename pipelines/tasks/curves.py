"""Functions with whole or half parameters, their values as fractions, and where they meet."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

REACH = 5
"""The plot shows both axes from -REACH to REACH."""

Curve = dict[str, Any]
"""{"kind", "a": text of a fraction, "h", "k", "colour", "values": at x = -4 … 4}; see `value`."""


def value(curve: Curve, x: float) -> float:
    """f(x) with t = x - h. line: at+k, parabola: at²+k, corner: a|t|+k, cubic: at(t²-4)+k, wave: a sin(πt/2)+k.

    Exact at whole and half places: all parameters are multiples of a quarter.
    """
    a, t, k = _ratio(curve["a"]), float(x - curve["h"]), float(curve["k"])
    match curve["kind"]:
        case "line":
            return a * t + k
        case "parabola":
            return a * t * t + k
        case "corner":
            return a * abs(t) + k
        case "cubic":
            return a * t * (t * t - 4) + k
    return a * (0, 1, 0, -1)[int(t) % 4] + k if t == int(t) else a * math.sin(math.pi * t / 2) + k


@cache
def _ratio(text: str) -> float:
    return float(Fraction(text))


def curve(rng: random.Random, kind: str, colour: str) -> Curve:
    """A function of that kind, most of which lies within the plot."""
    sign = rng.choice((-1, 1))
    h, k = rng.randint(-3, 3), rng.randint(-3, 3)
    a = {
        "line": rng.choice(("1/2", "1", "2", "3/2")),
        "parabola": rng.choice(("1/2", "1", "2")),
        "corner": rng.choice(("1/2", "1", "2")),
        "cubic": rng.choice(("1/4", "1/2")),
        "wave": rng.choice(("1", "2", "3")),
    }[kind]
    if kind in ("parabola", "corner"):
        k = sign * -abs(k) if rng.random() < 0.7 else k
    made: Curve = {"kind": kind, "a": str(sign * Fraction(a)), "h": h, "k": k, "colour": colour}
    made["values"] = [plain(value(made, x)) for x in range(-4, 5)]
    return made


def plain(number: float) -> float:
    """A number as an int where it is whole."""
    return int(number) if number == int(number) else number


def meetings(one: Curve, other: Curve | None) -> list[tuple[float, float]] | None:
    """Where two curves (or one and the x-axis) meet within the plot; None where a picture cannot tell.

    It cannot where they touch or nearly do, or where they meet close to the edge of the plot.
    """
    found, steps = [], 40
    before: float | None = None
    gaps = []
    for index in range(-(REACH + 1) * steps, (REACH + 1) * steps):
        x = (index + 0.5) / steps
        y = value(one, x)
        gap = y - (value(other, x) if other else 0.0)
        if before is not None and (before < 0) != (gap < 0):
            across = x - 1 / steps * abs(gap) / (abs(gap) + abs(before))
            found.append((across, value(one, across)))
        before = gap
        gaps.append((x, y, abs(gap)))
    for low, middle, high in zip(gaps, gaps[1:], gaps[2:], strict=False):
        near = (
            middle[2] <= min(low[2], high[2]) and middle[2] < 0.4 and max(abs(middle[0]), abs(middle[1])) < REACH + 0.5
        )
        if near and not any(abs(at - middle[0]) < 2.5 / steps for at, _ in found):
            return None
    shown = []
    for x, y in found:
        edge = max(abs(x), abs(y))
        if REACH - 0.3 < edge < REACH + 0.4:
            return None
        if edge < REACH:
            shown.append((x, y))
    if any(b[0] - a[0] < 0.6 for a, b in pairwise(shown)):
        return None
    return shown


def formula(curve: Curve) -> str:
    """The function as one writes it by hand."""
    a, h, k = Fraction(curve["a"]), curve["h"], curve["k"]
    t = "x" if h == 0 else f"(x {'-' if h > 0 else '+'} {abs(h)})"
    inner = {
        "line": t,
        "parabola": f"{t}²",
        "corner": f"|{t.strip('()')}|",
        "cubic": f"{t}({t}² - 4)",
        "wave": f"sin(π/2 · {t})",
    }[curve["kind"]]
    factor = {Fraction(1): "", Fraction(-1): "-"}.get(a, f"{a} ")
    return f"{factor}{inner}" + (f" {'+' if k > 0 else '-'} {abs(k)}" if k else "")


def beside(curves: list[Curve], drawn: Curve) -> tuple[float, float]:
    """Where the name of a graph is written: beside it, away from the other graph and from the axes."""

    def room(x: float) -> float:
        y = value(drawn, x)
        others = [abs(value(other, x) - y) for other in curves if other is not drawn]
        return min([*others, abs(x) + 0.4, abs(y) + 0.8, 2.0]) - 9 * (abs(y) > 4.2)

    x = max((at / 8 for at in range(-35, 36)), key=lambda at: (room(at), at))
    y = value(drawn, x)
    steep = abs(value(drawn, x + 0.1) - y) > 0.15
    return (x + (0.5 if x < 4 else -0.5), y) if steep else (x, y + 0.5)
