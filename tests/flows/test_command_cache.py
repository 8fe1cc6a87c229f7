"""`evolens cache`: what it tells, what it takes out, and what it says to what makes no sense."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from pipelines.workers import cache
from tests.pipelines.workers.paid import Paid, again, question


def evolens(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cache", *arguments])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("EVOLENS_CACHE", str(tmp_path))
    yield tmp_path
    cache.store_at.cache_clear()


def test_of_an_empty_cache_there_is_little_to_tell(folder: Path) -> None:
    assert "0 answers, 0.0 MB on disk" in evolens("stats").output
    assert json.loads(evolens("prune", "--unused", "0s", "--json").output)["answers"] == 0
    assert not list(folder.iterdir())


def test_old_answers_go_and_those_of_a_living_run_stay(folder: Path) -> None:
    code = (
        "from tests.pipelines.workers.paid import *\n"
        "again(Paid()).answer([question(str(number)) for number in range(9)])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    again(Paid()).answer([question("0"), question("new")])
    told = json.loads(evolens("stats", "--json").output)
    assert told["file"] == str(cache.file_in(folder))
    assert [(each["worker"], each["answers"]) for each in told["workers"]] == [("tiny@main", 10)]
    assert "tiny@main" in evolens("stats").output
    assert "would take out 8 answers" in evolens("prune", "--max-size", "0", "--dry-run").output
    assert "took out 0 answers" in evolens("prune", "--unused", "1.5h", "--max-size", "20 GB").output
    gone = json.loads(evolens("prune", "--unused", "0s", "--json").output)
    assert (gone["answers"], gone["spared"]) == (8, 2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say what may go"),
        (["--unused", "a while"], "such as 30d, 12h or 90m, not 'a while'"),
        (["--unused", "3"], "such as 30d"),
        (["--max-size", "20d"], "such as 20G or 500M"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(arguments: list[str], says: str) -> None:
    result = evolens("prune", *arguments)
    assert result.exit_code == 1
    assert says in str(result.exception)


def test_a_broken_file_and_a_cache_that_is_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.file_in(folder).write_bytes(os.urandom(9000))
    for command in (["stats"], ["prune", "--unused", "1d"]):
        assert "file is not a database; the next run sets" in str(evolens(*command).exception)
    monkeypatch.setenv("EVOLENS_CACHE", "off")
    assert "EVOLENS_CACHE says so" in str(evolens("stats").exception)
