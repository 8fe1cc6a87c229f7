"""Tier 1: where in a response the answer stands."""

from __future__ import annotations

import re

LONGEST = 20_000
"""Characters from the end of a response that are looked at."""

_BOXED = "\\boxed{"


def extract(response: str, pattern: str | None = None) -> str | None:
    r"""The answer in a response: the last balanced ``\boxed{}``, else the last ``<answer>…</answer>``, else the last
    match of `pattern` (its first group, or the whole match where it has none), else None. A blank one does not count.
    """
    text = response[-LONGEST:]
    found = _boxed(text) or _tagged(text)
    if not found and pattern:
        for match in re.finditer(pattern, text):
            found = (match.group(1) if match.re.groups else match.group(0)) or found
    return (found or "").strip() or None


def _boxed(text: str) -> str:
    end = len(text)
    while (start := text.rfind(_BOXED, 0, end)) >= 0:
        inside = _balanced(text, start + len(_BOXED))
        if inside is not None and inside.strip():
            return inside.strip()
        end = start
    return ""


def _balanced(text: str, start: int) -> str | None:
    """What stands before the brace that closes the one before `start`; ``\\{`` and ``\\}`` do not count."""
    depth, index = 1, start
    while index < len(text):
        char = text[index]
        if char == "\\":
            index += 1
        elif char in "{}":
            depth += 1 if char == "{" else -1
            if depth == 0:
                return text[start:index]
        index += 1
    return None


def _tagged(text: str) -> str:
    end = len(text)
    while (close := text.rfind("</answer>", 0, end)) >= 0:
        start = text.rfind("<answer>", 0, close)
        if start < 0:
            return ""
        inside = text[start + len("<answer>") : close].strip()
        if inside:
            return inside
        end = start
    return ""
