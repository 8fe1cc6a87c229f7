"""Contrast (WCAG 2.2): text at least 4.5 to 1 on every ground, marks of charts at least 3 to 1 on their card."""

from __future__ import annotations

import re

import pytest

from flows.report.charts import ARMS, CURVES, SPLITS, WAYS
from flows.report.page import TEMPLATES

STYLE = (TEMPLATES / "style.css").read_text()


def colours(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark if scheme == "dark" else light))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(scheme: str) -> None:
    known = colours(scheme)
    pairs = [(ink, ground) for ink in ("ink", "soft") for ground in ("paper", "card", "sunk")]
    pairs += [("good", "good-back"), ("bad", "bad-back"), ("accent", "paper"), ("paper", "ink")]
    low = {pair: ratio for pair in pairs if (ratio := contrast(known[pair[0]], known[pair[1]])) < 4.5}
    assert not low


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_can_be_seen(scheme: str) -> None:
    known = colours(scheme)
    marks = {*WAYS.values(), *SPLITS.values(), *ARMS.values(), *CURVES.values(), "accent"}
    low = {mark: ratio for mark in marks if (ratio := contrast(known[mark], known["card"])) < 3}
    assert not low


def test_both_schemes_set_the_same_colours() -> None:
    assert colours("light").keys() == colours("dark").keys()
    used = set(re.findall(r"var\(--([\w-]+)\)", STYLE)) - {"natural", "shade"}
    assert used <= colours("light").keys()
