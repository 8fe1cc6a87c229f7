"""What ships as an example: photographs, free, small and described by hand; and programs, which run."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from schemas.answers import canonical_answer
from trainers import sft

PHOTOGRAPHS = Path(__file__).resolve().parents[1] / "examples" / "photographs"


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (PHOTOGRAPHS / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def test_every_photograph_is_described_and_attributed() -> None:
    attribution = (PHOTOGRAPHS / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert sorted(row["file_name"] for row in rows()) == sorted(path.name for path in PHOTOGRAPHS.glob("*.jpg"))
    for row in rows():
        assert row["license"] in {"CC0-1.0", "CC-BY-2.0", "CC-BY-4.0", "public-domain"}
        assert row["title"] and row["author"] and row["source"]
        (told,) = (line for line in attribution.splitlines() if line.startswith(f"| `{row['file_name']}`"))
        assert row["license"] in told
        assert 80 <= len(row["caption"].split()) <= 200


def test_there_are_enough_and_the_text_says_how_many() -> None:
    assert len(rows()) == 30
    assert "Thirty photographs" in (PHOTOGRAPHS / "ATTRIBUTION.md").read_text(encoding="utf-8")


def test_photographs_are_small() -> None:
    for row in rows():
        path = PHOTOGRAPHS / row["file_name"]
        assert path.stat().st_size <= 60_000
        with Image.open(path) as picture:
            picture.load()
            assert max(picture.size) <= 512


def test_every_photograph_has_three_questions_with_canonical_answers() -> None:
    for row in rows():
        assert len({item["question"] for item in row["questions"]}) == 3
        assert len({item["answer_type"] for item in row["questions"]}) >= 2
        for item in row["questions"]:
            answer = canonical_answer(item["answer"], item["answer_type"])
            assert (item["answer_type"] == "choice") == ("options" in item)
            assert answer in item.get("options", [answer])


def test_run_inference_has_a_line_for_every_picture_and_every_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cat.jpg", "clock.jpg"):
        shutil.copy(PHOTOGRAPHS / name, tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    monkeypatch.setattr("sys.argv", ["run_inference.py", str(tmp_path)])
    runpy.run_path(str(PHOTOGRAPHS.parent / "run_inference.py"), run_name="__main__")
    lines = sorted(line for line in capsys.readouterr().out.splitlines() if ".jpg: " in line)
    assert [line.split(":")[0] for line in lines] == ["broken.jpg"] * 2 + ["cat.jpg"] * 2 + ["clock.jpg"] * 2
    assert all("Failed(" in line for line in lines[:2])
    assert sum("says" in line for line in lines) == sum("128 numbers" in line for line in lines) == 2


def test_the_interaction_recipe_measures_and_selects_what_needs_interaction(tmp_path: Path) -> None:
    """The recipe as it stands, on a tenth of its samples, up to the selection: training has its own tests."""
    import duckdb

    from flows.running import open_plan, run_named
    from pipelines.lake.catalog import NAME

    fewer = {
        "tasks.0.count": 8,
        "tasks.1.count": 2,
        "targets.search_target.count": 2,
        "banks.search.count": 2,
        "stages.explore.attempts": 4,
        "stages.difficulty.rollouts": 2,
        "stages.influence.dimension": 64,
        "stages.curate.eligible": "true",
        "stages.curate.sql": "SELECT sample_id, 'sft' AS split FROM pool WHERE trace_id IS NOT NULL ORDER BY sample_id",
    }
    plan = open_plan("interaction", tmp_path / "lake", None, fewer)
    assert plan.parameters(sft.STAGE, base="x").wrong == "masked"
    run_named(plan, ["r1/curate"])
    with duckdb.connect(str(tmp_path / "lake" / NAME), read_only=True) as catalog:

        def ask(sql: str) -> list[tuple[Any, ...]]:
            return catalog.sql(sql).fetchall()

        said = "SELECT wrong_answer <> answer, wrong_steps < len(steps) FROM all_traces WHERE origin = 'reflection'"
        reflections = ask(said)
        assert reflections and set(reflections) == {(True, True)}
        edges = "FROM all_lineage WHERE relation IN ('corrects', 'kept_from') GROUP BY child_id HAVING count(*) = 2"
        assert len(ask(f"SELECT child_id {edges}")) == len(reflections)
        (counts,) = ask("SELECT min(original_n), max(edited_n), count(*) FROM all_necessity")
        assert counts == (8, 8, 8)
        assert ask("SELECT bool_and(needs_interaction = (edited_low > original_high)) FROM all_necessity") == [(True,)]
        taught = "SELECT origin FROM all_curated c JOIN all_traces t USING (trace_id) WHERE arm = 'curated'"
        assert {"reflection"} <= {origin for (origin,) in ask(taught)} <= {"reflection", "oracle"}
