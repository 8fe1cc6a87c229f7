"""The recipe: one YAML file that says what a run is. It is validated whole before anything runs.

Stage parameters stand under `stages:` as plain mappings here; the floor that knows the stages checks them against each
stage's own model (`flows.plan`), with the same words for the same mistakes (`explain`).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from schemas.credentials import find_secret
from schemas.rows import UNKNOWN_LICENSE, Strict


class RecipeError(ValueError):
    """A recipe that cannot run: one line per mistake, each naming file, field and what would be right."""


class WorkerRecipe(Strict):
    """Which model answers, chosen by URL; `api_key_env` names the environment variable that holds a key.

    `weights` (`local:FOLDER`) is the same model on this machine, where the URL is a server: gradients are taken of it
    and training starts from it. A `vllm:FOLDER` is its own.
    """

    url: str
    weights: str | None = None
    model: str | None = None
    revision: str | None = None
    api_key_env: str | None = None
    prompt: Literal["plain", "described"] = "plain"
    options: dict[str, int | float | str | bool] = Field(default_factory=dict)

    @property
    def replaceable(self) -> bool:
        """Whether the next round can put a trained policy in this worker's place (design §7)."""
        return self.url.startswith(("local:", "vllm:"))


class SourceRecipe(Strict):
    """Real data to ingest; relative paths are relative to the recipe's folder. docs/ingest.md says it all.

    `format` is how rows are stored, `convention` what their columns mean; both are found by looking where absent.
    `columns` maps our field names to the source's. `limit` takes the first records, `fraction` and `count` a sample
    drawn by `seed`; sources that state a `weight` are mixed in that proportion.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    path: str
    format: str | None = None
    convention: str | None = None
    license: str = UNKNOWN_LICENSE
    revision: str | None = Field(default=None, min_length=1)
    config: str | None = None
    split: str | None = None
    images: str = ""
    columns: dict[str, str] = Field(default_factory=dict)
    limit: int | None = Field(default=None, ge=1)
    fraction: float | None = Field(default=None, gt=0, le=1)
    count: int | None = Field(default=None, ge=1)
    seed: int = 0
    weight: float | None = Field(default=None, gt=0)


class TaskRecipe(Strict):
    """`count` samples of one task family at one dial (0 is the easiest)."""

    task: str
    dial: int = Field(default=0, ge=0)
    count: int = Field(ge=1)


class BankRecipe(Strict):
    """A bank of `count` held-out samples. A `vicrit` bank is made from the captions of `families`, by default of
    all, told in at most `words` words, by default whole."""

    task: str
    dial: int = Field(default=0, ge=0)
    count: int = Field(default=100, ge=2)
    families: tuple[str, ...] = ()
    words: int | None = Field(default=None, ge=8)


class ExecutionRecipe(Strict):
    """How rows are cut and how many processes share them; none of it changes a label beyond design §5."""

    part_rows: int = Field(default=256, ge=1)
    wave_rows: int = Field(default=128, ge=1)
    processes: int = Field(default=1, ge=1)
    max_failed: float = Field(default=0.01, ge=0, le=1)


class PublishRecipe(Strict):
    """The repository on the Hub, `owner/name`, that `evolens push` fills when it is told no other, and how.

    docs/push.md says it all. The token is no part of it.
    """

    repo: str = Field(default="", pattern=r"^([\w.-]+/[\w.-]+)?$")
    format: str = "datasets"
    allow: tuple[str, ...] = ()
    leave_out: bool = False
    public: bool = False


class Recipe(Strict):
    """A whole run. `folder` is where the file lies; it is filled in by `load` and is not part of the YAML."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    description: str = ""
    seed: int = Field(default=0, ge=0)
    rounds: int = Field(default=1, ge=1)
    accumulate: bool = False
    sft_from: Literal["base", "previous"] = "base"
    policy: WorkerRecipe
    embedder: WorkerRecipe | None = Field(
        description="Tells near pictures apart; with null their perceptual hashes alone do."
    )
    stronger: WorkerRecipe | None = Field(
        default=None,
        description="A better model, asked what the policy never gets right: is it hard, or labelled wrongly?",
    )
    sources: tuple[SourceRecipe, ...] = ()
    tasks: tuple[TaskRecipe, ...] = ()
    banks: dict[str, BankRecipe] = Field(min_length=1)
    targets: dict[str, BankRecipe] = Field(min_length=1)
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)
    execution: ExecutionRecipe = ExecutionRecipe()
    publish: PublishRecipe = PublishRecipe()
    folder: Path = Field(default=Path(), exclude=True)

    @model_validator(mode="after")
    def _can_run(self) -> Recipe:
        if not self.sources and not self.tasks:
            raise ValueError("a recipe needs `sources` or `tasks`: there is nothing to make samples from")
        if self.rounds > 1 and not self.policy.replaceable:
            raise ValueError(
                f"rounds: {self.rounds} needs a `local:` or `vllm:` policy, which the trained one can replace"
            )
        shared = set(self.banks) & set(self.targets)
        if shared:
            raise ValueError(f"{sorted(shared)[0]!r} is both a bank and a target; the families are disjoint")
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise ValueError("two sources have one name")
        return self


