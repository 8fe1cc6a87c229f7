"""Recipes by name, overrides by dotted field; what those that ship would run, and whom their selections choose."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.recipes import find, open_recipe, overrides_of, shipped
from pipelines import curate
from pipelines.lake import Lake
from schemas.recipe import RecipeError
from tests.pipelines.jobs import given, rows, run, sample

HOUSE = Path(__file__).resolve().parent.parent.parent


def test_every_shipped_recipe_opens() -> None:
    assert "quickstart" in shipped()
    for name in shipped():
        assert open_recipe(name).name == name


def test_overrides_are_yaml_values() -> None:
    assert overrides_of(["a.b=3", "c=[1, x]", "d=hello"]) == {"a.b": 3, "c": [1, "x"], "d": "hello"}
    assert open_recipe("quickstart", ["seed=11"], rounds=2).seed == 11


@pytest.mark.parametrize("setting", ["rounds", "=3", "a=[1"])
def test_bad_overrides_are_named(setting: str) -> None:
    with pytest.raises(RecipeError, match="--set"):
        overrides_of([setting])


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(RecipeError, match="did you mean 'quickstart'"):
        find("quickstrat")


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_can_be_planned(name: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["plan", name, "--lake", str(tmp_path / "lake"), "--json"])
    assert done.exit_code == 0 and "r1/difficulty" in done.output


MEASURED: dict[str, dict[str, Any]] = {
    "at once": {"iterations": 1, "k": 8, "n": 8, "pass_rate": 1.0, "curriculum": 1.0},
    "five": {"iterations": 5, "k": 3, "n": 8, "pass_rate": 0.375, "curriculum": 2.0},
    "six": {"iterations": 6, "k": 2, "n": 8, "pass_rate": 0.25, "curriculum": 3.0},
    "late": {"iterations": 50, "k": 0, "n": 8, "pass_rate": 0.0, "curriculum": 4.0},
    "never": {"censored_at": 50, "k": 0, "n": 8, "pass_rate": 0.0, "curriculum": 5.0},
}
"""Five samples by when the search solved them, the easiest first."""


def chosen(lake: Lake, parameters: curate.Parameters, extra: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    """What a selection takes of `MEASURED` and of a sample never measured, in its order: (question, split)."""
    samples = [sample("e" * 32, question) for question in [*MEASURED, "not measured"]]
    ids = {row["question"]: row["sample_id"] for row in samples}
    tables = {
        "samples": samples,
        "clusters": [{"sample_id": name, "cluster_id": name} for name in ids.values()],
        "difficulty": [{"sample_id": ids[name], **row, **(extra or {})} for name, row in MEASURED.items()],
        "influence": [{"sample_id": name, "target": "t", "score": 0.5} for name in ids.values()],
        "checks": [{"trace_id": name, "sample_id": name, "origin": "oracle"} for name in ids.values()],
    }
    done = run(lake, curate.STAGE, parameters, given(lake, **tables))
    asked = {row["sample_id"]: row["question"] for row in samples}
    found = [row for row in rows(lake, done, "curated") if row["arm"] == "curated"]
    return [
        (asked[row["sample_id"]], row["split"])
        for row in sorted(found, key=lambda row: (row["split"], row["position"]))
    ]


def test_thinklite_takes_what_needs_more_than_five_iterations_and_what_was_never_solved(tmp_path: Path) -> None:
    parameters = curate.Parameters(**open_recipe("thinklite").stages["curate"])
    assert chosen(Lake(tmp_path), parameters) == [("six", "rl"), ("late", "rl"), ("never", "rl")]


def test_frontier_takes_the_band_easiest_first_and_teaches_nothing_suspect(tmp_path: Path) -> None:
    parameters = curate.Parameters(**open_recipe("frontier").stages["curate"])
    found = chosen(Lake(tmp_path / "a"), parameters)
    assert found == [("five", "rl"), ("six", "rl"), ("late", "sft"), ("never", "sft")]
    assert chosen(Lake(tmp_path / "b"), parameters, {"suspicion": "label"}) == []


PAGE = (HOUSE / "docs" / "difficulty.md").read_text(encoding="utf-8")
CONDITIONS = dict(re.findall(r"^\| ([^|]+?) \| `([^`]+)` \|$", PAGE[PAGE.index("### Published selections") :], re.M))


@pytest.mark.parametrize("selection", CONDITIONS)
def test_every_published_condition_can_be_asked(selection: str, tmp_path: Path) -> None:
    sql = f"SELECT sample_id, 'rl' AS split FROM pool WHERE {CONDITIONS[selection]} ORDER BY sample_id"
    found = chosen(Lake(tmp_path), curate.Parameters(sql=sql, eligible="true", control=False))
    assert {name for name, _ in found} <= MEASURED.keys(), "what was never measured is never chosen"
