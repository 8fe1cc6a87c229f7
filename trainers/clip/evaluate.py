"""How well text finds picture and picture finds text, among fresh pictures of one family.

    python -m trainers.clip.evaluate [DIR] [--count 100]

Chance is one in `count`. The pictures are no training pictures, and no bank holds them either. Another picture's text
counts as right where it is, word for word, the text of this one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipelines.intervals import wilson
from pipelines.tasks import FAMILIES
from trainers.clip import WEIGHTS, corpus

SEEDS = 950_000_000
COUNT = 100


def fresh(name: str, count: int) -> list[corpus.Pair]:
    """`count` pairs of a family that no training drew, its dials in turn."""
    return [corpus.pair(name, index % len(FAMILIES[name].DIALS), SEEDS + index) for index in range(count)]


@torch.inference_mode()
def table(folder: Path, count: int = COUNT) -> list[dict[str, Any]]:
    """For each family: how many of `count` pictures find their text first and the reverse, with 95 % intervals."""
    import open_clip

    network, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    network.eval()
    rows: list[dict[str, Any]] = []
    for name in FAMILIES:
        pairs = fresh(name, count)
        pictures = corpus.normal(torch.from_numpy(np.stack([pair.pixels for pair in pairs])))
        tokens = tokenizer([pair.text for pair in pairs])
        likeness = network.encode_image(pictures, normalize=True) @ network.encode_text(tokens, normalize=True).T
        same = (tokens[:, None] == tokens[None]).all(dim=-1)
        row: dict[str, Any] = {"family": name, "n": count}
        for way, best in (("text_found", likeness.argmax(dim=1)), ("picture_found", likeness.argmax(dim=0))):
            right = int(same[torch.arange(count), best].sum())
            row |= {way: right, f"{way}_interval": [round(end, 4) for end in wilson(right, count)]}
        rows.append(row)
    return rows


def show(rows: list[dict[str, Any]]) -> str:
    """The table in Markdown."""
    lines = [
        "| family | n | picture finds its text | 95 % | text finds its picture | 95 % |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = []
        for way in ("text_found", "picture_found"):
            low, high = row[f"{way}_interval"]
            cells.append(f"{row[way] / row['n']:.2f} | {low:.2f}–{high:.2f}")
        lines.append(f"| {row['family']} | {row['n']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m trainers.clip.evaluate", description="Retrieval by family.")
    parser.add_argument("folder", type=Path, nargs="?", default=WEIGHTS)
    parser.add_argument("--count", type=int, default=COUNT, help="pictures for each family")
    given = parser.parse_args(arguments)
    print(show(table(given.folder, given.count)))


if __name__ == "__main__":
    main()
