"""Weights that come with the package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SHIPPED = ("seedling", "clip")
"""What may stand for a folder: the policy (`local:seedling`) and the embedder (`embed:clip`)."""


def weights_of(name: str) -> Path:
    """The folder with the weights of that name. Raises `FileNotFoundError` where the package is not installed."""
    package = importlib.util.find_spec("trainers")  # finds the folder without importing what lies in it
    places = list(package.submodule_search_locations or ()) if package else []
    if not places:
        raise FileNotFoundError(f"the weights {name!r} come with the package 'trainers', which is not installed")
    return Path(places[0]) / name / "weights"
