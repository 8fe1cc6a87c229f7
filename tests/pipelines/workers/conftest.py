"""A tiny untrained Qwen3-VL: what workers promise must hold for any weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pipelines.workers import WorkerSpec
from pipelines.workers.local import LocalWorker
from schemas.ids import image_id
from schemas.messages import Message, Picture, Text
from schemas.requests import Generate, Sampling
from trainers.seedling import model as seedling
from trainers.seedling.tokenizer import learn, processor

TEXTS = [
    "red circle 21; blue square 03; how many shapes are there? the answer is red",
    "thought crop label zoom 0 1 2 3 4 5 6 7 8 9",
]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "tiny-vlm"
    tokenizer = learn(TEXTS, 300)
    size = seedling.Size(width=32, text_layers=2, text_mlp=48, vision_layers=2, vision_mlp=48, heads=2)
    model = seedling.build(tokenizer, size, seed=5)
    for name, weight in model.named_parameters():  # at their usual start weights hardly look at pictures
        if weight.dim() > 1:
            weight.data.mul_(8 if "visual" in name else 4)
    seedling.save(model, processor(tokenizer), folder)
    return folder


class Album:
    """Pictures by id: what stands in for the lake."""

    def __init__(self) -> None:
        self.pictures: dict[str, Image.Image] = {}

    def add(self, picture: Image.Image) -> str:
        key = image_id(*picture.size, picture.tobytes())
        self.pictures[key] = picture
        return key

    def __call__(self, key: str) -> Image.Image:
        return self.pictures[key]


@pytest.fixture(scope="session")
def album() -> Album:
    return Album()


@pytest.fixture(scope="session")
def worker(tiny: Path, album: Album) -> LocalWorker:
    return LocalWorker.open(WorkerSpec(f"local:{tiny}", options=(("device", "cpu"), ("max_batch", 8))), album)


def plain(color: str, size: tuple[int, int] = (112, 112)) -> Image.Image:
    picture = Image.new("RGB", size, color)
    picture.paste((255, 255, 0), (10, 10, 60, 34))
    return picture


def user(*parts: str | Picture) -> Message:
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def says(text: str) -> Message:
    return Message("assistant", (Text(text),))


def ask(
    name: str, *messages: Message, seed: int = 0, temperature: float = 1.0, tokens: int = 8, stop: tuple[str, ...] = ()
) -> Generate:
    return Generate(name, messages, Sampling(tokens, temperature, 1.0, stop), seed)
