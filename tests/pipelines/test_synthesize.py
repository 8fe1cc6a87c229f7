"""Synthesize: three specs, each kind of family; equal specs give equal rows, whatever the parts."""

import json

import pytest
from pydantic import ValidationError

from pipelines.lake import Lake
from pipelines.synthesize import STAGE, Mix, Parameters, specs
from pipelines.tasks import FAMILIES
from pipelines.tools.replay import replay
from tests.pipelines.jobs import rows, run

MIX = (Mix(task="counting", dial=0, count=1), Mix(task="search", dial=1, count=1), Mix(task="charts", dial=2, count=1))


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def test_three_specs(lake):
    done = run(lake, STAGE, Parameters(mix=MIX, seed=4))
    assert (done.counts.read, done.counts.expanded, done.counts.children_kept) == (3, 3, 3)
    samples = {row["task"]: row for row in rows(lake, done, "samples")}
    assert {task: row["dial"] for task, row in samples.items()} == {"counting": 0, "search": 1, "charts": 2}
    traces = {row["sample_id"]: row for row in rows(lake, done, "traces")}
    for row in samples.values():
        steps = traces[row["sample_id"]]["steps"]
        again = replay([lake.image(image) for image in row["image_ids"]], steps)
        assert again.mismatches == () and again.actions == sum(step["kind"] == "action" for step in steps)
        assert steps[-1]["kind"] == "answer"
        assert row["state_id"] and json.loads(row["program"])
        for step in steps:
            if step["image_id"]:  # what a tool made can be shown to a model
                assert lake.image(step["image_id"]).size[0] > 0
    assert any(step["kind"] == "observation" for step in traces[samples["search"]["sample_id"]]["steps"])
    captions = rows(lake, done, "captions")
    assert {row["task"] for row in captions} == set(samples)
    assert {row["source"] for row in captions} == {"program"}
    parents = {row["child_id"]: row["parent_id"] for row in rows(lake, done, "lineage")}
    assert parents[samples["search"]["sample_id"]] == "search:1:00000000"


def test_how_the_work_is_cut_changes_no_row(tmp_path):
    mix = tuple(Mix(task=task, count=2) for task in FAMILIES)
    found = []
    for number, part_rows in enumerate((1, 100)):
        lake = Lake(tmp_path / str(number))
        done = run(lake, STAGE, Parameters(mix=mix), part_rows=part_rows)
        found.append({table: rows(lake, done, table) for table in ("samples", "traces", "captions")})
    assert found[0] == found[1]


def test_two_entries_of_one_cell_go_on_counting():
    apart = list(specs(Parameters(mix=(Mix(task="counting", count=2), Mix(task="counting", count=1)))))
    assert apart == list(specs(Parameters(mix=(Mix(task="counting", count=3),))))
    other = list(specs(Parameters(mix=(Mix(task="counting", count=3),), seed=1)))
    assert not {row["seed"] for row in apart} & {row["seed"] for row in other}


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValidationError, match="no task; there are charts, counting"):
        Mix(task="countin", count=1)
    with pytest.raises(ValidationError, match="counting has dials 0 to 2"):
        Mix(task="counting", dial=9, count=1)
