"""A tiny untrained Qwen3-VL: what workers promise must hold for any weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from schemas.ids import image_id
from trainers.seedling import model as seedling
from trainers.seedling.tokenizer import learn, processor

TEXTS = [
    "red circle 21; blue square 03; how many shapes are there?",
    "answer thought crop label zoom 0 1 2 3 4 5 6 7 8 9",
]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "tiny-vlm"
    tokenizer = learn(TEXTS, 300)
    size = seedling.Size(width=32, text_layers=2, text_mlp=48, vision_layers=2, vision_mlp=48, heads=2)
    model = seedling.build(tokenizer, size, seed=5)
    for name, weight in model.named_parameters():  # untrained weights ignore pictures and say one thing; these do not
        if weight.dim() > 1:
            weight.data.mul_(6 if "visual" in name else 4)
    seedling.save(model, processor(tokenizer), folder)
    return folder


class Album:
    """Pictures by id, the loader of the tests."""

    def __init__(self) -> None:
        self.pictures: dict[str, Image.Image] = {}

    def add(self, picture: Image.Image) -> str:
        key = image_id(*picture.size, picture.tobytes())
        self.pictures[key] = picture
        return key

    def __call__(self, key: str) -> Image.Image:
        return self.pictures[key]


@pytest.fixture
def album() -> Album:
    return Album()


def plain(color: str, size: tuple[int, int] = (56, 56)) -> Image.Image:
    picture = Image.new("RGB", size, color)
    picture.paste((255, 255, 0), (10, 10, 30, 24))
    return picture
