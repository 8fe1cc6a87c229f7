"""Conversations with a vision-language model: roles, text and image parts. Pictures travel as ids, never as pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from schemas.ids import Json

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Picture:
    image_id: str


Part: TypeAlias = Text | Picture


@dataclass(frozen=True)
class Message:
    """One turn. The first `untaught` characters of its text are read by a training and not learned from."""

    role: Role
    parts: tuple[Part, ...]
    untaught: int = 0

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


def pictures(messages: Sequence[Message]) -> list[str]:
    """Image ids in the order in which the conversation shows them."""
    return [part.image_id for message in messages for part in message.parts if isinstance(part, Picture)]


def as_json(messages: Sequence[Message]) -> Json:
    """The conversation as JSON: what request ids and caches are computed from."""
    return [
        {
            "role": message.role,
            "content": [
                {"type": "text", "text": part.text}
                if isinstance(part, Text)
                else {"type": "image", "image_id": part.image_id}
                for part in message.parts
            ],
        }
        for message in messages
    ]
