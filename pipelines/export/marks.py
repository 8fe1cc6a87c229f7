"""Pictures in text: `<image>` where a picture stands, as verl, EasyR1, LLaMA-Factory, LLaVA and ms-swift write it.

A question may say itself where its pictures stand: one `<image>` for each of them. Otherwise they come first. Those
loaders take every mark for a picture, so a text with any other number of them, or with the mark of a video or a sound,
cannot be said in such a format, and its row is refused rather than taught wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipelines.export.items import Unfit
from schemas.messages import Message, Part, Picture, Text

IMAGE = "<image>"
_MARKS = re.compile(r"<(image|video|audio)>")


def placed(message: Message) -> tuple[Part, ...]:
    """The parts of a message, with each picture where the text says that it stands, or before the text."""
    shown = [part for part in message.parts if isinstance(part, Picture)]
    if not shown or message.text.count(IMAGE) != len(shown):
        return message.parts
    parts: list[Part] = []
    pieces = message.text.split(IMAGE)
    for piece, picture in zip(pieces, [*shown, None], strict=True):
        parts += [Text(piece)] if piece else []
        parts += [picture] if picture else []
    return tuple(parts)


def marked(message: Message, gap: str = "") -> str:
    """The message as text; `gap` stands between pictures that come first and what follows. Raises `Unfit`."""
    parts = placed(message)
    for part in parts:
        if isinstance(part, Text) and (found := _MARKS.search(part.text)):
            raise Unfit("mark_in_text", f"the {message.role}'s text holds {found.group()}, where no picture stands")
    if parts is message.parts and gap:
        marks = "".join(IMAGE + gap for part in parts if isinstance(part, Picture))
        return marks + message.text
    return "".join(part.text if isinstance(part, Text) else IMAGE for part in parts)


def typed(parts: Sequence[Part]) -> list[dict[str, str]]:
    """The parts of a message as chat templates read them: `{"type": "text", …}` and `{"type": "image"}`."""
    return [{"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image"} for part in parts]
