"""Conversations to tokens: the chat template's text, its tokens, which of them the assistant says, and the pictures'
tensors.

The template is the processor's own. The assistant's tokens are found by rendering prefixes: what the template adds to
"everything before, and the assistant's turn opened" is what the assistant says. Each stretch is tokenized by itself,
so a conversation begins with exactly the tokens from which its turns would be generated.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from schemas.messages import Message, Picture, Text

if TYPE_CHECKING:
    from PIL import Image

IGNORED = -100


@dataclass(frozen=True)
class Encoded:
    """A conversation as tokens. `spoken[i]` says that the assistant says token i; its end of turn counts, opened
    turns do not, nor what is not to be taught of a turn (`Message.untaught`).
    """

    ids: tuple[int, ...]
    spoken: tuple[bool, ...]
    turns: tuple[int, ...]
    """Index of the first token of each assistant turn."""
    pictures: tuple[str, ...]

    @property
    def labels(self) -> list[int]:
        """The tokens where the assistant speaks, `IGNORED` elsewhere: what a training loss is taken on."""
        return [token if spoken else IGNORED for token, spoken in zip(self.ids, self.spoken, strict=True)]


def as_chat(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The conversation as chat templates read it; pictures are bare `{"type": "image"}` parts."""
    return [
        {
            "role": message.role,
            "content": [
                {"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image"}
                for part in message.parts
            ],
        }
        for message in messages
    ]


