"""Commands that make data and models: run, plan, stage, ingest, train, eval, replay."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows import console, recipes
from flows.command_ingest import ingest

if TYPE_CHECKING:
    from flows.plan import Plan, Step
    from schemas.recipe import Recipe

RecipeName = Annotated[str, typer.Argument(help="A recipe file, or the name of one that ships with Evolens.")]
LakeFolder = Annotated[Path, typer.Option("--lake", help="The lake's folder.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Override a field: stages.difficulty.rollouts=16. Repeatable.")
]
Rounds = Annotated[int | None, typer.Option(min=1, help="Rounds of the flywheel; the recipe says how many by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

LAKE = Path("lake")


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(run)
    app.command()(plan)
    app.command()(stage)
    app.command()(ingest)
    app.command()(train)
    app.command(name="eval")(evaluate)
    app.command()(replay)


def run(
    recipe: RecipeName = recipes.DEFAULT,
    lake: LakeFolder = LAKE,
    rounds: Rounds = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Run a recipe to its end; what is already made is not made again.

    Example: `evolens run quickstart --lake lake --rounds 1`
    """
    from flows.running import run_recipe, summary

    began = time.monotonic()
    opened = recipes.open_recipe(recipe, settings or (), rounds)
    result = run_recipe(recipe, lake, rounds, recipes.overrides_of(settings or ()))
    summary(opened, lake, result, began, as_json=as_json)


def plan(
    recipe: RecipeName = recipes.DEFAULT,
    lake: LakeFolder = LAKE,
    rounds: Rounds = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Say which stages would run, and why, without running any.

    Example: `evolens plan quickstart --set stages.difficulty.rollouts=16`
    """
    _, _, said = _planned(recipe, lake, rounds, settings)
    rows = [{"stage": step.node.name, "state": step.state, "why": step.why, "key": step.node.key} for step in said]
    if as_json:
        console.print_json(rows)
        return
    console.table(f"Plan of {recipe}", rows, ["stage", "state", "why"])
    waiting = sum(step.state == "run" for step in said)
    console.out.print(f"{waiting} of {len(said)} stages would run." if waiting else "Nothing would run: all is made.")


def stage(
    name: Annotated[str, typer.Argument(help="A stage of the plan: difficulty, r1/difficulty, banks.")],
    recipe: RecipeName = recipes.DEFAULT,
    lake: LakeFolder = LAKE,
    rounds: Rounds = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Run one stage of a recipe, and whatever it needs first, as a partial run: tables `all_*` show its rows.

    Example: `evolens stage difficulty quickstart`
    """
    from flows.running import node_named

    made, _, _ = _planned(recipe, lake, rounds, settings)
    rows = _run(made, [node_named(made, name)])
    if as_json:
        console.print_json(rows)
    else:
        console.table("Funnel", rows)


def train(
    trainer: Annotated[Literal["sft", "grpo"], typer.Argument(help="Imitation (sft), or it and reinforcement (grpo).")],
    recipe: RecipeName = recipes.DEFAULT,
    lake: LakeFolder = LAKE,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Train the policy of the recipe's first round by SFT or GRPO, on data that is made first where it is not there.

    Example: `evolens train sft quickstart --lake lake --set stages.sft.steps=50`
    """
    from flows.policies import weights_of

    made, _, _ = _planned(recipe, lake, None, settings)
    name = f"r1/{trainer}"
    rows = _run(made, [name])
    folder = weights_of(made.lake, made.nodes[name].key)
    if as_json:
        console.print_json({"stage": name, "key": made.nodes[name].key, "policy": str(folder), "funnel": rows})
    else:
        console.table("Funnel", rows)
        console.out.print(f"policy {folder}   in a recipe: `policy: {{url: local:{folder}}}`")


def evaluate(
    recipe: RecipeName = recipes.DEFAULT, lake: LakeFolder = LAKE, settings: Settings = None, as_json: AsJson = False
) -> None:
    """Evaluate base, +SFT, +GRPO and the controls of the first round on the evaluation banks.

    What they are trained from is made first where it is not there. Example: `evolens eval quickstart --lake lake`
    """
    from flows.plan import ARMS
    from flows.running import accuracy, show_accuracy

    made, _, _ = _planned(recipe, lake, None, settings)
    _run(made, [f"r1/evaluate_{arm}" for arm in ARMS])
    if as_json:
        console.print_json(accuracy(made, 1))
    else:
        show_accuracy(made, 1)


def replay(
    stage_name: Annotated[str, typer.Argument(metavar="STAGE", help="The stage whose failures are to be tried again.")],
    recipe: RecipeName = recipes.DEFAULT,
    lake: LakeFolder = LAKE,
    rounds: Rounds = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Try the failed rows of a stage again; its kept rows stay as they are. `evolens run` then runs what follows.

    Example: `evolens replay difficulty quickstart`
    """
    from flows.running import node_named, replay_stage

    planned, _, _ = _planned(recipe, lake, rounds, settings)
    made = replay_stage(planned, node_named(planned, stage_name))
    if as_json:
        console.print_json(made.as_json())
    else:
        made.print()


def _planned(
    recipe: str, lake: Path, rounds: int | None, settings: list[str] | None
) -> tuple[Plan, Recipe, list[Step]]:
    from flows.plan import make_plan, steps
    from flows.running import newest_keys
    from pipelines.lake import Lake

    opened = recipes.open_recipe(recipe, settings or (), rounds)
    made = make_plan(opened, Lake(lake))
    return made, opened, steps(made, newest_keys(made))


def _run(made: Plan, names: list[str]) -> list[dict[str, Any]]:
    """Run nodes of a plan and what they need; returns the funnel."""
    from flows.results import funnel
    from flows.running import run_named

    return funnel(made.lake, run_named(made, names))
