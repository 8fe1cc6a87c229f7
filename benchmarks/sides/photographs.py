"""Seeded pictures as a camera makes them: noise at four scales with shapes on it, 448 x 448, about 40 kB of JPEG."""

from __future__ import annotations

import io
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE = 448
QUALITY, AGAIN = 88, 70
SCALES = ((5, 1.0), (16, 0.45), (64, 0.3), (224, 0.2))
"""Cells of noise along a side, and how much of it is blended in."""


@dataclass(frozen=True)
class Folder:
    """An imagefolder: `copies` files are another file's bytes, `encoded` show another's picture saved at quality 70."""

    path: Path
    pictures: int
    copies: int
    encoded: int

    @property
    def distinct(self) -> int:
        return self.pictures - self.copies - self.encoded

    @property
    def theirs(self) -> Path:
        return self.path.with_suffix(".jsonl")

    def original(self, number: int) -> int:
        """The picture that a file shows: itself, or for the last files the ones at the start."""
        return number % self.distinct

    def kind(self, number: int) -> str:
        if number < self.distinct:
            return "distinct"
        return "copy" if number < self.distinct + self.copies else "encoded"


def photograph(seed: int) -> Image.Image:
    """One picture; another seed is another picture to the eye and to a perceptual hash."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (SIZE, SIZE))
    for cells, share in SCALES:
        noise = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        image = Image.blend(image, noise.resize(image.size, Image.Resampling.BICUBIC), share)
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, r = (int(value) for value in random.integers((0, 0, 10), (SIZE, SIZE, 90)))
        draw = pen.ellipse if random.random() < 0.5 else pen.rectangle
        draw((x - r, y - r, x + r, y + r), fill=tuple(int(value) for value in random.integers(0, 256, 3)))
    return image


def make(path: Path, pictures: int, copies: int, encoded: int) -> Folder:
    """The folder, written unless it stands, with `metadata.jsonl` for us, and `theirs` beside it for Data-Juicer."""
    folder = Folder(path, pictures, copies, encoded)
    done = path / "metadata.jsonl"
    if done.exists():
        return folder
    path.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(partial(_save, folder), range(pictures), chunksize=50))
    names = [f"{number:05d}.jpg" for number in range(pictures)]
    asked = {"question": "What does the picture show?", "answer": "a scene", "license": "CC0-1.0"}
    theirs = [{"images": [str(path / name)], "text": "<__dj__image> What does the picture show?"} for name in names]
    folder.theirs.write_text("".join(json.dumps(row) + "\n" for row in theirs))
    done.write_text("".join(json.dumps({"file_name": name, **asked}) + "\n" for name in names))
    return folder


def _save(folder: Folder, number: int) -> None:
    quality = AGAIN if folder.kind(number) == "encoded" else QUALITY
    buffer = io.BytesIO()
    photograph(folder.original(number)).save(buffer, "JPEG", quality=quality)
    (folder.path / f"{number:05d}.jpg").write_bytes(buffer.getvalue())