class Encoder:
    """Encodes conversations for one processor; remembers the tensors of the pictures it saw last."""

    def __init__(
        self, processor: Any, load_image: Callable[[str], Image.Image], remembered_bytes: int = 128 * 2**20
    ) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.image_token: str = processor.image_token
        self.image_token_id: int = processor.image_token_id
        self._load_image = load_image
        self._tensors: OrderedDict[str, dict[str, torch.Tensor]] = OrderedDict()
        self._room = remembered_bytes
        control = sorted({*self.tokenizer.all_special_tokens, self.image_token}, key=len, reverse=True)
        self._control = re.compile("|".join(re.escape(token) for token in control))

    def picture(self, image_id: str) -> dict[str, torch.Tensor]:
        """The image processor's tensors for one picture; raises whatever `load_image` raises."""
        known = self._tensors.get(image_id)
        if known is not None:
            self._tensors.move_to_end(image_id)
            return known
        picture = self._load_image(image_id).convert("RGB")
        tensors = dict(self.processor.image_processor(images=[picture], return_tensors="pt"))
        self._tensors[image_id] = tensors
        self._room -= _size(tensors)
        while self._room < 0 and len(self._tensors) > 1:
            self._room += _size(self._tensors.popitem(last=False)[1])
        return tensors

    def encode(self, messages: Sequence[Message], *, opened: bool) -> Encoded:
        """Tokens of the conversation; `opened` makes it ready to be generated from: the start of an assistant turn is
        appended, or, where the last message is the assistant's, that turn is left without its end.

        Raises `ValueError` for text that holds a control token of the model, and for a chat template that rewrites what
        it rendered before.
        """
        for message in messages:
            found = self._control.search(message.text)
            if found:
                raise ValueError(f"the {message.role} message holds the control token {found.group()!r}")
        ids: list[int] = []
        spoken: list[bool] = []
        turns: list[int] = []
        waiting = [part.image_id for message in messages for part in message.parts if isinstance(part, Picture)]
        speakers = iter([message for message in messages if message.role == "assistant"])
        pictures = tuple(waiting)
        done = ""
        for text, said in self._stretches(messages, opened):
            if not text.startswith(done):
                raise ValueError(
                    "the chat template rewrites earlier turns, so its assistant turns cannot be told apart"
                )
            if said:
                turns.append(len(ids))
            for piece, learned in self._pieces(text[len(done) :], next(speakers) if said else None, waiting):
                ids += piece
                spoken += [learned] * len(piece)
            done = text
        if waiting:
            raise ValueError(f"the chat template shows {len(pictures) - len(waiting)} of {len(pictures)} pictures")
        return Encoded(tuple(ids), tuple(spoken), tuple(turns), pictures)

    def _pieces(self, fresh: str, speaker: Message | None, waiting: list[str]) -> list[tuple[list[int], bool]]:
        """Tokens of a stretch, piece by piece, each with whether it is taught; `speaker` is the assistant's turn."""
        if speaker is None:
            return [(self._tokens(fresh, waiting), False)]
        unlearned, fresh = _split_behind(fresh, speaker.text[: speaker.untaught])
        said, rest = self._split_at_end_of_turn(self._tokens(fresh, waiting))
        # A turn of which nothing is taught does not teach its end either.
        learned = not speaker.text or speaker.untaught < len(speaker.text)
        return [(self._tokens(unlearned, waiting), False), (said, learned), (rest, False)]

    def _stretches(self, messages: Sequence[Message], opened: bool) -> list[tuple[str, bool]]:
        """Growing renderings, each with whether the assistant says what it adds."""
        if opened and messages and messages[-1].role == "assistant":
            before = self._stretches(messages[:-1], opened)
            return [*before, (before[-1][0] + messages[-1].text, True)]
        chat = as_chat(messages)
        grown: list[tuple[str, bool]] = []
        for index, message in enumerate(messages):
            if message.role == "assistant":
                grown.append((self._render(chat[:index], opened=True), False))
                grown.append((self._render(chat[: index + 1], opened=False), True))
        if opened or not messages or messages[-1].role != "assistant":
            grown.append((self._render(chat, opened=opened), False))
        return grown

    def _render(self, chat: list[dict[str, Any]], *, opened: bool) -> str:
        if not chat:
            raise ValueError("the conversation does not begin with a system or user message")
        rendered = self.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=opened)
        return str(rendered)

    def _tokens(self, text: str, waiting: list[str]) -> list[int]:
        """Tokens of a stretch, each picture's place widened to its tokens; takes what it shows off `waiting`."""
        pieces = text.split(self.image_token)
        widened = [pieces[0]]
        for piece in pieces[1:]:
            if not waiting:
                raise ValueError("the chat template shows more pictures than the conversation holds")
            widened.append(str(self.processor.replace_image_token(self.picture(waiting.pop(0)), 0)))
            widened.append(piece)
        return list(self.tokenizer("".join(widened), add_special_tokens=False).input_ids)

    def _split_at_end_of_turn(self, ids: list[int]) -> tuple[list[int], list[int]]:
        end = self.tokenizer.eos_token_id
        cut = len(ids) - ids[::-1].index(end) if end in ids else len(ids)
        return ids[:cut], ids[cut:]

    def collate(
        self, rows: Sequence[Encoded], *, left: bool, pixels: bool = True, device: str = "cpu"
    ) -> dict[str, torch.Tensor]:
        """One batch of model inputs: `input_ids`, `attention_mask`, `mm_token_type_ids` [rows, longest], padded left or
        right, and the pictures' tensors in reading order (row by row), which is how models find whose pixels are whose.
        Without `pixels` only the tensors that say where pictures lie are there.
        """
        longest = max(len(row.ids) for row in rows)
        pad = self.tokenizer.pad_token_id
        ids = torch.full((len(rows), longest), pad if pad is not None else self.tokenizer.eos_token_id)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for index, row in enumerate(rows):
            place = slice(longest - len(row.ids), longest) if left else slice(0, len(row.ids))
            ids[index, place] = torch.tensor(row.ids)
            mask[index, place] = 1
        inputs = {"input_ids": ids, "attention_mask": mask}
        if getattr(self.processor, "return_mm_token_type_ids", False):
            inputs["mm_token_type_ids"] = ((ids == self.image_token_id) & (mask == 1)).long()
        shown = [self.picture(image_id) for row in rows for image_id in row.pictures]
        names = [name for name in (shown[0] if shown else ()) if pixels or name.endswith("_thw")]
        inputs.update({name: torch.cat([tensors[name] for tensors in shown]) for name in names})
        return {name: tensor.to(device) for name, tensor in inputs.items()}


def _split_behind(text: str, beginning: str) -> tuple[str, str]:
    """The text cut behind where `beginning` ends in it; the first half is empty where there is nothing to cut off."""
    if not beginning:
        return "", text
    place = text.find(beginning)
    if place < 0:
        raise ValueError("the chat template rewrites what the assistant says, so no part of it can be left untaught")
    cut = place + len(beginning)
    return text[:cut], text[cut:]


def _size(tensors: dict[str, torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
