"""Where recipes are found: a path, or the name of one that ships with Evolens."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from schemas.recipe import Recipe, RecipeError, did_you_mean, load

DEFAULT = "quickstart"
FOLDERS = "EVOLENS_RECIPES"
"""The environment variable that names more folders of recipes, divided like PATH."""

SHIPPED = (
    Path(__file__).parent.parent / "examples" / "recipes",  # a checkout
    Path(__file__).parent / "examples" / "recipes",  # an installed distribution
)


def shipped() -> dict[str, Path]:
    """Name → file of every recipe that ships with Evolens, or lies in a folder that `FOLDERS` names."""
    own = [Path(folder) for folder in os.environ.get(FOLDERS, "").split(os.pathsep) if folder]
    return {path.stem: path for folder in (*reversed(SHIPPED), *own) for path in sorted(folder.glob("*.yaml"))}


def find(name: str) -> Path:
    """The file of a recipe given by path or by name. Raises `RecipeError`."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.exists():
        return path
    known = shipped()
    if name not in known:
        raise RecipeError(f"{name}: no recipe of this name ships with Evolens{did_you_mean(name, list(known))}")
    return known[name]


def overrides_of(settings: Iterable[str]) -> dict[str, Any]:
    """`stages.difficulty.rollouts=16` → {"stages.difficulty.rollouts": 16}. Values are YAML. Raises `RecipeError`."""
    result = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise RecipeError(f"--set {setting}: write it as field=value, for example stages.difficulty.rollouts=16")
        try:
            result[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise RecipeError(f"--set {setting}: not a value: {' '.join(str(error).split())}") from error
    return result


def open_recipe(name: str, settings: Iterable[str] = (), rounds: int | None = None) -> Recipe:
    """Find, override and validate. Raises `RecipeError`."""
    overrides = overrides_of(settings)
    if rounds is not None:
        overrides["rounds"] = rounds
    return load(find(name), overrides)
