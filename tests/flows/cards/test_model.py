"""Model cards: each figure asked again in SQL, intervals by SciPy, the head read by the Hub's own library."""

from __future__ import annotations

import json

import duckdb
import pytest
import yaml
from scipy.stats import binomtest

from flows.cards import model
from flows.report.source import open_run
from pipelines.lake import Lake
from tests.flows.cards.conftest import Made, tables_of

NODES = ("r1/sft", "r1/grpo", "r1/control_sft", "r1/control_grpo")


def rendered(made: Made, node: str | None) -> str:
    with open_run(Lake(made.lake)) as source:
        assert model.trained(source) == list(NODES)
        return model.render(source, node)


@pytest.mark.parametrize("node", NODES)
def test_scores_and_intervals(node: str, made: Made, catalog: duckdb.DuckDBPyConnection) -> None:
    told = {(row["arm"], row["bank"]): row for row in tables_of(rendered(made, node))["Scores"][0]}
    asked = catalog.execute("SELECT arm, bank, sum(correct::INT), count(correct) FROM evals GROUP BY ALL").fetchall()
    assert told.keys() == {(arm, bank) for arm, bank, _, _ in asked}
    for arm, bank, right, n in asked:
        span = binomtest(int(right), n).proportion_ci(method="wilson")
        row = told[arm, bank]
        assert (int(row["n"]), row["accuracy"]) == (n, f"{right / n:.3f}")
        assert (row["low"], row["high"]) == (f"{span.low:.3f}", f"{span.high:.3f}")


@pytest.mark.parametrize("node", NODES)
def test_data_and_settings(node: str, made: Made, catalog: duckdb.DuckDBPyConnection) -> None:
    text = rendered(made, node)
    arm, split = "random" if "control" in node else "curated", "sft" if node.endswith("sft") else "rl"
    rows = sum(int(row["rows"]) for row in tables_of(text)["What it was trained on"][0])
    asked = "SELECT count(*) FROM curated WHERE arm = ? AND split = ?"
    assert (rows,) == catalog.execute(asked, [arm, split]).fetchone()
    (key,) = catalog.execute("SELECT stage_key FROM runs WHERE node = ?", [node]).fetchall()[0]
    manifest = json.loads((made.lake / "_manifests" / f"{key}.json").read_text())
    settings = yaml.safe_load(text.partition("## Settings")[2].partition("```yaml\n")[2].partition("```")[0])
    assert settings == manifest["parameters"]
    assert ("This is the control" in text) == ("control" in node)
    first, last = catalog.execute("SELECT first_loss, last_loss FROM policies WHERE policy = ?", [key]).fetchall()[0]
    assert f"loss {first} at the first, {last} at the last" in text


def test_it_says_what_it_came_from(made: Made, catalog: duckdb.DuckDBPyConnection) -> None:
    chain = tables_of(rendered(made, None))["What it was trained from"][0]
    assert [row["trainer"] for row in chain] == ["grpo", "sft"]
    assert chain[0]["parent"] == chain[1]["policy"]
    assert chain[1]["parent"].startswith("seedling@")
    weights = catalog.execute("SELECT weights FROM policies WHERE policy = ?", [chain[0]["policy"]]).fetchone()
    assert weights and f"`{weights[0]}`" in rendered(made, "r1/grpo")


def test_the_head_is_read_by_the_hubs_library(made: Made, catalog: duckdb.DuckDBPyConnection) -> None:
    from huggingface_hub import ModelCard

    data = ModelCard(rendered(made, "r1/sft")).data
    asked = "SELECT bank, round(avg(correct::INT), 4) FROM evals WHERE arm = 'sft' GROUP BY ALL"
    scores = {each.dataset_type.removeprefix("evolens-"): each.metric_value for each in data.eval_results}
    assert scores == dict(catalog.execute(asked).fetchall())
    assert data.pipeline_tag == "image-text-to-text"
