"""Commands that ask why, and what if: rejects, diff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows import console
from flows.command_run import LAKE, AsJson, LakeFolder

if TYPE_CHECKING:
    from flows.rejects import WhatIf
    from pipelines.lake import Lake
    from pipelines.lake.runs import Run

RunName = Annotated[
    str, typer.Argument(help="A run: its id or how that begins, `latest`, or a recipe's name for its newest run.")
]
Shown = Annotated[int, typer.Option("--limit", min=0, help="How many rows to show.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(rejects)
    app.command()(diff)


def rejects(
    lake: LakeFolder = LAKE,
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only this rule; shows rows.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="With --rule: how many of its rows this threshold would have let pass.")
    ] = None,
    run: Annotated[
        str | None, typer.Option(help="A run: id, its beginning, or ref; by default the newest of each recipe.")
    ] = None,
    limit: Shown = 20,
    as_json: AsJson = False,
) -> None:
    """Say which rows were dropped or failed, by stage and rule, and what another threshold would have kept.

    Example: `evolens rejects --rule region_missed --threshold 0.5`
    """
    import duckdb

    from flows.rejects import by_rule, open_away, rows_of, what_if
    from pipelines.lake import Lake
    from pipelines.lake.catalog import NAME

    if threshold is not None and rule is None:
        raise typer.BadParameter("--threshold needs --rule: the rule whose threshold is to be tried")
    if not (lake / NAME).exists():
        raise FileNotFoundError(f"{lake / NAME}: there is no catalog; make one with `evolens catalog --lake {lake}`")
    opened = Lake(lake)
    found = _scope(opened, run)
    scope = [each.run_id for each in found]
    with duckdb.connect(str(lake / NAME), read_only=True) as connection:
        open_away(connection, scope)
        if rule is None:
            _show_rules(by_rule(connection, scope, stage), as_json)
        elif threshold is None:
            _show_rows(rule, *rows_of(connection, rule, stage, limit), as_json)
        else:
            _show_what_if(rule, threshold, what_if(connection, opened, found, rule, stage, threshold), as_json)


def diff(
    run_a: RunName,
    run_b: RunName,
    lake: LakeFolder = LAKE,
    round_: Annotated[
        int | None, typer.Option("--round", min=1, help="Which round of both; by default the last of each.")
    ] = None,
    limit: Shown = 10,
    as_json: AsJson = False,
) -> None:
    """Compare what two runs curated: rows added, rows dropped and by which rule, and scores that changed.

    Example: `evolens diff 20261122-1220 latest`
    """
    from flows.diff import compare, open_side
    from pipelines.lake import Lake, runs

    opened = Lake(lake)
    a, b = (open_side(opened, runs.named(opened.root, name), round_) for name in (run_a, run_b))
    found = compare(opened, a, b)
    if as_json:
        console.print_json(found.as_json())
        return
    for letter, side in (("A", a), ("B", b)):
        started = side.run.started[:19].replace("T", " ")
        console.out.print(f"{letter}  {side.run.run_id}  {side.run.recipe}, round {side.round}, started {started} UTC")
    console.out.print()
    if found.changes:
        console.table("What the runs do differently", [vars(change) for change in found.changes])
    console.table("Curated rows", [found.counts])
    if found.message:
        console.out.print(found.message + "\n")
    _show_moved("In A, and not in B: where B lost them", found.dropped, limit)
    _show_moved("In B, and not in A: where A had lost them", found.added, limit)
    if found.changed:
        shown = found.changed[:limit]
        console.table(f"In both, changed: {len(found.changed)} rows, {len(shown)} shown", shown)


def _scope(lake: Lake, name: str | None) -> list[Run]:
    from pipelines.lake import runs

    if name is not None:
        return [runs.named(lake.root, name)]
    found = [runs.load_run(lake.root, run_id) for run_id in sorted(set(runs.refs(lake.root).values()))]
    if not found:
        known = ", ".join(run.run_id for run in runs.list_runs(lake.root)[-6:]) or "none"
        raise runs.NoRun(f"{lake.root}: no run is complete; name one with --run; there are {known}")
    return found


def _show_rules(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        console.print_json(rows)
        return
    shown = [
        {
            "stage": row["stage"],
            "rule": row["rule"],
            "rows": row["rows"],
            "of": row["of"],
            "share": f"{100 * row['share']:.1f} %" if row["share"] is not None else "",
            "values": _span(row["least"], row["most"]),
            "threshold": ", ".join(f"{value:g}" for value in row["thresholds"] or ()),
            "for example": row["example"],
        }
        for row in rows
    ]
    console.table("Dropped and failed rows, of those that the stage read", shown)
    if not rows:
        console.out.print("Not one row was dropped, and none failed.")


def _show_rows(rule: str, count: int, rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        console.print_json(rows)
        return
    named = ["round", "stage", "row_id", "value", "threshold", "example"]
    console.table(f"{rule}: {count} rows, {len(rows)} shown", rows, named)


def _show_what_if(rule: str, threshold: float, answers: list[WhatIf], as_json: bool) -> None:
    if as_json:
        console.print_json({"rule": rule, "threshold": threshold, "stages": [answer.as_json() for answer in answers]})
    else:
        for answer in answers:
            head = f"[bold]{answer.stage}[/bold] {rule}: {answer.dropped} rows dropped"
            old = ", ".join(f"{value:g}" for value in answer.thresholds)
            console.out.print(head + (f" at threshold {old}; values {_span(answer.least, answer.most)}" if old else ""))
            if answer.passes:
                console.out.print(
                    f"  at {threshold:g}, {answer.would_pass} of those would have passed ({answer.passes})"
                )
                meets = ", ".join(f"{at.stage} ({at.turned_away} of {at.read} dropped)" for at in answer.then)
                beyond = f", and {meets}" if meets else ""
                console.out.print(
                    f"  not known: what the further rules of {answer.stage}{beyond} would have made of those"
                )
            if answer.note:
                console.out.print(f"  {answer.note}")
    if not any(answer.passes for answer in answers):
        console.fail(f"{rule}: the stored values cannot say what another threshold would have kept")
        raise typer.Exit(1)


def _show_moved(title: str, rows: list[dict[str, Any]], limit: int) -> None:
    if not rows:
        return
    rules: dict[tuple[str, str], int] = {}
    for row in rows:
        rules[row["stage"], row["rule"]] = rules.get((row["stage"], row["rule"]), 0) + 1
    counted = sorted(rules.items(), key=lambda item: (-item[1], item[0]))
    console.table(title, [{"stage": stage, "rule": rule, "rows": count} for (stage, rule), count in counted])
    shown = [{**row, "sample_id": row["sample_id"][:12]} for row in rows[:limit]]
    console.table(f"{len(rows)} rows, {len(shown)} shown", shown)


def _span(least: float | None, most: float | None) -> str:
    if least is None or most is None:
        return ""
    return f"{least:g}" if least == most else f"{least:g} … {most:g}"
