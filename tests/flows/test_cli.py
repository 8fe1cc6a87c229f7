"""The command line starts fast, explains itself, and ends with one clear line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from flows.cli import app
from pipelines.lake import runs

HOUSE = Path(__file__).resolve().parent.parent.parent


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command as the words that call it."""
    if not hasattr(command, "commands"):
        yield path
        return
    for name, each in command.commands.items():
        yield from leaves(each, (*path, name))


COMMANDS = sorted(" ".join(path) for path in leaves(typer.main.get_command(app)))
FOR_PEOPLE = {"serve", "tools serve"}
"""Commands that have nothing to tell a program."""
HEAVY = ("torch", "transformers", "trl", "apache_beam", "prefect", "duckdb", "datasets")


def test_help_loads_nothing_heavy() -> None:
    code = f"import flows.cli, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert f"evolens {command}" in result.output.partition("Example")[2]
    assert ("--json" in result.output) != (command in FOR_PEOPLE)


def test_a_trainer_that_is_none_is_told_with_those_that_are() -> None:
    result = CliRunner().invoke(app, ["train", "dpo"])
    assert result.exit_code == 2
    assert "dpo" in result.output and "sft" in result.output and "grpo" in result.output


def test_the_tools_are_listed_as_models_are_told_them() -> None:
    told = json.loads(CliRunner().invoke(app, ["tools", "list", "--json"]).output)
    names = [each["function"]["name"] for each in told]
    assert names[:3] == ["crop", "zoom", "rotate"] and {"mask", "ocr", "measure", "select_frame"} < set(names)
    shown = CliRunner().invoke(app, ["tools", "list"]).output
    assert all(name in shown for name in names)


def test_a_folder_that_shadows_a_package_is_named(tmp_path: Path) -> None:
    shadow = tmp_path / "shadow" / "schemas"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise ImportError('not ours')")
    paths = os.pathsep.join([str(shadow.parent), str(HOUSE)])
    result = subprocess.run(
        [sys.executable, "-c", "from flows.cli import main; main()", "plan"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert result.returncode == 2
    assert "the package 'schemas' was found at" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["catalog", "gc"])
def test_no_lake_is_one_line(tmp_path: Path, command: str) -> None:
    result = CliRunner().invoke(app, [command, "--lake", str(tmp_path / "none")])
    assert "there is no lake here" in str(result.exception)
    assert not (tmp_path / "none").exists()


def evolens(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "flows.cli", *arguments], capture_output=True, text=True)


def test_a_bad_record_is_listed_and_ends_nothing(tmp_path: Path) -> None:
    source, lake = tmp_path / "source", tmp_path / "lake"
    source.mkdir()
    Image.new("RGB", (8, 8), "red").save(source / "good.png")
    (source / "metadata.jsonl").write_text('{"file_name": "good.png", "caption": "Red."}\n{"file_name": "gone.png"\n')
    done = evolens("ingest", str(source), "--lake", str(lake), "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["read"], said["failed"], len(said["failures"])) == (2, 1, 1)
    assert "metadata.jsonl, row 2" in said["failures"][0]["message"]
    strict = evolens("ingest", str(source), "--lake", str(lake), "--max-failed", "0.1", "--name", "strict")
    assert strict.returncode == 1
    assert "1 of 2 rows failed" in strict.stderr
    assert [run.status for run in runs.list_runs(lake)] == ["complete", "failed"]


def test_a_source_of_which_nothing_can_be_read_fails(tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text("{\n")
    done = evolens("ingest", str(tmp_path), "--lake", str(tmp_path / "lake"))
    assert done.returncode == 1
    assert "not one of its 1 records could be read" in done.stderr


def test_no_catalog_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows.cli", "query", "SELECT 1", "--lake", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert "evolens catalog --lake" in result.stderr
    assert "Traceback" not in result.stderr


def test_ingest_alone_fills_a_lake(tmp_path: Path) -> None:
    photographs = Path(__file__).resolve().parent.parent.parent / "examples" / "photographs"
    command = [sys.executable, "-m", "flows.cli"]
    done = subprocess.run(
        [*command, "ingest", str(photographs), "--lake", str(tmp_path / "lake"), "--limit", "2"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    asked = subprocess.run(
        [*command, "query", "SELECT count(*) AS n FROM images", "--lake", str(tmp_path / "lake"), "--csv"],
        capture_output=True,
        text=True,
    )
    assert asked.stdout.split() == ["n", "2"]
