"""What only this floor can say of a recipe: whether its tasks, dials and sources exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pipelines.tasks import FAMILIES
from schemas.recipe import BankRecipe, Recipe, RecipeError, SourceRecipe, TaskRecipe, did_you_mean

DIALS: Mapping[str, int] = {name: len(family.DIALS) for name, family in FAMILIES.items()}
BANK_DIALS: Mapping[str, int] = {**DIALS, "vicrit": min(DIALS.values())}
"""How many dials each task has; a bank may also be of `vicrit`, which draws captions of every family."""


def check_recipe(recipe: Recipe) -> None:
    """Raises `RecipeError` with one line per task, bank or source that cannot be."""
    lines = [
        *(line for index, task in enumerate(recipe.tasks) for line in _task(f"tasks.{index}", task, DIALS)),
        *(line for name, bank in recipe.banks.items() for line in _task(f"banks.{name}", bank, BANK_DIALS)),
        *(line for name, bank in recipe.targets.items() for line in _task(f"targets.{name}", bank, BANK_DIALS)),
        *(line for source in recipe.sources for line in _source(recipe, source)),
    ]
    if lines:
        raise RecipeError("\n".join(f"{recipe.name}: {line}" for line in lines))


def source_path(recipe: Recipe, source: SourceRecipe) -> Path:
    """Where a source lies."""
    return (recipe.folder / Path(source.path).expanduser()).resolve()


def _task(where: str, entry: TaskRecipe | BankRecipe, dials: Mapping[str, int]) -> Iterator[str]:
    if entry.task not in dials:
        yield f"{where}.task: there is no task {entry.task!r}{did_you_mean(entry.task, list(dials))}"
    elif entry.dial >= dials[entry.task]:
        yield f"{where}.dial: {entry.task} has the dials 0 to {dials[entry.task] - 1} (got {entry.dial})"


def _source(recipe: Recipe, source: SourceRecipe) -> Iterator[str]:
    where, path = f"sources.{source.name}", source_path(recipe, source)
    if not path.exists():
        yield f"{where}.path: {path} does not exist"
    elif source.format == "imagefolder" and not path.is_dir():
        yield f"{where}.format: an imagefolder is a folder, and {path.name} is a file"
    elif source.format == "parquet" and path.is_dir() and next(path.rglob("metadata.jsonl"), None):
        yield f"{where}.format: {path.name} is an imagefolder: a metadata.jsonl is in it"
