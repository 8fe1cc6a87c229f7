"""What a person must see to judge a row: its pictures, question and answer, and the steps or reply shown with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from flows.report.gallery import ATTEMPTS, TOLD, Frame, frames, plain, stored
from flows.report.pictures import Shown, shown
from flows.report.source import Source
from flows.review.queue import Asked

_LISTED = "IN (SELECT unnest(?::VARCHAR[]))"


@dataclass(frozen=True)
class Sheet:
    """One row as it is shown. `images` are the sample's pictures, `views` the same for a page."""

    asked: Asked
    sample: dict[str, Any]
    images: list[Image.Image]
    views: list[Shown]
    attempts: list[dict[str, Any]]
    frames: list[Frame]
    reply: str | None


def sheets(source: Source, asked: Sequence[Asked]) -> list[Sheet]:
    """Everything about these rows, in their order."""
    ids = sorted({row.sample_id for row in asked})
    names = sorted({row.shown_id for row in asked if row.shown_id})
    samples = source.about(TOLD["samples"], ids)
    attempts = source.about(TOLD["attempts"], ids)
    steps = {
        row["trace_id"]: row["steps"]
        for row in source.rows(f"SELECT trace_id, steps FROM traces WHERE trace_id {_LISTED}", names)
    }
    replies = {
        row["rollout_id"]: row["text"]
        for row in source.rows(f"SELECT rollout_id, text FROM rollouts WHERE rollout_id {_LISTED}", names)
    }
    made = []
    for row in asked:
        sample = samples[row.sample_id][0]
        images = [image for name in sample["image_ids"] if (image := stored(source, name))]
        views = [shown(image) for image in images]
        whole = len(images) == len(sample["image_ids"])
        made.append(
            Sheet(
                asked=row,
                sample={**sample, "answer": plain(sample["answer"])},
                images=images,
                views=views,
                attempts=[{**each, "answer": plain(each["answer"])} for each in attempts.get(row.sample_id, [])][
                    :ATTEMPTS
                ],
                frames=frames(images, views, steps[row.shown_id]) if row.shown_id in steps and whole else [],
                reply=replies.get(row.shown_id) if row.shown_id else None,
            )
        )
    return made
