"""What models write for an argument, read as what they mean; docs/tools.md lists it all.

Every number that a picture depends on ends as an integer, so that replay is exact on every machine. What could mean two
things is no guess of ours: it raises `ValueError` with the sentence that the model reads.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from PIL import ImageColor

SCALE = 1000
SLACK = 100
"""How far a coordinate may lie outside 0 to `SCALE` and still be brought inside; farther out it is no slip."""

ALIASES = {"bbox": "bbox_2d", "box": "bbox_2d", "bounding_box": "bbox_2d", "image": "target_image", "colour": "color"}
"""Other names of arguments, where the tool has none of that name itself."""

CORNERS = (
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"),
)
SIDES = (("x", "y", "width", "height"), ("x", "y", "w", "h"))
_GAPS = re.compile(r"[\s,;()\[\]]+")
_PICTURE = re.compile(r"(?:image|img|picture)[ _#]*(\d+)", re.IGNORECASE)


def named(given: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """Arguments under the tool's own names; null is as if left out, and loose coordinates are gathered."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        other = ALIASES.get(name.lower(), name)
        own = other if name not in fields and other in fields else name
        if own in found:
            raise ValueError(f"{own} is given twice")
        if value is not None:
            found[own] = value
    if "bbox_2d" in fields and "bbox_2d" not in found and (loose := _loose(found, (*CORNERS, *SIDES))):
        found["bbox_2d"] = loose
    if "point" in fields and not {"point", "bbox_2d"} & found.keys() and (loose := _loose(found, (("x", "y"),))):
        found["point"] = loose
    if "start" in fields and not {"start", "end"} & found.keys() and (loose := _loose(found, CORNERS[:2])):
        x0, y0, x1, y1 = loose.values()
        found |= {"start": [x0, y0], "end": [x1, y1]}
    return found


def _loose(found: dict[str, Any], forms: Collection[tuple[str, ...]]) -> dict[str, Any]:
    """Coordinates that stand among the arguments themselves, taken out of them; empty where there are none."""
    keys = next((form for form in forms if found.keys() >= set(form)), ())
    return {key: found.pop(key) for key in keys}


def number(value: Any) -> float:
    """A finite number; text is read as one."""
    try:
        read = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        read = math.nan
    if not math.isfinite(read):
        raise ValueError(f"{brief(value)} is not a number")
    return read


def whole(value: Any) -> int:
    """A number as the nearest integer, halves upward."""
    return math.floor(number(value) + 0.5)


def degrees(value: Any) -> int:
    """Whole degrees: also ``"90°"`` and ``"90 degrees"``."""
    return whole(re.sub(r"\s*(°|deg(rees?)?)\s*$", "", value) if isinstance(value, str) else value)


def times(value: Any) -> int | float:
    """A factor: also ``"2x"`` and ``"2×"``."""
    read = number(value.strip().rstrip("x×") if isinstance(value, str) else value)
    return int(read) if read.is_integer() else read


def picture(value: Any) -> int:
    """The number of a picture: also ``"image 2"``, ``"img_2"``."""
    named_so = _PICTURE.fullmatch(value.strip()) if isinstance(value, str) else None
    return whole(named_so.group(1) if named_so else value)


def point(value: Any) -> tuple[int, int]:
    """[x, y] within 0 to 1000."""
    x, y = _coordinates(value, 2, "2 numbers [x, y]")
    return x, y


def points(value: Any) -> tuple[tuple[int, int], ...]:
    """Two or more points, each [x, y] within 0 to 1000."""
    read = _coordinates(value, None, "points [x, y]")
    return tuple(zip(read[::2], read[1::2], strict=True))


def box(value: Any) -> tuple[int, int, int, int]:
    """[left, top, right, bottom] within 0 to 1000; swapped corners are put right."""
    x0, y0, x1, y1 = _coordinates(value, 4, "4 numbers [x0, y0, x1, y1]")
    if x0 == x1 or y0 == y1:
        raise ValueError(f"the box {[x0, y0, x1, y1]} has no area within 0 to {SCALE}")
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def color(value: Any) -> str:
    """A name that Pillow knows, or ``#rrggbb``: also ``"Light blue"``, ``"rgb(0, 0, 255)"``, ``[0, 0, 255]``."""
    if isinstance(value, list | tuple) and len(value) == 3:
        levels = [whole(level) for level in value]
        if all(0 <= level <= 255 for level in levels):
            return "#{:02x}{:02x}{:02x}".format(*levels)
    name = re.sub(r"\s+", "", str(value).lower())
    try:
        ImageColor.getrgb(name)
    except ValueError:
        raise ValueError(f"the color {brief(value, 22)} is unknown; use a name such as red, or #rrggbb") from None
    return name


def brief(value: Any, most: int = 40) -> str:
    """A value in a sentence: shortened where it is long."""
    text = repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def _coordinates(value: Any, count: int | None, what: str) -> list[int]:
    """`count` coordinates (None: of two or more points) out of whatever holds them, each brought into 0 to 1000."""
    try:
        read = [number(each) for each in _flat(value)]
    except RecursionError:
        read = []
    if (len(read) != count) if count else (len(read) < 4 or len(read) % 2):
        raise ValueError(f"{brief(value)} is not a list of {what}")
    if max(map(abs, read)) <= 1 and any(each % 1 for each in read):
        raise ValueError(f"{brief(value)} looks like fractions of the picture; write 0 to {SCALE}")
    far = next((each for each in read if not -SLACK <= each <= SCALE + SLACK), None)
    if far is not None:
        raise ValueError(f"{far:.0f} is no coordinate: they are 0 to {SCALE} relative to the picture, not pixels")
    return [min(max(whole(each), 0), SCALE) for each in read]


def _flat(value: Any) -> list[Any]:
    """The numbers in lists, objects such as {"x": …, "y": …}, and texts of either, in order."""
    if isinstance(value, str):
        try:
            read = json.loads(value)
        except ValueError:
            return [piece for piece in _GAPS.split(value) if piece]
        return _flat(read) if isinstance(read, list | dict) else [read]
    if isinstance(value, Mapping):
        for keys in SIDES:
            if value.keys() == set(keys):
                x, y, width, height = (number(value[key]) for key in keys)
                return [x, y, x + width, y + height]
        for form in (*CORNERS, ("x", "y")):
            if value.keys() == set(form):
                return [value[key] for key in form]
        raise ValueError(f"{brief(value)} is no point {{x, y}} and no box {{x0, y0, x1, y1}}")
    if isinstance(value, list | tuple):
        return [each for item in value for each in _flat(item)]
    return [value]
