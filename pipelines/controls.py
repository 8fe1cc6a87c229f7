"""Controls of difficulty: the same question asked otherwise, to tell what the policy answers it from.

- `blind`: without any picture, in the same words. More than half right means that the picture is not needed.
- `wrong_image`: with the pictures of another sample of the same task. `blurred`: with the sample's own, blurred.
- `shuffled`: with the options of a multiple-choice question moved round, so that none keeps its letter. The answer
  is judged by its text: a policy that knows the answer keeps its rate, one that knows the letter loses it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image, ImageFilter

from pipelines.verifiers.typed import chosen, written
from schemas.ids import canonical_json
from schemas.outcome import Row


@dataclass(frozen=True)
class Shown:
    """What is asked in place of a sample: its row, and the pictures (None: its own)."""

    row: Row
    image_ids: list[str] | None = None


Control: TypeAlias = Callable[[int], Shown]
"""Attempt number (from 0) → what is shown."""


def blind(row: Row) -> Control:
    """Without any picture."""
    return lambda _: Shown(row, [])


def wrong_image(row: Row) -> Control | None:
    """With `other_images`; None where nothing but this sample is of its task."""
    others: list[str] = row["other_images"]
    return None if others == row["image_ids"] else lambda _: Shown(row, others)


def blurred(row: Row, radius: float, load: Callable[[str], Image.Image], show: Callable[[Image.Image], str]) -> Control:
    """With its own pictures blurred; `radius` is a share of the longer side."""
    seen = [show(_blurred(load(image), radius)) for image in row["image_ids"]]
    return lambda _: Shown(row, seen)


def shuffled(row: Row) -> Control | None:
    """With its options moved round; None where it has none to move, or where its label is none of them."""
    options: list[str] = row["options"] or []
    right = chosen(written(json.loads(row["answer"])), options) if row["answer_type"] == "choice" else None
    if right is None or len(options) < 2:
        return None

    def moved(index: int) -> Shown:
        by = 1 + index % (len(options) - 1)
        return Shown({**row, "options": options[by:] + options[:by], "answer": canonical_json(right)})

    return moved


def _blurred(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius * max(image.size)))
