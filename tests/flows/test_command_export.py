"""`evolens export`: from a lake to a folder, in words that a person or a program can use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from pipelines.export import FORMATS
from pipelines.lake import Lake
from tests.pipelines.export.lakes import file_bytes, given, lake_of, traced


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    rows = [traced(), given((file_bytes(1),), "A?", "a", split="rl", license="CC-BY-NC-4.0")]
    return lake_of(tmp_path_factory.mktemp("lake"), rows)[0]


def evolens(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, words)])


def test_formats_are_listed() -> None:
    said = json.loads(evolens("list", "--json").stdout)
    assert [each["format"] for each in said] == list(FORMATS)


def test_an_export_for_a_program(lake: Lake, tmp_path: Path) -> None:
    done = evolens("ms-swift", tmp_path / "out", "--lake", lake.root, "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["format"], said["exported"], said["refused"]) == ("ms-swift", {"sft": 1}, {})
    assert (tmp_path / "out" / "sft.jsonl").is_file()


def test_an_export_for_a_person(lake: Lake, tmp_path: Path) -> None:
    refused = evolens("csv", tmp_path / "out", "--lake", lake.root)
    assert "1 of 2 rows" in str(refused.exception)
    done = evolens("csv", tmp_path / "out", "--lake", lake.root, "--leave-out")
    assert done.exit_code == 0
    assert "1 rows refused: nc" in done.output
    assert evolens("csv", tmp_path / "out", "--lake", lake.root, "--allow", "nc", "--force").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("csv",), "where to"),
        (("csv", "out", "--split", "test"), "--split 'test' is none of sft, rl, all"),
        (("csv", "out", "--arm", "other"), "--arm 'other' is none of curated, random"),
        (("csv", "out", "--table", "samples", "--arm", "random"), "table 'samples' has none"),
        (("csv", "out", "--table", "banks"), "--table 'banks' is none of curated, samples, captions"),
        (("cvs", "out"), "'cvs' is no format"),
        (("csv", "out", "--run", "nobody"), "no run is called so"),
    ],
)
def test_mistakes_are_one_line(lake: Lake, words: tuple[str, ...], said: str) -> None:
    done = evolens(*words, "--lake", lake.root)
    assert done.exit_code == 1
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)
