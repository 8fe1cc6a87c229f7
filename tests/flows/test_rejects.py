"""What was turned away, counted by rule; and another threshold tried on stored values agrees with a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import BaseModel
from typer.testing import CliRunner

from flows.cli import app
from flows.rejects import NoRule, WhatIf, by_rule, open_away, rows_of, what_if
from pipelines.lake import Lake, Manifest, runs
from pipelines.lake.catalog import NAME, build_catalog
from pipelines.runner import run_stage
from pipelines.stage import Context, Stage, StageCall
from schemas.outcome import Drop, Fail, Keep, Outcome
from tests.pipelines import toy


class Bar(BaseModel):
    """Numbers, and the rule that they must pass."""

    numbers: tuple[float, ...]
    rule: str
    bar: float


PASSES = {
    "low": lambda number, bar: number >= bar,  # dropped for being too low
    "not_above": lambda number, bar: number > bar,
    "high": lambda number, bar: number <= bar,
    "not_below": lambda number, bar: number < bar,
}


def judge(row: dict[str, Any], p: Bar, ctx: Context) -> Outcome:
    if row["number"] == 13:
        return Fail("unlucky", "thirteen")
    if PASSES[p.rule](row["number"], p.bar):
        return Keep({"sample_id": row["row_id"]})
    return Drop(p.rule, row["number"], p.bar)


def numbers(p: Bar) -> list[dict[str, Any]]:
    return [{"row_id": f"{place:03d}", "number": number} for place, number in enumerate(p.numbers)]


JUDGE = Stage("judge", 1, "map", Bar, "row_id", "checks", judge, source=numbers)


def judged(lake: Lake, *bars: Bar) -> list[Manifest]:
    """A complete run with one round for each bar, and its catalog."""
    made = [run_stage(lake, StageCall(JUDGE, bar, max_failed=1.0)) for bar in bars]
    toy.record(lake, "toy", [(f"r{i}/judge", i, found.key) for i, found in enumerate(made, 1)])
    build_catalog(lake)
    return made


def asked(lake: Lake, rule: str, x: float, stage: str | None = None) -> list[WhatIf]:
    found = [runs.named(lake.root, "latest")]
    with duckdb.connect(str(lake.root / NAME), read_only=True) as connection:
        open_away(connection, [run.run_id for run in found])
        return what_if(connection, lake, found, rule, stage, x)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@settings(max_examples=12)
@drawn(
    rule=st.sampled_from(sorted(PASSES)),
    values=st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=12),
    bar=st.sampled_from([0.25, 0.5, 0.75]),
    tried=st.sampled_from([0.0, 0.25, 0.5, 0.6, 1.0]),
)
def test_what_if_agrees_with_a_run_under_that_threshold(tmp_path_factory, rule, values, bar, tried):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    (before,) = judged(lake, Bar(numbers=values, rule=rule, bar=bar))
    if not before.counts.rejected:
        return
    (answer,) = asked(lake, rule, tried)
    dropped = [value for value in values if not PASSES[rule](value, bar)]
    assert (answer.dropped, answer.least, answer.most) == (len(dropped), min(dropped), max(dropped))
    if set(dropped) == {bar}:
        assert answer.would_pass is None and "exactly at its threshold" in answer.note
        return
    if bar in dropped or rule in ("low", "high"):  # else nothing shows that the rule is a strict one
        assert answer.would_pass == sum(PASSES[rule](value, tried) for value in dropped)
    again = run_stage(Lake(lake.root / "again"), StageCall(JUDGE, Bar(numbers=values, rule=rule, bar=tried)))
    stricter = tried > bar if rule in ("low", "not_above") else tried < bar
    assert ("is stricter than" in answer.note) == stricter
    if not stricter and (bar in dropped or rule in ("low", "high")):
        assert again.counts.kept == before.counts.kept + answer.would_pass


def test_counts_shares_and_examples_by_rule(lake):
    judged(
        lake,
        Bar(numbers=(0.1, 0.2, 13, 0.9), rule="low", bar=0.5),
        Bar(numbers=(0.3, 0.8), rule="low", bar=0.7),
    )
    scope = [runs.named(lake.root, "latest").run_id]
    with duckdb.connect(str(lake.root / NAME), read_only=True) as connection:
        open_away(connection, scope)
        low, unlucky = by_rule(connection, scope)
        assert (low["rule"], low["rows"], low["of"], low["share"]) == ("low", 3, 6, 0.5)
        assert (low["least"], low["most"], low["thresholds"]) == (0.1, 0.3, [0.5, 0.7])
        assert (unlucky["rule"], unlucky["rows"], unlucky["example"]) == ("failed: unlucky", 1, "thirteen")
        assert rows_of(connection, "low", None, 1)[0] == 3
        assert rows_of(connection, "low", None, 1)[1][0]["value"] == 0.2  # the nearest to its threshold first
        with pytest.raises(NoRule, match="no such stage ran; did you mean 'judge'"):
            by_rule(connection, scope, "juge")
        with pytest.raises(NoRule, match="did you mean 'low'"):
            rows_of(connection, "lov", None, 1)


def test_what_no_threshold_can_answer_is_said(lake):
    made = run_stage(lake, toy.call(toy.MAKE, count=6))
    looked = run_stage(lake, toy.call(toy.LOOK, made.key))
    chosen = run_stage(lake, toy.call(toy.CHOOSE, made.key, looked.key))
    toy.record(lake, "toy", [("make", 0, made.key), ("look", 0, looked.key), ("choose", 0, chosen.key)])
    build_catalog(lake)
    both = asked(lake, "even", 0)[0]
    assert both.passes is None and "both sides" in both.note
    silent = asked(lake, "other_half", 0)[0]
    assert silent.passes is None and "states no number" in silent.note
    then = both.then
    assert [(at.stage, at.read, at.turned_away) for at in then] == [("choose", 6, 3)]
    with pytest.raises(NoRule, match="in stage make"):
        asked(lake, "even", 0, "make")


def test_the_command(lake):
    judged(lake, Bar(numbers=(0.1, 0.4, 0.9), rule="low", bar=0.5))
    at = ["--lake", str(lake.root)]
    said = CliRunner().invoke(app, ["rejects", *at])
    assert said.exit_code == 0 and "66.7 %" in said.output
    tried = ["rejects", *at, "--rule", "low", "--threshold", "0.3"]
    answer = json.loads(CliRunner().invoke(app, [*tried, "--json"]).stdout)["stages"][0]
    assert (answer["dropped"], answer["would_pass"], answer["passes"]) == (2, 1, "value >= 0.3")
    shown = CliRunner().invoke(app, tried).output
    assert "1 of those would have passed" in shown and "not known: what the further rules of judge" in shown
    assert CliRunner().invoke(app, ["rejects", *at, "--threshold", "1"]).exit_code == 2
    toy.record(Lake(lake.root / "partial"), "toy", [], "partial")
    build_catalog(Lake(lake.root / "partial"))
    partial = CliRunner().invoke(app, ["rejects", "--lake", str(lake.root / "partial")])
    assert "no run is complete; name one with --run" in str(partial.exception)
    gone = CliRunner().invoke(app, ["rejects", *at, "--run", "nothing"])
    assert "no run is called so; known: toy" in str(gone.exception)
