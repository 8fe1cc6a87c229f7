"""The dataset card: each figure is asked again in other words, and its head is what loaders and the Hub read."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from flows.cards import dataset
from flows.cards.counts import drawn
from flows.cards.given import NotAnExport, open_export
from flows.cards.markdown import portable, table
from flows.cards.write import write_beside
from flows.report.source import open_run
from pipelines.lake import Lake
from tests.flows.cards.conftest import Made, evolens, tables_of
from tests.flows.report import lakes

CHOSEN = "(SELECT * FROM samples SEMI JOIN (FROM curated WHERE arm = 'curated') USING (run_id, sample_id))"

FIGURES: dict[str, tuple[str, int, str]] = {
    "contents": ("Contents", 0, f"SELECT source, license, task, count(*) FROM {CHOSEN} GROUP BY ALL"),
    "arms": ("Contents", 1, "SELECT round, arm, split, count(DISTINCT position) FROM curated GROUP BY ALL"),
    "samples": (
        "Contents",
        2,
        "SELECT DISTINCT task, dial, count(*) OVER (PARTITION BY task, dial) FROM samples",
    ),
    "checks": (
        "How each row was verified",
        1,
        "SELECT origin, tier, correct, count(*), count(*) FILTER (actions = 1) + 2 * count(*) FILTER (actions = 2)"
        " + 3 * count(*) FILTER (actions = 3), sum(replayed) FROM checks GROUP BY ALL",
    ),
    "difficulty": (
        "Difficulty and length",
        0,
        "SELECT 1, task, dial, count(k), sum(k / n) / count(n), count(*) - count(iterations), count(evidence),"
        " count(nullif(coalesce(blind_low, 0) > 0.5, false)), sum(zero_variance) / count(zero_variance)"
        " FROM samples JOIN difficulty USING (run_id, sample_id) GROUP BY ALL",
    ),
    "banks": (
        "Decontamination",
        0,
        "SELECT role, bank, count(*), len(list_distinct(flatten(list(image_ids)))) FROM banks GROUP BY ALL",
    ),
    "funnel": (
        "Funnel",
        0,
        "SELECT node, read, kept, expanded, rejected, failed, children, children_kept FROM runs",
    ),
    "rejects": ("What was left out, and why", 0, "SELECT stage, reason, len(list(row_id)) FROM rejects GROUP BY ALL"),
    "licences": (
        "Licences",
        0,
        "SELECT license, count(*) FROM images SEMI JOIN"
        f" (SELECT run_id, unnest(image_ids) AS image_id FROM {CHOSEN}) USING (run_id, image_id) GROUP BY ALL",
    ),
    "tokens": (
        "Tokens",
        0,
        "SELECT stage, sum(prompt_tokens), sum(completion_tokens) FROM stage_cost WHERE requests > 0 GROUP BY ALL",
    ),
}
"""Figure → heading, which table under it, and SQL over the catalog that no code of the card uses."""


def shown(value: Any) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("name", FIGURES)
def test_each_table_equals_its_sql(name: str, made: Made, catalog: duckdb.DuckDBPyConnection) -> None:
    heading, place, sql = FIGURES[name]
    told = sorted(tuple(row.values()) for row in tables_of(made.card)[heading][place])
    assert told
    assert told == sorted(tuple(shown(value) for value in row) for row in catalog.execute(sql).fetchall())


def test_every_chosen_row_says_how_it_was_verified(made: Made, catalog: duckdb.DuckDBPyConnection) -> None:
    told: dict[str, Counter[str]] = {}
    for row in tables_of(made.card)["How each row was verified"][0]:
        told.setdefault(row["task"], Counter())["traced" if "carried out" in row["how"] else "other"] += int(
            row["rows"]
        )
    asked = catalog.execute(
        "SELECT task, count(c.trace_id), count(*) - count(c.trace_id) FROM curated c JOIN samples s"
        " USING (run_id, sample_id) WHERE arm = 'curated' GROUP BY task"
    ).fetchall()
    assert {task: (each["traced"], each["other"]) for task, each in told.items()} == {
        task: (traced, other) for task, traced, other in asked
    }


def test_results_are_those_of_the_evaluation(made: Made, catalog: duckdb.DuckDBPyConnection) -> None:
    rows = tables_of(made.card)["Results"][0]
    right = {
        (arm, bank): share
        for arm, bank, share in catalog.execute(
            "SELECT arm, bank, avg(correct::INT) FROM evals GROUP BY ALL"
        ).fetchall()
    }
    assert {(row["before"], row["after"]) for row in rows} >= {("base", "grpo"), ("control_grpo", "grpo")}
    for row in rows:
        assert row["accuracy_before"] == shown(right[row["before"], row["bank"]])
        assert row["accuracy_after"] == shown(right[row["after"], row["bank"]])


def test_known_limits_are_counted(made: Made, catalog: duckdb.DuckDBPyConnection) -> None:
    chosen, bare = catalog.execute(
        "SELECT count(*), sum((trace_id IS NULL)::INT) FROM curated WHERE arm = 'curated'"
    ).fetchall()[0]
    measured, unsolved = catalog.execute("SELECT count(*), sum((iterations IS NULL)::INT) FROM difficulty").fetchall()[
        0
    ]
    assert f"- {bare} of {chosen} rows have no proven trace" in made.card
    assert f"- {unsolved} of {measured} measured samples were never solved" in made.card


def test_plots_count_every_sample_and_lie_beside_the_card(made: Made, catalog: duckdb.DuckDBPyConnection) -> None:
    rates = catalog.execute("SELECT pass_rate FROM difficulty").fetchall()
    texts = catalog.execute(
        "SELECT length(question), (SELECT sum(length(coalesce(u.s.text, ''))) FROM (SELECT unnest(t.steps) AS s) u),"
        " length(samples.answer) FROM curated c JOIN samples USING (run_id, sample_id)"
        " LEFT JOIN traces t ON t.run_id = c.run_id AND t.trace_id = c.trace_id WHERE arm = 'curated'"
    ).fetchall()
    with open_run(Lake(made.lake)) as source:
        assert {round(row["least"], 1): row["samples"] for row in drawn(source, "difficulty")} == Counter(
            min(math.floor(10 * rate + 1e-9), 9) / 10 for (rate,) in rates
        )
        assert {row["least"]: row["samples"] for row in drawn(source, "lengths")} == Counter(
            2 ** math.floor(math.log2(asked + (answer if taught is None else taught)))
            for asked, taught, answer in texts
        )
    for name in ("difficulty", "lengths"):
        assert f"(.evolens/{name}.png)" in made.card
        assert (made.out / ".evolens" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_head_is_what_loaders_and_the_hub_read(made: Made, tmp_path: Path) -> None:
    from datasets import Image, List, load_dataset
    from huggingface_hub import DatasetCard

    told = json.loads((made.out / ".evolens" / "export.json").read_text())["exported"]
    data = DatasetCard(made.card).data.to_dict()
    assert {row["name"]: row["num_examples"] for row in data["dataset_info"]["splits"]} == told
    assert data["size_categories"] == ["n<1K"] and "mlcroissant" in data["tags"]
    found = load_dataset(str(made.out), cache_dir=str(tmp_path))
    assert {name: len(split) for name, split in found.items()} == told
    assert found["rl"].features["images"] == List(Image())
    assert found["rl"][0]["images"][0].size[0] > 0


@pytest.mark.parametrize(
    ("names", "head"),
    [
        (["CC0-1.0"], {"license": "cc0-1.0"}),
        (["MIT", "CC0-1.0"], {"license": ["cc0-1.0", "mit"]}),
        (["MIT", "mine"], {"license": "other", "license_name": "as-each-row-says", "license_details": "MIT, mine"}),
    ],
)
def test_licences_as_the_hub_writes_them(names: list[str], head: dict[str, Any]) -> None:
    assert dataset.licence([{"license": name} for name in names[:1]], names[1:]) == head


def test_the_recipe_is_whole_and_names_no_folder_of_the_machine(made: Made) -> None:
    block = made.card.rpartition("```yaml\n")[2].removesuffix("```\n")
    recipe = yaml.safe_load(block)
    given = yaml.safe_load(made.recipe.read_text())
    assert recipe["tasks"] == given["tasks"] and recipe["seed"] == given["seed"]
    assert recipe["sources"][0]["path"] == "…/photographs"
    assert str(made.lake.parent) not in made.card
    assert portable({"url": "local:/a/b", "of": ["c/d", "/e"]}) == {"url": "local:…/b", "of": ["c/d", "…/e"]}


def test_a_completed_run_leaves_its_cards_in_the_lake(made: Made) -> None:
    beside = made.lake / "cards" / "tiny"
    arms = ("sft", "grpo", "control_sft", "control_grpo")
    assert {path.name for path in beside.iterdir()} == {
        "difficulty.png", "lengths.png", *(f"r1-{arm}.md" for arm in arms)
    }  # fmt: skip
    assert "](tiny/difficulty.png)" in (made.lake / "cards" / "tiny.md").read_text()


def test_a_run_in_which_little_was_made_has_a_card(tmp_path: Path) -> None:
    lake, run_id = lakes.small(tmp_path / "lake")
    with open_run(lake, run_id) as source:
        text = dataset.render(source)
    assert "does not hold its recipe" in text
    assert len(tables_of(text)["Results"][0]) > 0


def test_cards_are_of_the_run_that_was_exported(made: Made, tmp_path: Path) -> None:
    lake, run_id = lakes.small(tmp_path / "lake")
    with open_run(lake, run_id) as source, pytest.raises(NotAnExport, match="was exported from run"):
        write_beside(source, open_export(made.out))
    with pytest.raises(NotAnExport, match="is no export"):
        open_export(tmp_path)


def test_cells_stay_in_their_table() -> None:
    assert table([{"a": "x|y\nz", "b": 0.12345}]) == "| a | b |\n|---|---|\n| x\\|y z | 0.123 |"
    assert table([]) == "–"


@pytest.mark.parametrize(
    ("arguments", "check"),
    [
        (("--json",), lambda done: json.loads(done.stdout)["funnel"]),
        (("--kind", "croissant"), lambda done: done.returncode == 1 and "--export" in done.stderr),
        (("--kind", "model", "--policy", "r9/sft"), lambda done: done.returncode == 1 and "r1/sft" in done.stderr),
    ],
)
def test_the_command(arguments: tuple[str, ...], check: Callable[[Any], bool], made: Made) -> None:
    assert check(evolens("card", made.recipe, "--lake", made.lake, *arguments))
