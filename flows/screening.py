"""The optional stage `screen` of a recipe: two nodes, `look` (reads each picture once) and `screen` (decides)."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from phonenumbers import SUPPORTED_REGIONS
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipelines import look, screen
from pipelines.hooks import HookError, identity
from pipelines.personal import RULES, Rule
from schemas.recipe import Recipe, RecipeError, did_you_mean, explain

if TYPE_CHECKING:
    from flows.plan import Plan


class Classifier(BaseModel):
    """A function of the user's that scores pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    call: str = Field(description="`module:function`: PIL image (RGB, upright) → score in [0, 1].")
    threshold: float = Field(ge=0, le=1, description="Pictures with this score or more are dropped.")


class Settings(BaseModel):
    """What a recipe may set under `stages.screen`; `screen: {}` turns every text rule on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = Field(RULES, description="Text rules that are on; `[]` reads no text.")
    confidence: float = Field(0.5, ge=0, le=1, description="Smallest confidence of a reading that counts.")
    regions: tuple[str, ...] = Field(
        ("US", "GB", "DE", "FR", "IN"), description="ISO 3166 codes whose national telephone numbers count."
    )
    classifiers: dict[str, Classifier] = Field({}, description="Rule name → function and threshold.")
    generated: bool = Field(False, description="Whether task pictures, which show nobody's data, are screened too.")

    @field_validator("regions")
    @classmethod
    def _regions_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for region in value:
            if region not in SUPPORTED_REGIONS:
                hint = did_you_mean(region, sorted(SUPPORTED_REGIONS))
                raise ValueError(f"{region!r} is no region of libphonenumber{hint}")
        return value

    @model_validator(mode="after")
    def _names_are_free(self) -> Settings:
        taken = self.classifiers.keys() & {*RULES, "pair"}
        if taken:
            raise ValueError(f"{min(taken)!r} is the name of a rule; a classifier needs another")
        return self


def settings(recipe: Recipe) -> Settings | None:
    """What the recipe says of `screen`; None when it leaves the stage out. Raises `RecipeError`."""
    given = recipe.stages.get("screen")
    if given is None:
        return None
    try:
        return Settings(**given)
    except ValidationError as error:
        raise RecipeError(explain(error, Settings, f"{recipe.name}: stages.screen")) from error


def add(plan: Plan, upstream: tuple[str, ...], wanted: Settings, number: int = 0) -> str:
    """Append `look` and `screen` behind the given nodes; returns the one that hands on what passed.

    Raises `RecipeError` for a classifier that is not there.
    """
    prefix = f"r{number}/" if number else ""
    text = bool(wanted.rules)
    scored = []
    for name, classifier in wanted.classifiers.items():
        try:
            scored.append(look.Classifier(name=name, **identity(classifier.call)))
        except HookError as error:
            raise RecipeError(f"{plan.recipe.name}: stages.screen.classifiers.{name}.call: {error}") from error
    seen = plan.add(
        f"{prefix}look",
        look.STAGE,
        look.Parameters(text=text, regions=wanted.regions if text else (), classifiers=tuple(scored)),
        upstream,
        number=number,
        versions={name: version(name) for name in look.LIBRARIES} if text else {},
    )
    thresholds = {name: classifier.threshold for name, classifier in wanted.classifiers.items()}
    decided = screen.Parameters(rules=wanted.rules, confidence=wanted.confidence, thresholds=thresholds)
    return plan.add(f"{prefix}screen", screen.STAGE, decided, (*upstream, seen), number=number)
