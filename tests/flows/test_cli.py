"""The command line starts fast, explains itself, and ends with one clear line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app

COMMANDS = "run plan stage ingest query show rejects replay train eval serve doctor gc catalog card".split()
HEAVY = ("torch", "transformers", "trl", "apache_beam", "prefect", "duckdb", "datasets")


def test_help_loads_nothing_heavy() -> None:
    code = f"import flows.cli, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output


def test_a_folder_that_shadows_a_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "__init__.py").write_text("")
    code = (
        "import sys, types, importlib.util; module = types.ModuleType('schemas');"
        f"module.__file__ = {str(tmp_path / 'schemas' / '__init__.py')!r};"
        "import flows.cli; sys.modules['schemas'] = module; flows.cli.check_packages()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 2
    assert "the package 'schemas' was found at" in result.stderr


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