def load(path: Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read and validate a recipe file. `overrides` maps dotted names to values (`stages.difficulty.rollouts`: 16).

    Raises `RecipeError` with one line per mistake.
    """
    if not path.is_file():
        raise RecipeError(f"{path}: no such recipe file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of fields, not {type(content).__name__}")
    for name, value in (overrides or {}).items():
        _put(content, name.split("."), value)
    if secret := find_secret(content):
        raise RecipeError(f"{path}: {secret}: secrets are named, never written; use `api_key_env: VARIABLE`")
    content.pop("folder", None)
    try:
        return Recipe.model_validate({**content, "folder": path.parent})
    except ValidationError as error:
        raise RecipeError(explain(error, Recipe, str(path))) from error


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """A validation error as lines `where: field: what is wrong`, with the nearest known name for an unknown one."""
    lines = []
    for problem in error.errors():
        location = [part for part in problem["loc"] if not str(part).startswith("function-")]
        field = ".".join(map(str, location)) or "recipe"
        if problem["type"] == "extra_forbidden":
            known = _fields_at(model, location[:-1])
            lines.append(f"{where}: {field}: unknown field{did_you_mean(str(location[-1]), known)}")
        elif problem["type"] == "missing":
            lines.append(f"{where}: {field}: this field is needed")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            got = "" if problem["loc"] == () else f" (got {shortened(repr(problem['input']))})"
            lines.append(f"{where}: {field}: {message}{got}")
    return "\n".join(lines)


def did_you_mean(word: str, known: list[str]) -> str:
    """`; did you mean 'x'?` for the nearest known name, or the list of what is known."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known here: {', '.join(sorted(known))}" if known else ""


def shortened(text: str, characters: int = 60) -> str:
    """Text that fits into a line of a message."""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _fields_at(model: type[BaseModel], location: list[int | str]) -> list[str]:
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel) and str(part) in current.model_fields:
            current = current.model_fields[str(part)].annotation
        arguments = [item for item in getattr(current, "__args__", ()) if isinstance(item, type)]
        models = [item for item in arguments if issubclass(item, BaseModel)]
        if models:
            current = models[-1]
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [name for name in current.model_fields if name != "folder"]
    return []


def _put(content: dict[str, Any], path: list[str], value: Any) -> None:
    current: Any = content
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(current, list):
            if not part.isdigit() or int(part) >= len(current):
                where, count = ".".join(path[:depth]), len(current)
                raise RecipeError(f"override {'.'.join(path)}: {where} has the entries 0 to {count - 1}, not {part!r}")
            key: Any = int(part)
        elif isinstance(current, dict):
            key = part
        else:
            raise RecipeError(f"override {'.'.join(path)}: {'.'.join(path[:depth])!r} is not a mapping")
        if last:
            current[key] = value
        elif isinstance(current, dict) and current.get(key) is None:
            current[key] = {}
        current = current[key]
