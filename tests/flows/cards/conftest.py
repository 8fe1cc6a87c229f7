"""The cards of one tiny round, written by the real command, and its catalog to ask again."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from pipelines.export.write import Choice, export
from pipelines.lake import Lake
from pipelines.lake.runs import named


class Made(NamedTuple):
    """A lake, and an export of it with its cards inside."""

    recipe: Path
    lake: Path
    out: Path

    @property
    def card(self) -> str:
        return (self.out / "README.md").read_text(encoding="utf-8")


def evolens(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="session")
def made(finished: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Made:
    recipe, lake = finished
    out = tmp_path_factory.mktemp("cards") / "export"
    export(Lake(lake), named(lake, "tiny"), Choice("datasets", leave_out=True), out)
    done = evolens("card", recipe, "--lake", lake, "--export", out)
    assert done.returncode == 0, done.stderr
    return Made(recipe, lake, out)


@pytest.fixture
def catalog(made: Made) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(made.lake / "catalog.duckdb"), read_only=True) as connection:
        yield connection


def tables_of(card: str) -> dict[str, list[list[dict[str, str]]]]:
    """The tables of a Markdown text by the heading that they stand under, as texts."""
    found: dict[str, list[list[dict[str, str]]]] = {}
    for section in re.split(r"^## ", card, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        for block in re.findall(r"(?:^\|.*\n?)+", body, flags=re.MULTILINE):
            lines = [[cell.strip() for cell in line[2:-2].split(" | ")] for line in block.strip().split("\n")]
            rows = [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]
            found.setdefault(heading, []).append(rows)
    return found
