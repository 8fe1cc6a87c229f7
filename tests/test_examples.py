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
