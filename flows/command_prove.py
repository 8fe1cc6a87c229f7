"""The command that proves traces and planted errors: prove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from flows import console, recipes
from flows.command_run import LAKE, AsJson, LakeFolder, RecipeName, Settings

if TYPE_CHECKING:
    from flows.plan import Plan
    from flows.planting import Report as Planted
    from flows.planting import Sight
    from flows.proving import Report


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(prove)


def prove(
    recipe: RecipeName = "worlds",
    lake: LakeFolder = LAKE,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Make and verify the traces of a recipe, then carry every kept one out again from what the lake holds.

    What was made before is not made again, but it is always proven again, in fresh processes: ids against content,
    observations and stored pictures pixel for pixel. Fails when one trace does not hold.

    Of a recipe with stage `blind` the planted errors are proven instead: judged by a second path to the truth, made
    again from the seed, and tried on readers who see no picture.

    Example: `evolens prove worlds --lake worlds_lake`

    Example: `evolens prove vicrit --lake vicrit_lake`
    """
    from flows.running import open_plan

    plan = open_plan(recipe, lake, None, recipes.overrides_of(settings or ()))
    faults = (_planted if "blind" in plan.recipe.stages else _traces)(plan, as_json)
    if faults:
        console.fail("; ".join(faults))
        raise typer.Exit(1)


def _traces(plan: Plan, as_json: bool) -> list[str]:
    from flows.proving import prove_plan

    report = prove_plan(plan)
    if as_json:
        console.print_json(report.as_json())
    else:
        show(report)
    if report.holds:
        return []
    faults = f"{len(report.proven.faults)} of {report.kept} kept traces do not hold"
    return [faults if report.kept else "no trace was kept: there is nothing to prove"]


def _planted(plan: Plan, as_json: bool) -> list[str]:
    from flows.planting import prove_planted

    report = prove_planted(plan)
    if as_json:
        console.print_json(report.as_json())
    else:
        show_planted(report)
    return report.faults


def show_planted(report: Planted) -> None:
    """Print the tables, and between them the figures."""
    say, truth = console.out.print, report.truth
    false, true, once = (f"{count / max(truth.judged, 1):.2%}" for count in (truth.false, truth.true, truth.once))
    console.table("Funnel", report.funnel)
    console.table("Types", report.kinds)
    say(
        f"{report.injections:,} injections into {report.captions:,} captions of {report.pictures:,} pictures"
        + (f" in {report.seconds:.1f} s: {report.injections / report.seconds:.1f} a second" if report.seconds else "")
    )
    say(f"evenness of types: {report.even[0]:.3f} as made, {report.even[1]:.3f} as kept (1 is all alike)")
    say(f"made again from the seed in an empty lake: {'the same bytes' if report.same else 'NOT the same'}")
    say(f"by a second path to the truth, of {truth.judged:,}: {false} false now and nothing beside, {true} true before")
    say(f"standing once in their caption: {once}")
    tried = f" ({report.trying:.1f} s)" if report.trying else ""
    say(f"kept by readers without the picture{tried}: {report.kept:.1%}\n")
    console.table("Readers without the picture: area under the curve on held-out pictures", _sights(report.sights))
    console.table("The same of the questions of vicrit banks, none of which is dropped", _sights(report.bank))
    console.table("The keenest of them, by type and family", report.cells)


def _sights(sights: Sequence[Sight]) -> list[dict[str, object]]:
    return [
        {
            "detector": sight.detector,
            **{
                f"{when} {name}": value
                for when, area in (("before", sight.before), ("after", sight.after))
                for name, value in zip(("area", "low", "high"), (round(each, 3) for each in area), strict=True)
            },
            "n before": sight.n_before,
            "n after": sight.n_after,
        }
        for sight in sights
    ]


def show(report: Report) -> None:
    """Print the tables, then the figures, then what does not hold."""
    proven, say = report.proven, console.out.print
    console.table("Funnel", report.funnel)
    console.table("Traces by family", report.families)
    if report.seconds is None:
        say(f"{report.traces:,} traces, which an earlier run made, wholly or in part")
    else:
        rate = report.traces / report.seconds
        say(f"made and verified {report.traces:,} traces in {report.seconds:.1f} s: {rate:.1f} a second")
    say(f"distinct program states: {report.states:,}, {report.states / max(report.traces, 1):.1%} of the traces")
    say(
        f"proven again in {report.processes} fresh processes: {proven.traces - len(proven.faults):,} of {report.kept:,}"
        f" kept traces, {proven.pictures:,} stored pictures of tools equal pixel for pixel, in {proven.seconds:.1f} s\n"
    )
    marks = sorted({mark for peaks in report.memory.values() for mark in peaks if mark})
    console.table(
        "Most memory of all processes together, MiB, until so many rows were done",
        [
            {"work": work, **{f"{mark:,}": round(peaks.get(mark, peaks[0])) for mark in marks}, "all": round(peaks[0])}
            for work, peaks in report.memory.items()
        ],
    )
    for proof in proven.faults[:20]:
        console.err.print(f"trace {proof.trace_id}: {proof.fault}", markup=False)
