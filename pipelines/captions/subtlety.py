"""How far a substitute is from the phrase that it replaces: the dial of subtlety.

0 is nearest, 1 farthest. Numbers differ by their ratio, colours in RGB, words written in the picture by their letters;
what has no measure of its own lies in the middle. (Names of things part somewhere in WordNet: `wordnet.apart`.)
"""

from __future__ import annotations

import math
from difflib import SequenceMatcher

from pipelines.captions.words import NUMBERS

RGB = {
    "black": (30, 30, 30),
    "white": (250, 250, 250),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "red": (220, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (245, 220, 50),
    "golden": (212, 175, 55),
    "green": (40, 150, 60),
    "turquoise": (60, 200, 190),
    "blue": (40, 90, 210),
    "purple": (130, 50, 170),
    "violet": (140, 70, 190),
    "magenta": (210, 40, 160),
    "pink": (255, 160, 190),
    "brown": (130, 80, 40),
    "tan": (210, 180, 140),
    "beige": (225, 210, 180),
    "cream": (250, 240, 210),
}
"""Colours as they are commonly meant."""

_UNKNOWN = 0.5
_WIDEST = math.dist((0, 0, 0), (255, 255, 255))


def distance(kind: str, original: str, replacement: str) -> float:
    """How far two phrases of one type are apart, in 0–1."""
    old, new = original.lower(), replacement.lower()
    if kind == "text":
        return round(1 - SequenceMatcher(None, old, new).ratio(), 4)
    first, second = number(old), number(new)
    if first is not None and second is not None:
        low, high = sorted((abs(first), abs(second)))
        return round((high - low) / high, 4) if high and low != high else 1.0
    if old in RGB and new in RGB:
        return round(math.dist(RGB[old], RGB[new]) / _WIDEST, 4)
    return _UNKNOWN


def number(word: str) -> int | None:
    """A number in digits or as one of the words that captions use."""
    if word in NUMBERS:
        return NUMBERS.index(word)
    return int(word) if word.lstrip("-").isdecimal() else None
