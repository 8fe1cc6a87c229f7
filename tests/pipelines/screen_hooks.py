"""Classifiers for tests of stage `look`: `module:function`, as a user would write them."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

__version__ = "2026.1"

NOT_A_FUNCTION = 3


def redness(image: Image.Image) -> Any:
    """Share of red in the picture; a numpy number, as models give them."""
    pixels = np.asarray(image, dtype=np.float32)
    return pixels[..., 0].sum() / max(pixels.sum(), 1)


def vandal(image: Image.Image) -> float:
    """Paints over the picture that it is given."""
    image.paste((255, 255, 255), (0, 0, *image.size))
    return 0.0


def word(image: Image.Image) -> str:
    return "0.5"


def percent(image: Image.Image) -> float:
    return 73.0


def nothing(image: Image.Image) -> None:
    return None
