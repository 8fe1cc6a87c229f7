"""How well embedders tell near pictures from different ones of the same family.

    python -m trainers.clip.near embed:seedling embed:clip [--count 420 | --folder PICTURES]

All embedders look at the same pictures: `count` fresh ones, evenly of all families and dials, or those of a folder; and
at copies of them, as they come about in practice. Different pictures should be less alike than copies, so what counts
for a threshold of `deduplicate` is how many different pictures it would join, and how many copies it finds.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipelines.lake.decode import decode
from pipelines.near import perceptual_hash
from pipelines.tasks import FAMILIES
from pipelines.workers import WorkerSpec, connect
from schemas.requests import Embed, Vector
from trainers.clip.evaluate import SEEDS

THRESHOLDS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)
BITS = 4
"""Two hashes that differ in no more are near, to `deduplicate` by default."""


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


def hashed(shown: list[Image.Image]) -> NDArray[np.uint64]:
    """Perceptual hashes [n]."""
    return np.array([int(perceptual_hash(picture), 16) for picture in shown], dtype=np.uint64)


def measure(url: str, names: list[str], shown: list[Image.Image]) -> dict[str, Any]:
    """What one embedder makes of the pictures.

    `above` counts different pairs at or above each threshold, `above_hashed` those of them whose hashes are near too.
    Of each kind of copy, `found` and `found_hashed` count likewise; `clear` are nearer than any two different pictures,
    and `told_apart` is how often a copy is nearer than two different pictures of one family (0.5 is chance).
    """
    vectors, codes = embedded(url, shown), hashed(shown)
    ones, others = np.triu_indices(len(shown), 1)
    cosines = np.einsum("id,id->i", vectors[ones], vectors[others])
    close = np.bitwise_count(codes[ones] ^ codes[others]) <= BITS
    family = np.asarray(names)
    kin = np.sort(cosines[family[ones] == family[others]])
    row: dict[str, Any] = {
        "embedder": url,
        "pairs": len(cosines),
        "kin": len(kin),
        "hashed": int(close.sum()),
        "highest": float(cosines.max()),
        "kin_median": float(np.median(kin)),
        "above": {each: int((cosines >= each).sum()) for each in THRESHOLDS},
        "above_hashed": {each: int((cosines[close] >= each).sum()) for each in THRESHOLDS},
        "copies": {},
    }
    for name, change in COPIES.items():
        copies = [change(picture) for picture in shown]
        likeness = np.einsum("id,id->i", vectors, embedded(url, copies))
        near = np.bitwise_count(codes ^ hashed(copies)) <= BITS
        row["copies"][name] = {
            "hashed": int(near.sum()),
            "median": float(np.median(likeness)),
            "found": {each: int((likeness >= each).sum()) for each in THRESHOLDS},
            "found_hashed": {each: int((likeness[near] >= each).sum()) for each in THRESHOLDS},
            "clear": int((likeness > cosines.max()).sum()),
            "told_apart": float(np.searchsorted(kin, likeness).mean() / len(kin)),
        }
    return row


def show(row: dict[str, Any], count: int) -> str:
    """One embedder's table in Markdown: how many lie at or above each threshold, with near hashes in brackets."""
    lines = [
        f"**{row['embedder']}**: {row['pairs']:,} different pairs, {row['kin']:,} of one family with median cosine "
        f"{row['kin_median']:.3f}; the highest of all is {row['highest']:.5f}.",
        "",
        "| | told apart | clear | " + " | ".join(f"≥ {each}" for each in THRESHOLDS) + " |",
        "|---" * (3 + len(THRESHOLDS)) + "|",
    ]
    cells = [f"{row['above'][each]:,} ({row['above_hashed'][each]:,})" for each in THRESHOLDS]
    lines.append(f"| different, of {row['pairs']:,} ({row['hashed']:,}) | | | {' | '.join(cells)} |")
    for name, copy in row["copies"].items():
        cells = [f"{copy['found'][each]} ({copy['found_hashed'][each]})" for each in THRESHOLDS]
        known = f"{name}, of {count} ({copy['hashed']})"
        lines.append(f"| {known} | {copy['told_apart']:.3f} | {copy['clear']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.clip.near", description="Near pictures and different ones."
    )
    parser.add_argument("urls", nargs="+", metavar="URL", help="embedders, such as embed:clip")
    parser.add_argument("--count", type=int, default=420, help="how many different pictures of the families")
    parser.add_argument("--folder", type=Path, help="a folder whose pictures to look at instead")
    given = parser.parse_args(arguments)
    if given.folder:
        shown = [decode(path.read_bytes()) for path in sorted(given.folder.glob("*.jpg"))]
        names = [given.folder.name] * len(shown)
    else:
        names, shown = pictures(given.count)
    for url in given.urls:
        print(show(measure(url, names, shown), len(shown)), end="\n\n")


if __name__ == "__main__":
    main()
