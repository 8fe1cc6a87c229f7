"""The Data Evolution Flywheel as a Prefect flow: every round of a recipe."""

from __future__ import annotations

from prefect import flow

from flows.forms import LakeFolder, Overrides, RecipeName, Rounds
from flows.recipes import DEFAULT
from flows.run_round import run_round
from flows.running import open_plan


@flow(name="flywheel", flow_run_name="{recipe}")
def flywheel(
    recipe: RecipeName = DEFAULT,
    lake: LakeFolder = "lake",
    rounds: Rounds = None,
    overrides: Overrides = {},  # noqa: B006  # Prefect's form shows it, nobody writes to it
) -> dict[str, str]:
    """Run a recipe to its end: every round, then catalog and card. Returns the stage key of every node."""
    plan = open_plan(recipe, lake, rounds, overrides)
    keys: dict[str, str] = {}
    for number in range(1, plan.recipe.rounds + 1):
        keys = run_round(recipe, lake, number, {**overrides, "rounds": plan.recipe.rounds})
    return keys
