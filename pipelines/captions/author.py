"""The author injector: a model proposes a swap as guided JSON; and the votes that say what a picture shows.

Nothing that a model says is believed: a proposal is read strictly and goes through the same rules as any other swap.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from pipelines.captions.swaps import Kind, Swap
from schemas.ids import canonical_json
from schemas.messages import Message, Picture, Text

SCHEMA = canonical_json(
    {
        "type": "object",
        "properties": {
            name: {"type": "string", "minLength": 1, "maxLength": 80} for name in ("original", "replacement")
        },
        "required": ["original", "replacement"],
        "additionalProperties": False,
    }
)
MEANS: Mapping[Kind, str] = {
    "object": "which thing it is",
    "attribute": "its colour, size or pattern",
    "count": "how many there are, in a number",
    "material": "what it is made of",
    "spatial": "where it is, or how it lies to something else",
    "condition": "the state that it is in, such as open, bent or wet",
    "shape": "its shape",
    "text": "what is written in the picture, between quotation marks",
}
"""What a phrase of each type says of a thing."""

_WORDS = (
    "Here is a description of the picture.\n\n{caption}\n\n"
    "Change one phrase of it so that it becomes false. The phrase says {means}. Copy it word for word from the "
    "description, at most five words, and take one that stands there only once. The replacement fits the sentence, is "
    "near to the truth and plainly false: no synonym, nothing broader or narrower, and nothing that is true of another "
    'thing in the picture. Answer as JSON: {{"original": "…", "replacement": "…"}}'
)
_VOTE = "Look at the picture. Is this sentence true of it? “{sentence}” Answer yes or no."
_END = re.compile(r"(?<=[.!?])\s+")


class Unusable(ValueError):
    """An answer that is no proposal."""


def request(caption: str, image_id: str, kind: Kind) -> tuple[Message, ...]:
    """What an author is asked."""
    words = _WORDS.format(caption=caption, means=MEANS[kind])
    return (Message("user", (Picture(image_id), Text(words))),)


def read(text: str, caption: str, kind: Kind) -> Swap:
    """The proposed swap, at the first place where its original stands. Raises `Unusable`."""
    try:
        said = json.loads(text)
    except ValueError as error:
        raise Unusable("no JSON") from error
    if not isinstance(said, dict) or said.keys() != {"original", "replacement"}:
        raise Unusable("not the two fields that were asked for")
    original, replacement = said["original"], said["replacement"]
    if not isinstance(original, str) or not isinstance(replacement, str):
        raise Unusable("a field that is no text")
    original, replacement = original.strip(), replacement.strip()
    return Swap(kind, original, replacement, max(0, caption.find(original)), {}, "author")


def question(sentence: str, image_id: str) -> tuple[Message, ...]:
    """What a voter is asked about one sentence."""
    return (Message("user", (Picture(image_id), Text(_VOTE.format(sentence=sentence)))),)


def sentences(caption: str, swap: Swap) -> tuple[str, str]:
    """The sentence around the phrase, as it was and as it would be."""
    ends = [0, *(match.end() for match in _END.finditer(caption)), len(caption)]
    first = max(end for end in ends if end <= swap.start)
    last = min(end for end in ends if end >= swap.end)
    before, after = caption[first : swap.start], caption[swap.end : last]
    return (before + swap.original + after).strip(), (before + swap.replacement + after).strip()
