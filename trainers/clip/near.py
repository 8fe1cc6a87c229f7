"""How well embedders tell near pictures from different ones of the same family.

    python -m trainers.clip.near embed:seedling embed:clip [--count 420]

All embedders look at the same pictures: `count` fresh ones, evenly of all families and dials, and copies of them, as
they come about in practice. Different pictures should be less alike than copies, so what counts is how many copies are
found by a threshold that joins no two different pictures, and how many different pairs lie above a given threshold.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipelines.near import perceptual_hash
from pipelines.tasks import FAMILIES
from pipelines.workers import WorkerSpec, connect
from schemas.requests import Embed, Vector
from trainers.clip.evaluate import SEEDS

THRESHOLDS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)


def cut(picture: Image.Image) -> Image.Image:
    """A border of 2 % is gone."""
    x, y = round(picture.width * 0.02), round(picture.height * 0.02)
    return picture.crop((x, y, picture.width - x, picture.height - y))


def moved(picture: Image.Image) -> Image.Image:
    """Shifted by two pixels; what comes in at the edge is the edge again."""
    pixels = np.asarray(picture)
    return Image.fromarray(np.pad(pixels, ((2, 0), (2, 0), (0, 0)), mode="edge")[: len(pixels), : pixels.shape[1]])


def framed(picture: Image.Image) -> Image.Image:
    """A white frame of 3 %."""
    return ImageOps.expand(picture, round(picture.width * 0.03), (255, 255, 255))


def resized(picture: Image.Image) -> Image.Image:
    """At three quarters of its size."""
    return picture.resize((picture.width * 3 // 4, picture.height * 3 // 4), Image.Resampling.LANCZOS)


def compressed(picture: Image.Image) -> Image.Image:
    """A JPEG of quality 50."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=50)
    return Image.open(file).convert("RGB")


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "border of 2 % cut off": cut,
    "moved by 2 pixels": moved,
    "framed": framed,
    "at three quarters of the size": resized,
    "JPEG of quality 50": compressed,
}


def pictures(count: int) -> tuple[list[str], list[Image.Image]]:
    """`count` different pictures and their families, which take turns, as do their dials."""
    names = [list(FAMILIES)[index % len(FAMILIES)] for index in range(count)]
    rounds = [index // len(FAMILIES) for index in range(count)]
    made = [
        FAMILIES[name].make(SEEDS + each, each % len(FAMILIES[name].DIALS))
        for name, each in zip(names, rounds, strict=True)
    ]
    return names, [item.images[0].convert("RGB") for item in made]


def embedded(url: str, shown: list[Image.Image]) -> NDArray[np.float32]:
    """Unit vectors [n, d] of the pictures. Raises `RuntimeError` where one has none."""
    worker = connect(WorkerSpec(url), lambda key: shown[int(key)])
    rows = []
    for result in worker.answer([Embed(str(index), str(index)) for index in range(len(shown))]):
        if not isinstance(result, Vector):
            raise RuntimeError(f"{url}: {result}")
        rows.append(result.values)
    return np.asarray(rows, dtype=np.float32)


def measure(url: str, names: list[str], shown: list[Image.Image]) -> dict[str, Any]:
    """What one embedder makes of the pictures: different pairs above each threshold, and copies found."""
    first = embedded(url, shown)
    ones, others = np.triu_indices(len(shown), 1)
    cosines = np.einsum("id,id->i", first[ones], first[others])
    family = np.asarray(names)
    kin = cosines[family[ones] == family[others]]
    row: dict[str, Any] = {
        "embedder": url,
        "pairs": len(cosines),
        "above": {threshold: int((cosines >= threshold).sum()) for threshold in THRESHOLDS},
        "kin_pairs": len(kin),
        "kin_median": float(np.median(kin)),
        "highest": float(cosines.max()),
        "copies": {},
    }
    for name, change in COPIES.items():
        copies = np.einsum("id,id->i", first, embedded(url, [change(picture) for picture in shown]))
        row["copies"][name] = {
            "median": float(np.median(copies)),
            "found": {threshold: int((copies >= threshold).sum()) for threshold in THRESHOLDS},
            "clear": int((copies > cosines.max()).sum()),
            # How often a copy is nearer than two different pictures of one family: 0.5 is chance, 1 is never wrong.
            "told_apart": float(np.searchsorted(np.sort(kin), copies).mean() / len(kin)),
        }
    return row


def hashed(shown: list[Image.Image], distance: int) -> dict[str, int]:
    """How many copies perceptual hashes find alone."""
    bits = [int(perceptual_hash(picture), 16) for picture in shown]
    return {
        name: sum(
            (code ^ int(perceptual_hash(change(picture)), 16)).bit_count() <= distance
            for code, picture in zip(bits, shown, strict=True)
        )
        for name, change in COPIES.items()
    }
