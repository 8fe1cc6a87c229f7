"""Training on what is new, as a Prefect flow: by hand, on a schedule, or started by the events of other rounds."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows import events
from flows.flywheel import flywheel
from flows.forms import LakeFolder, Overrides, RecipeName, Rounds, Says
from flows.recipes import DEFAULT
from flows.run_round import choose_rows, rows_chosen
from flows.running import newest_keys, open_plan, served, waiting


@flow(name="retrain", flow_run_name="{recipe}")
def retrain(
    recipe: RecipeName = DEFAULT,
    lake: LakeFolder = "lake",
    rounds: Rounds = None,
    overrides: Overrides = {},  # noqa: B006  # Prefect's form shows it, nobody writes to it
    min_rows: Annotated[int, Field(ge=0), Says("Train only if so many chosen rows are new.")] = 0,
    min_drift: Annotated[
        float, Field(ge=0, le=1), Says("Train only if the pass rate of some task moved by so much.")
    ] = 0.0,
) -> State[str]:
    """Make the rows of the last round, and train on them where they are new enough.

    Twice the same trains once: stages that are made are not made again, and a repeated run finds all of them made.
    """
    plan = open_plan(recipe, lake, rounds, overrides)
    number = plan.recipe.rounds
    if newest_keys(plan) == served(plan) and not waiting(plan):
        return Completed(name="AlreadyTrained", message="every stage was already made by an earlier run")
    if not rows_chosen(plan, number):
        choose_rows(plan, number)  # and no event tells of it: what starts this flow would start it again
    found = events.measure(plan, number)
    if not found.due(min_rows, min_drift):
        return Completed(name="NotDue", message=f"not due: {found}; asked for {min_rows} rows, drift {min_drift}")
    flywheel(recipe, lake, rounds, overrides)
    return Completed(name="Trained", message=f"policy {plan.nodes[f'r{number}/grpo'].key}")
