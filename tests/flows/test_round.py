"""A whole round for real: the funnel, the law, one query from curated row to reward, and nothing run twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flows.engine import describe
from flows.plan import ARMS, Plan, steps
from flows.running import newest_keys, open_plan, waiting
from tests.flows import rounds

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
JOIN = README[README.index("    SELECT c.sample_id") :].split("\n\n")[0]


@pytest.fixture
def plan(finished: tuple[Path, Path]) -> Plan:
    recipe, lake = finished
    return open_plan(str(recipe), lake, None, {})


@pytest.fixture
def catalog(finished: tuple[Path, Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(finished[1] / "catalog.duckdb"), read_only=True) as connection:
        yield connection


def evolens(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "flows.cli", *arguments], capture_output=True, text=True, timeout=300)


def test_every_stage_is_made_and_the_law_holds(plan: Plan) -> None:
    assert waiting(plan) == []
    for node in plan.nodes.values():
        counts = plan.lake.manifest(node.key).counts
        assert counts.read == counts.kept + counts.expanded + counts.rejected + counts.failed, describe(
            plan.lake.manifest(node.key)
        )
        assert counts.read > 0, node.name


def test_views_agree_with_manifests(plan: Plan, catalog: duckdb.DuckDBPyConnection) -> None:
    for table in ("checks", "clusters", "difficulty", "influence", "curated", "evals", "policies", "rejects"):
        expected = sum(plan.lake.manifest(node.key).rows(table) for node in plan.nodes.values())
        assert catalog.execute(f"SELECT count(*) FROM {table}").fetchone() == (expected,), table


def test_one_query_joins_a_curated_row_to_its_reward_at_every_step(catalog: duckdb.DuckDBPyConnection) -> None:
    rows = catalog.execute(JOIN).fetchall()
    taught = catalog.execute("SELECT DISTINCT step FROM rewards WHERE arm = 'curated' AND trainer = 'grpo'").fetchall()
    assert rows
    assert {row[7] for row in rows} == {step for (step,) in taught} == {1, 2}


def test_no_row_vanishes_between_deduplicate_and_difficulty(catalog: duckdb.DuckDBPyConnection) -> None:
    kept = catalog.execute("SELECT count(DISTINCT sample_id) FROM clusters").fetchone()
    measured = catalog.execute(
        "SELECT count(*), count(*) FILTER (WHERE iterations IS NULL AND censored_at IS NULL) FROM difficulty"
    ).fetchone()
    assert measured == (kept[0] if kept else None, 0)


def test_a_second_run_makes_nothing(finished: tuple[Path, Path]) -> None:
    recipe, lake = finished
    before = rounds.data_hashes(lake)
    again = evolens("run", str(recipe), "--lake", str(lake))
    assert again.returncode == 0, again.stderr
    assert "Nothing was run again" in again.stdout
    assert rounds.data_hashes(lake) == before


def test_one_changed_difficulty_parameter_reruns_what_follows_and_only_that(finished: tuple[Path, Path]) -> None:
    recipe, lake = finished
    changed = open_plan(str(recipe), lake, None, {"stages.difficulty.rollouts": 5})
    said = steps(changed, newest_keys(changed))
    rerun = [step.node.name for step in said if step.state == "run"]
    follows = ["curate", "sft", "grpo", "control_sft", "control_grpo"]
    follows += [f"evaluate_{arm}" for arm in ("sft", "grpo", "control_sft", "control_grpo")]
    assert rerun == ["r1/difficulty", *(f"r1/{name}" for name in follows)]
    assert next(step.why for step in said if step.state == "run") == "rollouts 4 → 5"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("plan", "RECIPE", "--lake", "LAKE"), "Nothing would run"),
        (("query", "SELECT count(*) AS n FROM samples", "--lake", "LAKE", "--csv"), "n"),
        (("rejects", "--lake", "LAKE"), "wrong_answer"),
        (("card", "RECIPE", "--lake", "LAKE"), "## Funnel"),
        (("catalog", "--lake", "LAKE"), "catalog.duckdb"),
        (("gc", "--lake", "LAKE", "--dry-run"), "would remove"),
        (("doctor", "--lake", "LAKE"), "every file as its manifest says"),
    ],
)
def test_commands_read_the_lake(finished: tuple[Path, Path], arguments: tuple[str, ...], shown: str) -> None:
    recipe, lake = finished
    named = {"RECIPE": str(recipe), "LAKE": str(lake)}
    result = evolens(*(named.get(word, word) for word in arguments))
    assert result.returncode == 0, result.stderr
    assert shown in result.stdout


@pytest.mark.parametrize("trainer", ["sft", "grpo"])
def test_train_names_the_policy_that_it_made(finished: tuple[Path, Path], trainer: str) -> None:
    result = evolens("train", trainer, str(finished[0]), "--lake", str(finished[1]), "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["stage"] == told["funnel"][-1]["stage"] == f"r1/{trainer}"
    assert (Path(told["policy"]) / "config.json").is_file()
    assert "Nothing to run" in result.stderr


def test_eval_tells_programs_every_arm_and_bank(finished: tuple[Path, Path], plan: Plan) -> None:
    result = evolens("eval", str(finished[0]), "--lake", str(finished[1]), "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["accuracy"].keys() == set(ARMS)
    assert all(arm["counting"]["n"] == 6 and 0 <= arm["counting"]["accuracy"] <= 1 for arm in told["accuracy"].values())
    assert {(row["before"], row["after"]) for row in told["comparisons"]} >= {
        ("base", "grpo"),
        ("control_grpo", "grpo"),
    }


def test_show_tells_of_one_sample_and_writes_its_pictures(
    finished: tuple[Path, Path], catalog: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    found = catalog.execute("SELECT sample_id FROM samples WHERE task = 'search' ORDER BY 1 LIMIT 1").fetchone()
    assert found is not None
    result = evolens("show", found[0], "--lake", str(finished[1]), "--pictures", str(tmp_path), "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout[: result.stdout.rindex("}") + 1])["samples"][0]["sample_id"] == found[0]
    assert len(list(tmp_path.glob("*.png"))) >= 2  # the canvas, and what the crop showed


def test_a_mistake_is_one_clear_line(finished: tuple[Path, Path]) -> None:
    result = evolens("plan", str(finished[0]), "--lake", str(finished[1]), "--set", "stages.difficulty.rolouts=3")
    assert result.returncode == 1
    assert "did you mean 'rollouts'?" in result.stderr
    assert "Traceback" not in result.stderr
