"""Whether a question can be put and judged: it says something, its options differ and hold the answer, and the region
that must be looked at lies in the picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipelines.sources.record import BadField
from pipelines.verifiers.typed import chosen

SHAPE = "a list of {label, box}, where box is [x0, y0, x1, y1] in pixels of the first picture, is needed"


def check_sound(fields: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Raises `BadField`. `size`: width and height of the first picture. `SampleRow` looks at types, but of regions."""
    question, options = fields.get("question"), fields.get("options")
    if isinstance(question, str) and not question.strip():
        raise BadField("field 'question' is blank; a question is needed")
    if isinstance(options, list) and options and all(isinstance(option, str) for option in options):
        _options(options, fields)
    if fields.get("region") is not None:
        _region(fields["region"], size)


def _options(options: list[str], fields: Mapping[str, Any]) -> None:
    for number, option in enumerate(options, start=1):
        if not option.strip():
            raise BadField(f"field 'options': option {number} is blank; every option needs a text")
        if option.strip() in map(str.strip, options[: number - 1]):
            raise BadField(f"field 'options': {option!r} stands twice; options must differ")
    answer = fields.get("answer")
    judged = fields.get("answer_type", "choice") == "choice" and isinstance(answer, str | int | float)
    if judged and chosen(str(answer), options) is None:
        listed = ", ".join(map(repr, options[:6]))
        raise BadField(
            f"field 'answer': {answer!r} is none of the options {listed}; give the text of one, or its letter"
        )


def _region(region: Any, size: tuple[int, int]) -> None:
    if not isinstance(region, list):
        raise BadField(f"field 'region': {SHAPE}")
    for number, entry in enumerate(region):
        box = entry.get("box") if isinstance(entry, Mapping) else None
        if not isinstance(box, list) or len(box) != 4 or not all(map(_finite, box)):
            raise BadField(f"field 'region[{number}].box': {SHAPE}")
        if not (0 <= box[0] < box[2] <= size[0] and 0 <= box[1] < box[3] <= size[1]):
            raise BadField(
                f"field 'region[{number}].box': {box} does not lie in the picture of {size[0]} × {size[1]} pixels, with"
                " its first corner above and left of its second"
            )


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
