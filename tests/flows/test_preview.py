"""A preview says what ingest would make of a source, and ingest then makes just that."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.preview import preview
from pipelines.lake import Lake
from pipelines.sources import SourceError
from tests.pipelines.sources.made import FILES, ingested, jsonl, pictures, put, source

ROWS = [
    {"image": "0.png", "query": "How many?", "label": 3, "id": 1, "license": "MIT"},
    {"image": "gone.png", "query": "What?", "label": "x", "id": 2},
    {"image": "1.png", "query": "What?", "label": None, "id": 3},
    {"image": "2.png", "id": 4},
]
COLUMNS = {"question": "query", "answer": "label"}


def test_what_is_told_is_what_is_done(tmp_path: Path) -> None:
    path = put(pictures(tmp_path / "in"), a__jsonl=jsonl(ROWS) + "{broken\n")
    found = preview(source(path, columns=COLUMNS), 100)
    assert (found["format"], found["convention"], found["files"]) == ("jsonl", "plain", ["a.jsonl"])
    assert {row["column"]: row["becomes"] for row in found["columns"]} == {
        "image": "picture",
        "query": "question (as question)",
        "label": "answer (as answer)",
        "id": "nothing",
        "license": "licence",
    }
    assert found["examples"] == [{"row": "a.jsonl, row 1", "question": "How many?", "says": "3", "type": "integer"}]
    assert found["counts"] == {"records": 5, "questions": 1, "captions": 0, "refused": 4, "pictures": 1}
    assert not found["more"]
    refused = {row["why"]: (row["rows"], row["first"]) for row in found["refused"]}
    assert refused["nothing_asked"] == (1, "a.jsonl, row 4")
    assert refused["missing_file"][1].startswith("a.jsonl, row 2: 'gone.png' does not exist")
    assert not (tmp_path / "lake").exists()
    lake = Lake(tmp_path / "lake")
    counts = ingested(lake, path, columns=COLUMNS).counts
    assert counts.rejected + counts.failed + counts.children_rejected + counts.children_failed == 4
    assert counts.children_kept == 1


def test_pictures_by_type_are_told_by_their_columns(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    table = pa.table({"scan": [{"bytes": FILES[0], "path": None}], "caption": ["x"], "size": [3]})
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    found = preview(source(tmp_path / "in"), 10)
    assert [tuple(row.values()) for row in found["columns"]] == [
        ("scan", "picture", "picture"),
        ("caption", "str", "caption"),
        ("size", "int", "nothing"),
    ]


def test_a_preview_reads_as_many_rows_as_asked(tmp_path: Path) -> None:
    path = put(pictures(tmp_path / "in"), a__jsonl=jsonl([{"image": "0.png", "text": "x"}] * 30))
    found = preview(source(path), 10)
    assert found["counts"]["records"] == 10 and found["more"]


def test_a_mapping_to_no_column_is_told_with_what_was_meant(tmp_path: Path) -> None:
    path = put(pictures(tmp_path / "in"), a__jsonl=jsonl(ROWS))
    found = preview(source(path, columns={**COLUMNS, "domain": "licence"}), 10)
    assert found["warnings"] == ["columns: domain: none of the first 4 rows has 'licence'; did you mean 'license'?"]


AMBIGUOUS = {
    "two formats": ({"a__jsonl": jsonl(ROWS), "b__csv": "image,text\n0.png,x\n"}, "jsonl (a.jsonl); csv (b.csv)"),
    "nothing": ({"notes__txt": "hello"}, "none of the formats that are read"),
    "no rows": ({"a__jsonl": ""}, "holds no rows"),
    "no pictures": ({"a__jsonl": jsonl([{"question": "x", "answer": "y"}])}, "no image column among question, answer"),
    "a header twice": ({"a__csv": "image,text,text\n"}, "names column 'text' twice"),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_cannot_be_told_is_asked(tmp_path: Path, name: str) -> None:
    files, words = AMBIGUOUS[name]
    with pytest.raises(SourceError) as caught:
        preview(source(put(tmp_path / "in", **files)), 10)
    assert words in str(caught.value) and str(tmp_path / "in") in str(caught.value)


def test_format_and_convention_are_held_to_what_is_said(tmp_path: Path) -> None:
    path = put(pictures(tmp_path / "in"), a__jsonl=jsonl(ROWS), b__csv="image,text\n0.png,x\n")
    assert preview(source(path, format="csv"), 10)["counts"]["captions"] == 1
    with pytest.raises(SourceError, match="no format 'cvs'; did you mean 'csv'"):
        preview(source(path, format="cvs"), 10)
    with pytest.raises(SourceError, match="no convention 'lava'; did you mean 'llava'"):
        preview(source(path, format="csv", convention="lava"), 10)
    with pytest.raises(SourceError, match="format 'webdataset' is tars of WebDataset, and none is there"):
        preview(source(path, format="webdataset"), 10)


def test_the_command_previews_and_ingests(tmp_path: Path) -> None:
    path = put(pictures(tmp_path / "in"), a__jsonl=jsonl(ROWS))
    command = ["ingest", str(path), "--lake", str(tmp_path / "lake"), "--column", "question=query", "--json"]
    done = CliRunner().invoke(app, [*command, "--column", "answer=label", "--preview"])
    assert json.loads(done.stdout)["counts"]["questions"] == 1 and not (tmp_path / "lake").exists()
    shown = CliRunner().invoke(app, [*command[:-1], "--column", "answer=label", "--preview"])
    assert "Nothing was written." in shown.stdout and "question (as question)" in shown.stdout
    done = CliRunner().invoke(app, [*command, "--column", "answer=label"])
    assert json.loads(done.stdout)["children_kept"] == 1
    wrong = CliRunner().invoke(app, [*command, "--column", "answer"])
    assert wrong.exit_code != 0
