"""Reading text in pictures: PP-OCRv6 by RapidOCR on onnxruntime, from models that its package holds. One thread.

The engine is made once per process, when the first picture is read. On one core a picture of 512 × 512 pixels without
text takes half a second, and each line of text about 40 ms more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

LONGEST = 960
"""Larger pictures are shrunk to this many pixels before text is sought; smaller ones are read as they are."""

LEAST = 0.3
"""Lines that the recogniser is less sure of are noise, and are left out."""

_ONE_AT_A_TIME = Lock()
"""The engine keeps settings of the picture that it is reading."""


@dataclass(frozen=True)
class Line:
    """One line of text, how sure the recogniser is of it, in [0, 1], and the pixels that hold it.

    `box` is left, top, right, bottom; right and bottom exclusive.
    """

    text: str
    confidence: float
    box: tuple[int, int, int, int]


def lines(image: Image.Image) -> list[Line]:
    """The lines of text in a picture, from top to bottom as the detector orders them; upside-down ones are turned."""
    pixels = np.asarray(image.convert("RGB"))[:, :, ::-1]  # OpenCV's order of colours
    with _ONE_AT_A_TIME:
        read = _engine()(pixels)
    if read.txts is None:
        return []
    found = zip(read.txts, read.scores, read.boxes, strict=True)
    return [Line(str(text), float(score), _around(corners)) for text, score, corners in found]


def _around(corners: Any) -> tuple[int, int, int, int]:
    (left, top), (right, bottom) = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
    return int(left), int(top), int(right), int(bottom)


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR

    threads = "EngineConfig.onnxruntime"
    return RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.text_score": LEAST,
            "Det.limit_type": "max",
            "Det.limit_side_len": LONGEST,
            f"{threads}.intra_op_num_threads": 1,  # parts are what runs at once
            f"{threads}.inter_op_num_threads": 1,
        }
    )
