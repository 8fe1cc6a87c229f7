"""What the model learns from: the first picture of a sample, small, with what the program says of it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from pipelines.tasks import FAMILIES, Made
from trainers.clip.model import MEAN, SIZE, STD
from trainers.seedling.corpus import TRAINING_SEEDS

NAMES = tuple(FAMILIES)


@dataclass(frozen=True)
class Pair:
    """A picture as the model sees it, uint8 [SIZE, SIZE, 3], and the sentences that are true of it."""

    family: str
    pixels: NDArray[np.uint8]
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.sentences)


def pair(name: str, dial: int, seed: int) -> Pair:
    """One picture and its words."""
    made = FAMILIES[name].make(seed, dial)
    return Pair(name, small(made.images[0]), said_of(made))


def said_of(made: Made) -> tuple[str, ...]:
    """The caption, sentence by sentence; where a family writes none, what its oracle lists before it concludes."""
    text = made.caption.text if made.caption else made.steps[0].text
    return tuple(re.split(r"(?<=[.!?]) +(?=[^a-z])", text.strip()))


def small(picture: Image.Image) -> NDArray[np.uint8]:
    """The picture as open_clip's own transform resizes it: squashed to a square, so that no border is cut off."""
    return np.array(picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def drawn(count: int, seed: int) -> Iterator[Pair]:
    """`count` training pairs, the families in turn, dials and task seeds drawn."""
    rng = random.Random(f"clip:{seed}")
    for index in range(count):
        name = NAMES[index % len(NAMES)]
        yield pair(name, rng.randrange(len(FAMILIES[name].DIALS)), rng.randrange(*TRAINING_SEEDS))


def shuffled(sentences: Sequence[str], rng: random.Random) -> str:
    """The sentences in a drawn order; a reader that stops early then reads others each time."""
    return " ".join(rng.sample(sentences, len(sentences)))


def normal(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 [n, SIZE, SIZE, 3] as model input [n, 3, SIZE, SIZE]: what open_clip's own transform makes of it."""
    scaled = pixels.permute(0, 3, 1, 2).float() / 255
    return (scaled - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def seen_again(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each picture [n, 3, SIZE, SIZE] as a copy of it might look: cut or framed by up to a tenth, moved by up to a
    twentieth, lighter or darker by up to a tenth, grainy; one in four as it is.
    """
    n = len(pictures)

    def draw(low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.rand(n, *shape, generator=generator) * (high - low) + low

    changed = (torch.rand(n, generator=generator) < 0.75).float()
    place = torch.zeros(n, 2, 3)
    place[:, [0, 1], [0, 1]] = 1 + changed[:, None] * (draw(0.9, 1.1, 1) - 1) * torch.ones(2)
    place[:, :, 2] = changed[:, None] * draw(-0.1, 0.1, 2)  # the whole picture is two units wide
    grid = functional.affine_grid(place, list(pictures.shape), align_corners=False)
    moved = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    gain, grain = (changed[:, None, None, None] * value for value in (draw(-0.1, 0.1, 1, 1, 1), draw(0, 0.06, 1, 1, 1)))
    return moved * (1 + gain) + grain * torch.randn(moved.shape, generator=generator)
