"""The words that clauses are made of."""

from __future__ import annotations

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
CARD_COLOURS = (*COLOURS, "black", "white", "pink", "brown")
SHAPES = ("circle", "square", "triangle", "star")
MARKS = ("circle", "square", "triangle", "cross")
ROWS = ("top", "second", "third", "bottom")
