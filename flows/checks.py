"""What only this floor can say of a recipe: whether its tasks, dials and sources exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pipelines.sources import FORMATS, Source, SourceError, fingerprint, open_source
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
    """Where a source lies; of a dataset on the hub its name."""
    path = (recipe.folder / Path(source.path).expanduser()).resolve()
    return Path(source.path) if source.format == "datasets" and not path.exists() else path


def source_of(recipe: Recipe, source: SourceRecipe) -> Source:
    """A source as the ingest stage takes it. Raises `pipelines.sources.SourceError`."""
    path = source_path(recipe, source)
    mark = fingerprint(path, images=source.images, format=source.format, revision=source.revision)
    return Source(**{**source.model_dump(), "path": path, "fingerprint": mark})


def _task(where: str, entry: TaskRecipe | BankRecipe, dials: Mapping[str, int]) -> Iterator[str]:
    if entry.task not in dials:
        yield f"{where}.task: there is no task {entry.task!r}{did_you_mean(entry.task, list(dials))}"
    elif entry.dial >= dials[entry.task]:
        yield f"{where}.dial: {entry.task} has the dials 0 to {dials[entry.task] - 1} (got {entry.dial})"


def _source(recipe: Recipe, source: SourceRecipe) -> Iterator[str]:
    where, path = f"sources.{source.name}", source_path(recipe, source)
    if source.format == "datasets" and not path.exists() and source.revision:
        return  # on the hub: it is looked at when its turn comes
    if source.format not in (None, *FORMATS):
        yield f"{where}.format: there is no format {source.format!r}{did_you_mean(str(source.format), list(FORMATS))}"
        return
    try:
        open_source(Source(**{**source.model_dump(), "path": path, "fingerprint": ""}))
    except SourceError as error:
        yield f"{where}.{'format' if source.format and path.exists() else 'path'}: {error}"
