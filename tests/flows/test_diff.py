"""Two runs compared: what came, what went and by which rule, what changed; and runs that cannot be compared say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.diff import Diff, NotComparable, compare, open_side
from pipelines import curate
from pipelines.lake import Lake, runs
from pipelines.runner import run_stage
from pipelines.stage import Context, Stage, StageCall
from schemas.outcome import Child, Drop, Expansion, Keep, Row
from schemas.rows import lineage
from tests.pipelines import toy
from tests.pipelines.jobs import Content, given, sample

ALL = "SELECT sample_id, 'rl' AS split FROM pool ORDER BY sample_id"


def sift(tables: Any, p: Content, ctx: Context) -> Any:
    """Clusters of one, but for the samples that the parameters name."""
    for row in tables["input"].to_pylist():
        name = row["sample_id"]
        yield name, Drop("too_near", 0.99, 0.95) if name in p.digest else Keep({"sample_id": name, "cluster_id": name})


SIFT = Stage("sift", 1, "whole", Content, "sample_id", "clusters", sift, sql="SELECT sample_id FROM samples")


def curated(
    lake: Lake, samples: list[Row], near: str = "", sql: str = ALL, rate: float = 0.5, name: str = "toy"
) -> str:
    """A complete run over these samples; returns its id."""
    made = given(lake, samples=samples)
    kept = run_stage(lake, StageCall(SIFT, Content(digest=near), (made,)))
    ids = [row["sample_id"] for row in samples]
    measured = given(
        lake,
        difficulty=[{"sample_id": each, "pass_rate": rate, "iterations": 1} for each in ids],
        influence=[{"sample_id": each, "target": "t", "score": 0.1} for each in ids],
    )
    chosen = run_stage(
        lake,
        StageCall(curate.STAGE, curate.Parameters(sql=sql, control=False), (made, kept.key, measured)),
    )
    nodes = [("given", 0, made), ("r1/sift", 1, kept.key), ("r1/measured", 1, measured), ("r1/curate", 1, chosen.key)]
    return toy.record(lake, name, nodes).run_id


def write(row: Row, p: Content, ctx: Context) -> Expansion:
    """A record of two questions; the second is dropped where the parameters say so."""
    found = questions("first?", "second?")
    edges = [lineage(each["sample_id"], row["record_id"], "read_from", "write") for each in found]
    kept = [Keep(each, {"lineage": [edge]}) for each, edge in zip(found, edges, strict=True)]
    outcomes = [kept[0], Drop("too_short", 2, 5)] if p.digest == "strict" else kept
    return Expansion([Child(f"{row['record_id']}/{number}", outcome) for number, outcome in enumerate(outcomes)])


WRITE = Stage("write", 1, "expand", Content, "record_id", "samples", write, source=lambda p: [{"record_id": "file:1"}])


def compared(lake: Lake, a: str, b: str) -> Diff:
    return compare(lake, *(open_side(lake, runs.named(lake.root, name)) for name in (a, b)))


def rules(rows: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    return {row["question"]: (row["stage"], row["rule"]) for row in rows}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def questions(*texts: str) -> list[Row]:
    return [sample(f"{1:032x}", text) for text in texts]


def test_added_dropped_and_changed_with_their_rules(lake):
    both, near, passed_over, gone, new = questions("both?", "near?", "passed over?", "gone?", "new?")
    a = curated(lake, [both, near, passed_over, gone])
    sql = "SELECT sample_id, 'rl' AS split FROM pool WHERE question <> 'passed over?' ORDER BY sample_id"
    b = curated(lake, [both, near, passed_over, new], near["sample_id"], sql, rate=0.75)
    found = compared(lake, a, b)
    assert rules(found.dropped) == {
        "near?": ("sift", "too_near"),
        "passed over?": ("curate", "not_selected"),
        "gone?": ("given", "not_made"),
    }
    assert [(row["value"], row["threshold"]) for row in found.dropped if row["rule"] == "too_near"] == [(0.99, 0.95)]
    assert rules(found.added) == {"new?": ("given", "not_made")}
    assert found.counts == {
        "a": 4, "b": 2, "both": 1, "samples_in_both": 3, "dropped": 3, "added": 1,
        "split": 0, "difficulty": 1, "influence": 0,
    }  # fmt: skip
    assert [(row["sample_id"], row["pass_rate_a"], row["pass_rate_b"]) for row in found.changed] == [
        (both["sample_id"], 0.5, 0.75)
    ]
    assert {change.stage for change in found.changes} >= {"sift", "curate"}
    back = compared(lake, b, a)
    assert (rules(back.added), rules(back.dropped)) == (rules(found.dropped), rules(found.added))


def test_a_row_that_only_the_control_drew_was_not_selected(lake):
    first, second = questions("first?", "second?")
    made = given(lake, samples=[first, second])
    kept = run_stage(lake, StageCall(SIFT, Content(digest=""), (made,)))
    ids = []
    for wanted in (first, second):
        sql = f"SELECT '{wanted['sample_id']}' AS sample_id, 'rl' AS split"
        for seed in range(20):  # a seed whose control draws the other one
            call = StageCall(curate.STAGE, curate.Parameters(sql=sql, seed=seed), (made, kept.key))
            done = run_stage(lake, call)
            if not done.counts.rejected:
                break
        nodes = [("given", 0, made), ("r1/sift", 1, kept.key), ("r1/curate", 1, done.key)]
        ids.append(toy.record(lake, "toy", nodes).run_id)
    found = compared(lake, *ids)
    assert rules(found.dropped) == {"first?": ("curate", "only_in_control")}
    assert rules(found.added) == {"second?": ("curate", "only_in_control")}


def test_a_row_that_never_became_a_sample_is_traced_to_its_record(lake):
    ids = []
    for digest in ("lenient", "strict"):
        made = run_stage(lake, StageCall(WRITE, Content(digest=digest))).key
        kept = run_stage(lake, StageCall(SIFT, Content(digest=""), (made,))).key
        chosen = run_stage(lake, StageCall(curate.STAGE, curate.Parameters(sql=ALL, control=False), (made, kept))).key
        nodes = [("write", 0, made), ("r1/sift", 1, kept), ("r1/curate", 1, chosen)]
        ids.append(toy.record(lake, "toy", nodes).run_id)
    (row,) = compared(lake, *ids).dropped
    assert (row["question"], row["stage"], row["rule"]) == ("second?", "write", "too_short")
    assert (row["value"], row["threshold"]) == (2, 5)


def test_runs_with_nothing_in_common_and_runs_without_curation(lake):
    a = curated(lake, questions("one?"))
    b = curated(lake, questions("two?"), name="other")
    found = compared(lake, a, b)
    assert "nothing in common" in found.message and (len(found.dropped), len(found.added)) == (1, 1)
    assert "nothing that could differ" in compared(lake, a, "toy").message
    assert runs.named(lake.root, "latest").run_id == b
    made = given(lake, samples=questions("three?"))
    alone = toy.record(lake, "alone", [("ingest", 0, made)])
    with pytest.raises(NotComparable, match=r"\(alone\) has no round with a finished `curate`.*it finished ingest"):
        open_side(lake, alone)
    with pytest.raises(NotComparable, match="no round 2 .* curated in round 1"):
        open_side(lake, runs.named(lake.root, a), 2)
    with pytest.raises(runs.NoRun, match="several runs start so"):
        runs.named(lake.root, "2")
    with pytest.raises(runs.NoRun, match="known: alone, other, toy"):
        runs.named(lake.root, "nobody")


def test_the_command(lake):
    a = curated(lake, questions("both?", "gone?"))
    curated(lake, questions("both?"), rate=0.9, name="next")
    command = ["diff", a, "next", "--lake", str(lake.root)]
    said = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert (said["counts"]["dropped"], said["a"]["run_id"], said["b"]["recipe"]) == (1, a, "next")
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "not_made" in shown.output and "gone?" in shown.output
