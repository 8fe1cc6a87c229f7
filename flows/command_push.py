"""The command that gives to the Hub: push."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from flows import console
from flows.command_run import LAKE, AsJson, LakeFolder

if TYPE_CHECKING:
    from flows.push.parcel import Parcel, Weights


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(push)


def push(
    repo: Annotated[
        str | None,
        typer.Argument(help="OWNER/NAME on the Hub; made, private, if there is none. By default what `publish` says."),
    ] = None,
    lake: LakeFolder = LAKE,
    run: Annotated[
        str, typer.Option(help="A run's id or its first characters, a recipe's name, or `latest` complete run.")
    ] = "latest",
    model: Annotated[
        str | None, typer.Option(help="Push a trained policy instead of the rows: `grpo`, `sft`, `control_…`.")
    ] = None,
    format: Annotated[  # noqa: A002 - the name that users see
        str | None, typer.Option(help="Of the rows: a format of `evolens export`, by default `datasets`.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Let licences through that are `unknown`, `nc` or `nd`, or one by its name. Repeatable."),
    ] = None,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave out rows whose licence is refused, and push the others.")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="For everybody to see; private otherwise.")] = False,
    endpoint: Annotated[str | None, typer.Option(help="Another Hub than HF_ENDPOINT names.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Push what a run curated, or a policy that it trained, to a repository on the Hub, tagged with the run's id.

    The token is read from HF_TOKEN alone. A push that was killed is finished by the same command.

    Example: `evolens push me/curated --lake lake --dry-run`
    """
    from flows import push as hub
    from pipelines.lake import Lake
    from pipelines.lake.runs import named
    from schemas.recipe import PublishRecipe

    if model is not None and model not in MODELS:
        raise hub.CannotPush(f"--model {model!r} is none of {', '.join(MODELS)}")
    source = Lake(lake)
    chosen = named(source.root, run)
    planned = hub.planned(chosen) if repo is None and model is None else PublishRecipe()
    target = repo or planned.repo
    if not target:
        raise hub.CannotPush("where to? `evolens push OWNER/NAME`, or `publish: {repo: OWNER/NAME}` in the recipe")
    wish = hub.Wish(
        "model" if model else "dataset",
        format or planned.format,
        cast("Weights", model or "grpo"),
        (*planned.allow, *(allow or ())),
        leave_out=leave_out or planned.leave_out,
        public=public or planned.public,
        endpoint=endpoint,
    )
    told: dict[str, Any] = {}

    def tell(parcel: Parcel) -> None:
        told.update(_summary(parcel))
        if not as_json:
            _show(parcel, target)

    done = hub.push(source, chosen, target, wish, dry=dry_run, tell=tell)
    if as_json:
        console.print_json({**told, "pushed": asdict(done) if done else None})
    elif done is None:
        console.out.print("Nothing was sent (--dry-run).")
    else:
        seen = "private" if done.private else "public"
        changed = f"{done.sent} files changed" if done.sent else "it was there already"
        console.out.print(f"{done.kind} {done.repo}, {seen}: tag {done.tag}, commit {done.commit[:12]}; {changed}")


MODELS = ("grpo", "sft", "control_grpo", "control_sft")


def _summary(parcel: Parcel) -> dict[str, Any]:
    files = {piece.path: piece.size for piece in parcel.pieces}
    counted = {"rows": parcel.rows, "licenses": parcel.licenses, "refused": parcel.refused}
    return {"kind": parcel.kind, "run_id": parcel.run_id, "files": files, "bytes": parcel.size, **counted}


def _show(parcel: Parcel, repo: str) -> None:
    console.table(
        f"{parcel.kind} {repo}, run {parcel.run_id}",
        [{"file": piece.path, "bytes": piece.size} for piece in parcel.pieces],
    )
    learnt = "rows" if parcel.kind == "dataset" else "rows it learnt from"
    for title, counts in ((learnt, parcel.rows), ("licences", parcel.licenses), ("refused", parcel.refused)):
        if counts:
            console.out.print(
                f"{title}: " + ", ".join(f"{name} {count}" for name, count in counts.items()), markup=False
            )
    console.out.print(f"{len(parcel.pieces)} files, {parcel.size / 1e6:.1f} MB")
