"""The photographs that ship with the house: free, small, and described by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
