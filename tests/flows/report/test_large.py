"""A run of a hundred thousand samples: counts are exact, rows stay in DuckDB, the page stays a page."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.report import page
from flows.report.source import Source
from tests.flows.report import lakes

N = 100_000


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Path], list[int]]:
    """The page, the file of each table, and how many rows each question brought back."""
    folder = tmp_path_factory.mktemp("large")
    lake, files = lakes.large(folder / "lake", N)
    brought: list[int] = []
    ask = Source.rows

    def counted(self: Source, sql: str, *values: Any) -> list[dict[str, Any]]:
        rows = ask(self, sql, *values)
        brought.append(len(rows))
        return rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Source, "rows", counted)
        text = page.write_report(lake, folder / "report.html").read_text()
    return text, files, brought


def sql(files: dict[str, Path], question: str) -> list[tuple[Any, ...]]:
    """The answer from the Parquet files themselves."""
    with duckdb.connect() as database:
        for name, path in files.items():
            database.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{path}')")
        return database.execute(question).fetchall()


def table(text: str, label: str) -> list[list[str]]:
    """The cells of the table with this label."""
    body = re.search(rf'aria-label="{label}"><table>(.*?)</table>', text, re.DOTALL)
    assert body is not None, label
    rows = re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)[1:]
    return [[re.sub(r"<.*?>", "", cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)] for row in rows]


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_the_page_is_bounded_and_rows_stay_in_the_database(told: tuple[str, dict[str, Path], list[int]]) -> None:
    text, _, brought = told
    assert len(text.encode()) < 2_000_000
    assert max(brought) <= N // 10, "only the answers of the evaluation are brought back, question by question"
    assert sorted(brought)[-2] < 5_000
    assert text.count('<details class="card"') == 30


def test_counts_are_those_of_sql(told: tuple[str, dict[str, Path], list[int]]) -> None:
    text, files, _ = told
    tiles = dict(re.findall(r"<dt>([\w ]+)</dt><dd>([\d,]+)</dd></div>", text))
    for name, view in {"samples": "samples", "traces": "traces", "policy answers": "rollouts",
                       "turned away": "rejects", "accidents": "failures"}.items():  # fmt: skip
        assert [(number(tiles[name]),)] == sql(files, f"SELECT count(*) FROM {view}")
    assert [(number(tiles["curated"]),)] == sql(
        files, "SELECT count(DISTINCT sample_id) FROM curated WHERE arm = 'curated'"
    )
    rules = re.findall(r'<b>(rule\d+)</b>.*?<span class="count">([\d,]+)</span>', text)
    assert Counter({name: number(count) for name, count in rules}) == Counter(
        dict(sql(files, "SELECT reason, count(*) FROM rejects GROUP BY 1"))
    )


def test_difficulty_and_accuracy_are_those_of_sql(told: tuple[str, dict[str, Path], list[int]]) -> None:
    text, files, _ = told
    asked = "SELECT task, count(*), sum(n), sum(k) FROM difficulty JOIN samples USING (sample_id) GROUP BY 1"
    shown = {row[0]: [number(cell) for cell in row[1:4]] for row in table(text, "Difficulty as a table")}
    assert shown == {task: [int(value) for value in values] for task, *values in sql(files, asked)}
    banks = {row[0]: row[1] for row in table(text, "Accuracy as a table")}
    base = sql(files, "SELECT bank, count(*) FILTER (correct), count(*) FROM evals WHERE arm = 'base' GROUP BY 1")
    assert banks == {bank: f"{100 * k / n:.1f} % {k}/{n}" for bank, k, n in base}


def test_bars_of_the_histograms_add_up(told: tuple[str, dict[str, Path], list[int]]) -> None:
    text, files, _ = told
    chart = re.search(r'aria-label="task10: ([^"]*)"', text)
    assert chart is not None
    bars: Counter[str] = Counter()
    for count, place in re.findall(r"(\d+) at (\d+)", chart[1]):
        bars[place] += int(count)
    tenths = sql(
        files,
        "SELECT (10 * least(k * 10 // n, 9))::BIGINT::VARCHAR, count(*) FROM difficulty JOIN samples USING (sample_id)"
        " WHERE task = 'task10' GROUP BY 1",
    )
    assert bars == Counter(dict(tenths))
