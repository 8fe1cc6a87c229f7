"""What travels between the tool server and its clients, as JSON. Pictures are PNG files in base64: no pixel is lost."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from pipelines.lake.decode import BadPicture, decode
from pipelines.tools.calls import ToolCall
from pipelines.tools.environment import Rules, Step, Turn
from pipelines.tools.offer import Offer
from pipelines.tools.tool import Seen

NAME = 200
"""Most characters of a trajectory's name."""


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    trajectory: str = Field(min_length=1, max_length=NAME)


class RulesSent(BaseModel):
    """`pipelines.tools.environment.Rules` as a client writes it; what it leaves out is the default."""

    model_config = ConfigDict(extra="forbid")

    turns: int | None = Field(None, ge=1)
    images: int = Field(Rules.images, ge=1)
    tools: Offer = Rules.tools


class Reset(_Sent):
    """Body of `POST /reset`: picture files in base64, of any format that Evolens reads."""

    images: list[str] = []
    rules: RulesSent = RulesSent()


class CallSent(BaseModel):
    """A call that the client has read out of the model's words."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    arguments: dict[str, Any] = {}


class Advance(_Sent):
    """Body of `POST /step`: the model's words, or a call."""

    turn: str | CallSent


class Release(_Sent):
    """Body of `POST /release`."""


def picture_text(image: Image.Image) -> str:
    """A picture as JSON carries it."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)  # it lives for one request
    return base64.b64encode(buffer.getvalue()).decode()


def picture(text: str) -> Image.Image:
    """RGB pixels out of base64. Raises `ValueError` with what would be right."""
    try:
        return decode(base64.b64decode(text, validate=True))
    except binascii.Error:
        raise ValueError("it is not base64") from None
    except BadPicture as error:
        raise ValueError(str(error)) from None


def turn_json(turn: Turn) -> Any:
    """A turn as `POST /step` takes it."""
    return turn if isinstance(turn, str) else {"name": turn.tool, "arguments": dict(turn.arguments)}


def turn_of(sent: str | CallSent) -> Turn:
    """The turn that a client sent."""
    return sent if isinstance(sent, str) else ToolCall(sent.name, sent.arguments)


def step_json(step: Step) -> dict[str, Any]:
    """A step as the answer to `POST /step`."""
    seen = step.seen
    return {
        "said": list(step.said),
        "seen": None
        if seen is None
        else {
            "image": None if seen.image is None else picture_text(seen.image),
            "text": seen.text,
            "refused": seen.refused,
        },
        "done": step.done,
    }


def step_of(answer: Any) -> Step:
    """The step that the server answered."""
    seen = answer["seen"]
    if seen is not None:
        image = None if seen["image"] is None else picture(seen["image"])
        seen = Seen(image, seen["text"], seen["refused"])
    return Step(tuple(answer["said"]), seen, answer["done"])
