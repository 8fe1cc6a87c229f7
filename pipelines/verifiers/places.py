"""Points, boxes and lists: read from the JSON, or the near-JSON, that models write."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from pipelines.verifiers.words import unwrapped
from schemas.ids import Json, canonical

_FENCE = re.compile(r"```[a-z]*\s*(.*?)\s*```", re.DOTALL | re.IGNORECASE)
_KEYS = {2: ("point_2d", "point", "coordinates", "center"), 4: ("bbox_2d", "bbox", "box")}
_NAMES = {2: (("x", "y"),), 4: (("x0", "y0", "x1", "y1"), ("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"))}
_NUMBERS = r"\s*[-+]?\d*\.?\d+\s*"


def read_numbers(text: str, count: int) -> list[float] | None:
    """A point (2) or a box (4): a JSON list, an object that holds one, or bare numbers with commas."""
    fenced = _FENCE.search(text)
    text = (fenced.group(1) if fenced else text).strip()
    value = _json(text)
    if value is None:
        bare = re.fullmatch(rf"[(\[<]*({_NUMBERS}(?:,{_NUMBERS}){{{count - 1}}})[)\]>]*\.?", text[:400])
        value = [float(item) for item in bare.group(1).split(",")] if bare else None
    return _flat(value, count)


def _flat(value: Any, count: int) -> list[float] | None:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list | dict):
        value = value[0]
    if isinstance(value, dict):
        inner = [value[key] for key in _KEYS[count] if key in value]
        named = [[value[key] for key in keys] for keys in _NAMES[count] if all(key in value for key in keys)]
        found: list[Any] = inner or named
        value = found[0] if found else None
    if isinstance(value, list) and count == 4 and len(value) == 2 and all(isinstance(i, list) for i in value):
        value = [number for item in value for number in item]
    if not isinstance(value, list) or len(value) != count:
        return None
    try:
        numbers = [float(item) for item in value if isinstance(item, int | float | str) and not isinstance(item, bool)]
    except (ValueError, OverflowError):
        return None
    return numbers if len(numbers) == count and all(math.isfinite(item) for item in numbers) else None


def distance(first: Sequence[float], second: Sequence[float]) -> float:
    """Between two points."""
    return math.hypot(first[0] - second[0], first[1] - second[1])


def overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Intersection over union of two boxes whose corners may be swapped; 1 for the same box, however thin."""
    a, b = _sorted(first), _sorted(second)
    if a == b:
        return 1.0
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if math.isfinite(union) and union > 0 else 0.0


def _sorted(box: Sequence[float]) -> tuple[float, ...]:
    x0, y0, x1, y1 = box
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def read_list(text: str) -> list[Json] | None:
    """A JSON list, or items parted by semicolons, commas, line breaks or a last "and"."""
    fenced = _FENCE.search(text)
    text = (fenced.group(1) if fenced else text).strip()
    value = _json(text)
    if isinstance(value, list):
        return value or None
    bare = unwrapped(text).strip("[](){}") if "\n" not in text else text
    parts = re.split(r"\s*(?:;|\n)\s*" if ";" in bare or "\n" in bare else r"\s*,\s*", bare)
    *head, last = parts
    parts = [*head, *re.split(r"\band\b\s*", last, maxsplit=1)]
    items: list[Json] = [item for part in parts if (item := re.sub(r"^\s*(?:[-*•]|\d+[.)])\s+", "", part).strip())]
    return items or None


def _json(text: str) -> Any:
    try:
        return canonical(json.loads(text))
    except (ValueError, RecursionError):
        return None
