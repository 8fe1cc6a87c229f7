"""`evolens query` on a small lake: what the screen shows, what is written, errors in one line, lakes elsewhere."""

from __future__ import annotations

import csv
import functools
import http.server
import io
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from flows.asking import BadQuery, open_catalog
from flows.cli import app
from flows.command_query import NARROW, fit
from pipelines.lake.catalog import build_catalog
from tests.flows.report import lakes


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, _ = lakes.small(tmp_path_factory.mktemp("asked") / "lake")
    build_catalog(made)
    return made.root


def ask(sql: str, lake: Path | str, *more: str) -> Result:
    return CliRunner().invoke(app, ["query", sql, "--lake", str(lake), *more])


def test_wide_values_are_cut_to_fit_and_that_is_said(lake: Path) -> None:
    said = ask(
        "SELECT sample_id, repeat(question, 9) AS long, NULL AS nothing, [1, 2] AS list FROM samples LIMIT 2", lake
    )
    lines = said.stdout.splitlines()
    assert lines[0] == "2 rows" and lines[1].split() == ["sample_id", "long", "nothing", "list"]
    assert all(len(line) <= 160 for line in lines) and lines[2].rstrip().endswith("NULL  [1, 2]") and "…" in lines[2]
    assert "2 values are cut to fit" in said.stderr


def test_too_many_columns_stand_one_below_the_other(lake: Path) -> None:
    lines = ask("SELECT * FROM samples LIMIT 1", lake).stdout.splitlines()
    assert lines[0] == "row 1" and lines[-1] == "1 rows"
    assert any(line.startswith("question     ") for line in lines)


def test_a_long_answer_says_that_there_is_more(lake: Path) -> None:
    assert "the first 3 rows; --limit shows more" in ask("FROM range(9)", lake, "--limit", "3").stdout


def test_names_may_come_twice_and_blanks_stay(lake: Path) -> None:
    assert ask("SELECT 1 AS a, 2 AS a", lake).stdout.split() == ["1", "rows", "a", "a", "1", "2"]


@given(st.lists(st.integers(1, 400), max_size=30), st.integers(20, 300))
def test_columns_fit_or_none_do(widths: list[int], room: int) -> None:
    found = fit(widths, room)
    least = sum(min(width, NARROW) for width in widths) + 2 * (len(widths) - 1)
    assert (found is None) == (least > room)
    if found is not None:
        assert sum(found) + 2 * (len(found) - 1) <= room
        assert all(new <= old and new >= min(old, NARROW) for new, old in zip(found, widths, strict=True))


def test_programs_get_everything(lake: Path, tmp_path: Path) -> None:
    sql = "SELECT sample_id, question, image_ids FROM samples ORDER BY sample_id"
    rows = json.loads(ask(sql, lake, "--json").stdout)
    listed = list(csv.DictReader(io.StringIO(ask(sql, lake, "--csv").stdout)))
    assert [row["question"] for row in rows] == [row["question"] for row in listed]
    assert [json.loads(row["image_ids"]) for row in listed] == [row["image_ids"] for row in rows]
    for suffix in ("parquet", "csv", "json"):
        out = tmp_path / f"rows.{suffix}"
        told = json.loads(ask(sql, lake, "--out", str(out), "--json").stdout)
        assert told == {"path": str(out), "rows": len(rows), "bytes": out.stat().st_size}
    assert pq.read_table(tmp_path / "rows.parquet").to_pylist() == rows
    assert ask(sql, lake, "--out", str(tmp_path / "rows.xls")).exit_code == 2


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("FROM sampels", "did you mean samples"),
        ("SELECT taks FROM samples", "did you mean task"),
        ("SELECT s.tsk FROM samples s", "did you mean task"),
        ("SELECT pass_rate FROM samples", "pass_rate is a column of difficulty"),
        ("FROM bnd(0, 1)", "did you mean band"),
        ("FROM band(1)", "it is called as band(lo, hi)"),
        ("SELEC 1", 'syntax error at or near "SELEC", in: SELEC 1'),
        ("SELECT 'a'::INT", "Could not convert string 'a' to INT32"),
    ],
)
def test_a_mistake_is_one_line_that_helps(sql: str, said: str, lake: Path) -> None:
    error = ask(sql, lake).exception
    assert isinstance(error, BadQuery) and said in str(error) and "\n" not in str(error)


def test_pictures_leave_as_pictures(lake: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    out = tmp_path / "pixels.parquet"
    assert ask("SELECT sample_id, split, options, images FROM pixels()", lake, "--out", str(out)).exit_code == 0
    rows = load_dataset("parquet", data_files=str(out), split="train", cache_dir=str(tmp_path / "cache"))
    with open_catalog(lake) as connection:
        chosen = connection.execute(
            "SELECT c.sample_id, i.width, i.height FROM curated c JOIN samples s USING (run_id, sample_id)"
            " JOIN images i ON i.image_id = s.image_ids[1] WHERE c.arm = 'curated'"
        ).fetchall()
    assert sorted({(row["sample_id"], *row["images"][0].size) for row in rows}) == sorted(set(chosen))
    wrong = ask("SELECT images, {'a': 1} AS odd FROM pixels()", lake, "--out", str(out))
    assert "cast it to VARCHAR" in str(wrong.exception)


def test_a_lake_that_was_moved_answers(lake: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(lake, tmp_path / "elsewhere"))
    shutil.move(lake / "images", tmp_path / "away")
    try:
        with open_catalog(moved, "FROM pixels()") as connection:
            assert connection.execute(
                "SELECT count(*), min(octet_length(images[1].bytes)) > 0 FROM pixels()"
            ).fetchone()
        sql = "SELECT node, kept FROM funnel()"
        assert ask(sql, moved, "--json").stdout == ask(sql, lake, "--json").stdout
    finally:
        shutil.move(tmp_path / "away", lake / "images")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(lake: Path) -> Iterator[str]:
    """The lake behind the plainest of web servers, which sends whole files only and lists none to us."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(lake)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


SUMMED = "SELECT split, sum(octet_length(images[1].bytes)) AS bytes FROM pixels() GROUP BY ALL ORDER BY ALL"


def test_a_lake_behind_a_url_answers_alike(lake: Path, served: str) -> None:
    assert ask(SUMMED, f"{served}/", "--json").stdout == ask(SUMMED, lake, "--json").stdout != "[]\n"
    assert "did you mean samples" in str(ask("FROM smples", served).exception)
    assert "there is no catalog to read" in str(ask("FROM samples", f"{served}/no").exception)


def test_a_lake_in_an_object_store_answers_alike(lake: Path) -> None:
    store = fsspec.filesystem("memory")
    store.put(str(lake), "/bucket/lake", recursive=True)
    assert ask(SUMMED, "memory://bucket/lake", "--json").stdout == ask(SUMMED, lake, "--json").stdout
    store.rm("/bucket", recursive=True)
