"""docs/queries.md: each question is asked of a whole small round, by the library and in the plain shell, elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pipelines.intervals import wilson
from tests.conftest import require

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "queries.md").read_text(encoding="utf-8")
QUESTIONS = {
    title: (sql.strip(), re.findall(r"`(\w+)`", columns))
    for title, sql, columns in re.findall(r"^### (\d+)\..*?```sql\n(.*?)```\nColumns: (.*?)\n", PAGE, re.M | re.S)
}
NOTHING = {"3", "7", "8", "11", "15", "16", "21", "24"}
"""Questions that a small sound round of its own may answer with no row."""


def shell() -> str:
    require("duckdb_cli")
    return str(Path(sys.executable).parent / "duckdb")


def test_they_are_numbered() -> None:
    assert list(QUESTIONS) == [str(number) for number in range(1, 25)]


@pytest.mark.parametrize("number", QUESTIONS)
def test_the_question_is_answered_with_the_columns_that_stand_there(number: str, finished: tuple[Path, Path]) -> None:
    sql, columns = QUESTIONS[number]
    catalog = finished[1] / "catalog.duckdb"
    with duckdb.connect(str(catalog), read_only=True) as connection:
        result = connection.execute(sql)
        assert [column[0] for column in result.description or ()] == columns
        rows = result.fetchall()
    assert rows or number in NOTHING
    done = subprocess.run([shell(), "-readonly", "-csv", str(catalog), sql], cwd=os.sep, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    if rows:
        assert done.stdout.splitlines()[0] == ",".join(columns)


def test_every_macro_is_told_of() -> None:
    from pipelines.lake.macros import MACROS

    assert all(f"`{name}(" in PAGE for name in MACROS)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (0, 5), (3, 10), (7, 7), (480, 791)])
def test_the_interval_is_the_one_of_the_reports(k: int, n: int, finished: tuple[Path, Path]) -> None:
    with duckdb.connect(str(finished[1] / "catalog.duckdb"), read_only=True) as connection:
        found = connection.execute("SELECT wilson_low(?, ?), wilson_high(?, ?)", [k, n, k, n]).fetchone()
    assert found == pytest.approx(wilson(k, n), abs=1e-9)
