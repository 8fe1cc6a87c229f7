"""ViCrit-Bench's table: a picture, a caption in which one noun phrase was changed, the phrase before and after."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipelines.sources.conventions.plain import asked
from pipelines.sources.conventions.said import Convention, Said, text_of
from pipelines.sources.record import BadField

BEFORE, AFTER = "original_noun_phrases", "changed_noun_phrases"
ASK = "One phrase of this description is wrong for the picture. Which one?"


def read(fields: Mapping[str, Any]) -> Said:
    """One question. Phrases are a text, or lists of equally many texts of which one was changed; it is the answer.

    Raises `BadField` where not exactly one phrase was changed, or where it does not stand exactly once in the caption.
    """
    caption = text_of(fields, "changed_caption").strip()
    before, after = _phrases(fields, BEFORE), _phrases(fields, AFTER)
    changed = [new for old, new in zip(before, after, strict=False) if old != new]
    if len(before) != len(after) or len(changed) != 1:
        raise BadField(f"fields {BEFORE!r} and {AFTER!r}: exactly one phrase must differ, not {len(changed)}")
    times = len(re.findall(rf"(?<!\w){re.escape(changed[0])}(?!\w)", caption, re.IGNORECASE))
    if times != 1:
        raise BadField(f"field {AFTER!r}: {changed[0]!r} must stand once in the caption; it stands {times} times")
    return Said((asked({"question": f"{ASK}\n{caption}", "answer": changed[0], "answer_type": "span"}),))


def _phrases(fields: Mapping[str, Any], name: str) -> list[str]:
    found = fields.get(name)
    if isinstance(found, list) and found and all(isinstance(item, str) and item.strip() for item in found):
        return [item.strip() for item in found]
    return [text_of(fields, name).strip()]


CONVENTION = Convention(
    says="ViCrit-Bench: image, changed_caption, original_noun_phrases, changed_noun_phrases",
    uses={"changed_caption": "question", AFTER: "answer", BEFORE: "the phrase as it was, to find the changed one"},
    claims=lambda fields: "changed_caption" in fields and AFTER in fields,
    read=read,
)
