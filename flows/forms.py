"""What the form of a deployment asks for, as types: a list of recipes, a folder, and fields of a recipe to change.

The server checks a form against these schemas before it makes a run, so what is refused there never starts, and is
never kept. `open_plan` then checks what only the recipe knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema

from flows.recipes import shipped
from schemas.recipe import Recipe

FIELDS = sorted(Recipe.model_fields.keys() - {"name", "folder"})
"""Fields of a recipe that a form may change."""

SECRET = r"(api[-_]?key|token|passwd|password|secret)(?!.*_env$)"
CREDENTIALS = r"://[^/?#\s@]+@"


@dataclass(frozen=True)
class Says:
    """Words beside a field of a form. Prefect puts its own in the place of `Field(description=…)`, and leaves these."""

    words: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "description": self.words}


RecipeName = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "enum": sorted(shipped()),
            "description": "One that ships with Evolens, or of the folders in EVOLENS_RECIPES.",
        }
    ),
]

LakeFolder = Annotated[str, Says("The lake's folder.")]

Overrides = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "description": 'Recipe fields to change, by dotted name: {"stages.difficulty.rollouts": 16}. '
            "Secrets are refused: a recipe names the environment variable that holds one.",
            "propertyNames": {"pattern": rf"^({'|'.join(FIELDS)})(\.[A-Za-z0-9_-]+)*$"},
            "patternProperties": {SECRET: {"type": ["number", "boolean", "null"]}},
            "additionalProperties": {
                "type": ["string", "number", "boolean", "null", "array"],
                "not": {"type": "string", "pattern": CREDENTIALS},
            },
        }
    ),
]

Number = Annotated[int, Field(ge=1), Says("Which round.")]
Rounds = Annotated[int | None, Field(ge=1), Says("Rounds; empty for what the recipe says.")]
