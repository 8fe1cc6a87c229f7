"""`evolens prove vicrit`: errors planted, judged by a second path, made again, tried on readers without the picture."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flows.planting import JUDGED, Report, Sight, Truth, cells, evenness, judge_batch, made_again, prove_planted
from flows.recipes import open_recipe
from flows.running import open_plan
from pipelines.captions.swaps import KINDS
from tests.flows.test_proving import change_rows

SMALL = {f"tasks.{index}.count": 2 for index in range(len(open_recipe("vicrit").tasks))}
SETTINGS = {**SMALL, "banks.vicrit.count": 16, "execution": {"processes": 1, "part_rows": 16}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    lake = tmp_path_factory.mktemp("planted") / "lake"
    return lake, prove_planted(open_plan("vicrit", lake, None, SETTINGS))


def test_the_recipe_comes_to_what_is_asked_for() -> None:
    """Of each picture come about two captions, and of each of those about four injections."""
    recipe = open_recipe("vicrit")
    assert sum(task.count for task in recipe.tasks) >= 3_000 and recipe.execution.processes == 2


def test_every_injection_is_judged_by_the_second_path_and_made_again(made: tuple[Path, Report]) -> None:
    _, report = made
    assert report.seconds and report.trying and report.same
    assert report.truth == Truth(report.injections, report.injections, report.injections, report.injections)
    assert report.injections > 200 and report.injections > report.captions > report.pictures > 40
    assert sum(row["made"] for row in report.kinds) == report.injections and all(row["made"] for row in report.kinds)
    assert 0.5 < report.kept < 1 and 0.85 < report.even[0] <= 1
    assert {sight.detector for sight in report.sights} == {"ngrams", "surprise", "meaning"}
    assert {sight.n_before for sight in report.bank} == {sight.n_after for sight in report.bank} == {16}
    assert sum(cell["made"] for cell in report.cells) == report.injections
    assert report.as_json()["injections_per_second"] > 1


def test_a_lie_in_the_lake_is_told_by_the_second_path(made: tuple[Path, Report]) -> None:
    lake, _ = made
    plan = open_plan("vicrit", lake, None, SETTINGS)
    keys = [plan.lake.resolve(plan.nodes[name].key) for name in ("r1/synthesize", "r1/retell", "r1/vicrit")]
    with plan.lake.connect(keys) as connection:
        (batch,) = connection.sql(JUDGED).to_arrow_table().combine_chunks().to_batches()
    row = batch.to_pylist()[0]

    def judged(**changed: Any) -> Counter[str]:
        return judge_batch(pa.RecordBatch.from_pylist([{**row, **changed}], schema=batch.schema))

    everything = Counter(("judged", "once", "false", "true"))
    assert judged() == everything
    assert judged(text=row["caption"], end=row["original_end"])["false"] == 0
    assert judged(caption=row["text"], original_end=row["end"])["true"] == 0
    assert judged(text=f"{row['text']} {row['text']}")["once"] == 0
    unread = judged(text="Nobody wrote this.")
    assert unread["judged"] == 1 and not unread["false"] and not unread["true"]


def test_other_bytes_are_not_the_same(made: tuple[Path, Report], tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(made[0], lake)

    def change(rows: list[dict[str, Any]]) -> None:
        rows[0]["distance"] = 0.123

    change_rows(lake, "injections", change)
    assert not made_again(open_plan("vicrit", lake, None, SETTINGS))


def test_what_does_not_hold_is_said(made: tuple[Path, Report]) -> None:
    report = replace(
        made[1], even=(0.99, 0.98), kept=0.7, sights=[Sight("ngrams", (0.6,) * 3, (0.5, 0.45, 0.55), 9, 9)]
    )
    assert report.faults == []
    assert (
        "0.580, 0.57 at most" in replace(report, sights=[replace(report.sights[0], after=(0.5, 0.4, 0.58))]).faults[0]
    )
    assert "0.960 of 0.97" in replace(report, even=(0.98, 0.96)).faults[0]
    assert "59.0% of 60%" in replace(report, kept=0.59).faults[0]
    assert replace(report, same=False).faults == ["made again from the seed, it is not the same"]
    assert "second path" in replace(report, truth=Truth(1000, 994, 1000, 1000)).faults[0]
    assert "second path" in replace(report, truth=Truth(0, 0, 0, 0)).faults[0]


def test_evenness() -> None:
    assert evenness(Counter(dict.fromkeys(KINDS, 5))) == pytest.approx(1)
    assert evenness(Counter({"count": 5})) == 0 == evenness(Counter())
    assert evenness(Counter({"count": 5, "text": 5})) == pytest.approx(1 / 3)


def test_cells_say_how_many_they_are_of() -> None:
    seen = {"kind": "text", "family": "transit", "part": "held", "image_id": "a", "kept": True}
    shares = {f"{when}_{name}": 0.75 for when in ("before", "after") for name in ("ngrams", "surprise", "meaning")}
    (cell,) = cells([{**seen, **shares}, {**seen, **shares, "kept": False}, {**seen, **shares, "part": "first"}])
    assert (cell["made"], cell["kept"], cell["held"], cell["held, kept"], cell["after"]) == (3, 2, 2, 1, 0.75)
