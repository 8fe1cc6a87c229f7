"""What a request comes to, by the model's own processor: pixels, visual tokens, prompt tokens; before anything is sent.

The encoder is the one of `local:`, so the prompt has exactly its tokens. Only the pictures are not read: from its size
the processor's own rule says into how many patches a picture is cut.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.workers.identity import WorkerSpec, folder_of
from schemas.messages import Message
from schemas.requests import Generate

if TYPE_CHECKING:
    from PIL import Image

    from pipelines.workers.encoding import Encoder

SizeOf = Callable[[str], tuple[int, int]]
"""Width and height of a picture, by its id."""

REMEMBERED = 4096
"""Of how many pictures the patches, and of how many conversations the counts are remembered: a policy is asked the same
question many times over.
"""


@dataclass(frozen=True)
class Count:
    """`pixels` are those that the model sees, after its processor has resized the pictures."""

    pixels: int
    visual_tokens: int
    prompt_tokens: int


class TooLong(ValueError):
    """A request that the model could not answer whole."""


class Counter:
    """Counts for one model, whose processor is loaded when it is first asked. May be asked from several threads."""

    def __init__(self, folder: Path, size_of: SizeOf, context: int | None = None) -> None:
        self._folder, self._size_of = folder, size_of
        self._context = context or _context(folder)
        self._lock = threading.Lock()  # tokenizers may not be asked by two threads at once
        self._counted = lru_cache(REMEMBERED)(self._count)

    @classmethod
    def of(cls, named: str, size_of: SizeOf, context: int | None = None) -> Counter:
        """The counter of a transformers folder, or of `seedling`; `context` is what its configuration says where it is
        not given. Raises `FileNotFoundError` where there is no such folder.
        """
        try:
            return cls(folder_of(WorkerSpec(f"local:{named}")), size_of, context)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"the processor {named!r} cannot be read: {error}") from error

    def count(self, messages: Sequence[Message]) -> Count:
        """What a conversation comes to, up to the answer. Raises `ValueError` for one that cannot be encoded, and what
        `size_of` raises.
        """
        return self._counted(tuple(messages))

    def _count(self, messages: tuple[Message, ...]) -> Count:
        with self._lock:
            encoder = self._encoder
            encoded = encoder.encode(messages, opened=True)
        visual = encoded.ids.count(encoder.image_token_id)
        return Count(visual * pixels_of(self._processor), visual, len(encoded.ids))

    def check(self, request: Generate) -> Count:
        """The count of a request; raises `TooLong` for one whose answer might not find room, and as `count` does."""
        found = self.count(request.messages)
        most = request.sampling.max_tokens
        if self._context and found.prompt_tokens + most > self._context:
            raise TooLong(
                f"{found.prompt_tokens} tokens ({found.visual_tokens} of pictures) and an answer of {most} at most;"
                f" the model reads {self._context}"
            )
        return found

    def resized(self, picture: Image.Image) -> Image.Image:
        """The picture as the processor makes it before it cuts it into patches, where that is smaller and where the
        processor would leave the smaller one as it is; the picture itself otherwise.
        """
        from torchvision.transforms.functional import pil_to_tensor, to_pil_image

        reads = self._processor.image_processor
        resize = partial(
            reads.resize, size=reads.size, resample=reads.resample, factor=reads.patch_size * reads.merge_size
        )
        small = resize(pil_to_tensor(picture.convert("RGB"))[None])
        smaller = small.shape[-2] * small.shape[-1] < picture.width * picture.height
        if not smaller or not small.equal(resize(small)):
            return picture
        resized: Image.Image = to_pil_image(small[0])
        return resized

    @cached_property
    def _processor(self) -> Any:
        from transformers import AutoProcessor

        if not countable(self._folder):
            raise ValueError(f"{self._folder} holds no image processor of a Qwen-VL model, so nothing can be counted")
        return AutoProcessor.from_pretrained(self._folder, local_files_only=True)

    @cached_property
    def _encoder(self) -> Encoder:
        from pipelines.workers.encoding import Encoder

        return Encoder(_Measuring(self._processor), self._frame, remembered_bytes=REMEMBERED * 24)

    def _frame(self, image_id: str) -> Any:
        return _Frame(*self._size_of(image_id))


@dataclass(frozen=True)
class _Frame:
    """A picture of which only the size is known."""

    width: int
    height: int

    def convert(self, mode: str) -> _Frame:
        del mode
        return self


class _Measuring:
    """A processor that reads of a picture only how many patches it is cut into."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def image_processor(self, images: Sequence[_Frame], return_tensors: str) -> dict[str, Any]:
        import torch

        del return_tensors
        count = self._processor.image_processor.get_number_of_image_patches
        return {"image_grid_thw": torch.tensor([[1, 1, count(each.height, each.width)] for each in images])}


def pixels_of(processor: Any) -> int:
    """How many pixels one visual token of a Qwen-VL model stands for; 0 for a model of another kind."""
    sides = [getattr(processor.image_processor, name, 0) for name in ("patch_size", "merge_size")]
    return (sides[0] * sides[1]) ** 2 if all(isinstance(side, int) for side in sides) else 0


def countable(folder: Path) -> bool:
    """Whether the processor of a transformers folder can be counted with: one of the Qwen-VL models'."""
    for name in ("processor_config.json", "preprocessor_config.json"):
        if (folder / name).is_file():
            said = json.loads((folder / name).read_text(encoding="utf-8"))
            return "Qwen2VL" in str(said.get("image_processor", said).get("image_processor_type", ""))
    return False


def _context(folder: Path) -> int | None:
    """How many tokens the model of a folder reads, where its configuration says."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    most = config.get("text_config", config).get("max_position_embeddings")
    return int(most) if most else None
