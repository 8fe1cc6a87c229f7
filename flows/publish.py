"""Giving a run away, as a Prefect flow: to the Hub, or as an export with its card into a folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from pydantic import WithJsonSchema

from flows.artifacts import slug
from flows.forms import LakeFolder, Overrides, RecipeName, Says
from flows.recipes import DEFAULT
from flows.running import open_plan
from pipelines.export import FORMATS
from pipelines.lake.runs import named

Format = Annotated[
    str, WithJsonSchema({"type": "string", "enum": sorted(FORMATS), "description": "As docs/exports.md says them."})
]


@flow(name="publish", flow_run_name="{recipe}")
def publish(
    recipe: RecipeName = DEFAULT,
    lake: LakeFolder = "lake",
    format: Format = "datasets",  # noqa: A002 - the name that users see
    repo: Annotated[str, Says("OWNER/NAME on the Hub; by default the recipe's. The token is read from HF_TOKEN.")] = "",
    out: Annotated[str, Says("Without a repository: the folder that is written, replaced if it is ours.")] = "",
    # noqa: Prefect's form shows the default, nobody writes to it
    allow: Annotated[list[str], Says("Licences let through: unknown, nc, nd, or one by its name.")] = [],  # noqa: B006
    leave_out: Annotated[bool, Says("Leave out rows whose licence is refused.")] = False,
    overrides: Overrides = {},  # noqa: B006  # Prefect's form shows it, nobody writes to it
) -> dict[str, Any]:
    """Publish what the newest complete run of a recipe curated; returns what was written or pushed."""
    plan = open_plan(recipe, lake, None, overrides)
    run, name = named(plan.lake.root, plan.recipe.name), slug(plan.recipe.name)
    said = plan.recipe.publish
    if repo or (said.repo and not out):
        from flows import push

        asked = push.Wish("dataset", format, allow=tuple(allow), leave_out=leave_out)
        done = push.push(plan.lake, run, repo or said.repo, asked if repo else push.wish_of(said))
        told = asdict(done) if done else {}
    else:
        from flows.cards.given import open_export
        from flows.cards.write import write_beside
        from flows.report.source import open_run
        from pipelines.export.write import Choice, export

        folder = Path(out or plan.lake.root / "exports" / f"{plan.recipe.name}-{format}")
        choice = Choice(format, allow=tuple(allow), leave_out=leave_out, force=True)
        told = {**asdict(export(plan.lake, run, choice, folder)), "folder": str(folder.absolute())}
        with open_run(plan.lake, run.run_id) as source:
            card, _ = write_beside(source, open_export(folder))
        create_markdown_artifact(card.read_text(encoding="utf-8"), key=f"card-{name}", description="Card")
    rows = [{"what": key, "value": str(value)} for key, value in told.items()]
    create_table_artifact(table=rows, key=f"published-{name}", description="What was published")
    return told
