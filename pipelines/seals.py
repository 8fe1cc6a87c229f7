"""Seals: an id is a hash of what it names, so what was changed afterwards no longer fits its id.

Why: to carry a trace out again shows what its tools see, and nothing else. A corner moved by a thousandth that falls
into the same pixel, a picture put in the place of another that no tool looks at, a thought taken out: all of them
replay without a fault. The ids of trace, sample and pictures are made of every word, argument and pixel, and differ.

What is not promised: who writes a changed trace *and* gives it the id of its new content has made another trace. It
stands or falls by what it says: replay and verifier judge it like any other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from schemas.ids import picture_id, sample_id
from schemas.rows import TraceRow


def broken_seal(trace: Mapping[str, Any], sample: Mapping[str, Any], pictures: Sequence[Image.Image]) -> str | None:
    """What is not as it was when it got its id: `altered_trace`, `altered_sample`, `altered_picture`, or None.

    `trace` and `sample` are rows of their tables, `pictures` what the sample's `image_ids` led to.
    """
    if trace["sample_id"] != sample["sample_id"] or trace["trace_id"] != TraceRow.of(trace).row()["trace_id"]:
        return "altered_trace"
    named = (sample["image_ids"], sample["question"], sample["options"] or (), json.loads(sample["answer"]))
    if sample["sample_id"] != sample_id(*named, sample["answer_type"]):
        return "altered_sample"
    if [picture_id(picture) for picture in pictures] != list(sample["image_ids"]):
        return "altered_picture"
    return None
