"""Rows go out to people and come back as verdicts: what is drawn, what is kept, and what it says of each stage."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
from typer.testing import CliRunner, Result

from flows.cards.dataset import render
from flows.cli import app
from flows.report.page import write_report
from flows.report.source import open_run
from flows.review.measures import agreement, precision
from flows.review.queue import draw
from flows.review.verdicts import BadVerdict
from pipelines.intervals import wilson
from pipelines.lake import Lake
from pipelines.lake.gc import collect
from tests.flows.review.conftest import COLOURS

ALL = {"random": 99, "suspect": 99, "judge": 99}


def review(lake: Lake, *words: str) -> Result:
    return CliRunner().invoke(app, ["review", *words, "--lake", str(lake.root)])


def saved(path: Path, lake: Lake, reviewer: str, verdicts: dict[tuple[str, str], dict[str, Any]]) -> Path:
    """A file as the page saves it: verdicts by (queue, answer or reply)."""
    with open_run(lake) as source:
        asked = draw(source, ALL, again=True)
        named = {row["sample_id"]: json.loads(row["answer"]) for row in source.rows("SELECT * FROM samples")}
    rows = [
        {
            **row.__dict__,
            "run_id": "r",
            "label": None,
            "note": None,
            "reviewed_at": "2026-01-01T00:00:00Z",
            "shown": None,
        }
        | verdicts[row.queue, name]
        for row in asked
        for name in [row.shown_id[0] if row.queue == "judge" and row.shown_id else named[row.sample_id]]
        if (row.queue, name) in verdicts
    ]
    path.write_text(json.dumps({"reviewer": reviewer, "verdicts": rows}))
    return path


def test_each_queue_draws_what_it_is_for(lake: Lake) -> None:
    with open_run(lake) as source:
        drawn = draw(source, ALL)
        few = draw(source, {"random": 2})
        other = [draw(source, {"random": 2}, seed) for seed in range(1, 6)]
    by = {queue: [row for row in drawn if row.queue == queue] for queue in ALL}
    assert len(by["random"]) == len(COLOURS) and len(by["suspect"]) == 1
    assert sorted(str(row.shown_id)[0] for row in by["judge"]) == ["a", "b", "d"], "both ways, or left open; not agreed"
    assert few == by["random"][:2] and any(each != few for each in other)
    assert sum(row.shown_id is not None for row in by["random"]) == 1, "the proven trace is shown"


def test_a_table_is_filled_and_brought_back(lake: Lake, tmp_path: Path) -> None:
    out = tmp_path / "queue.csv"
    told = json.loads(review(lake, "export", "--out", str(out), "--json").stdout)
    assert told["rows"] == {"random": 6, "suspect": 1, "judge": 3}
    rows = list(csv.DictReader(out.open(newline="")))
    assert all((tmp_path / row["pictures"]).stat().st_size for row in rows)
    assert any("First the whole card." in row["steps"] for row in rows)
    fills = ["right", "rigth", "wrong", "", "Unsure"]
    for row, fill in zip(rows, fills, strict=False):
        row["label"] = fill
    rows[5] |= {"label": "right", "sample_id": "0" * 32}
    with out.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    assert "nobody is named" in review(lake, "import", str(out)).stderr
    done = review(lake, "import", str(out), "--reviewer", "Ada", "--json")
    assert json.loads(done.stdout) == {"read": 10, "kept": 3, "empty": 5, "rejected": 2}
    assert "queue.csv, row 2, field label: 'rigth' is none of right, wrong, unsure" in done.stderr
    assert "queue.csv, row 6, field sample_id: no sample" in done.stderr
    left = json.loads(review(lake, "export", "--out", str(tmp_path / "next.csv"), "--json").stdout)["rows"]
    assert left == {"random": 3, "suspect": 1, "judge": 3}, "what was judged is not put again"


def test_files_that_are_no_verdicts_are_told(lake: Lake, tmp_path: Path) -> None:
    for name, text, said in (
        ("a.json", "[]", "neither a file that the review page saved"),
        ("b.csv", "question\nx\n", "the columns label, queue, sample_id are missing"),
        ("c.json", '{"verdicts": []}', "no verdict was kept"),
    ):
        (tmp_path / name).write_text(text)
        error = review(lake, "import", str(tmp_path / name)).exception
        assert isinstance(error, BadVerdict) and said in str(error)


def test_precision_counts_each_row_once_by_its_majority(lake: Lake, tmp_path: Path) -> None:
    right, wrong, unsure = ({"label": word} for word in ("right", "wrong", "unsure"))
    ada = {("random", colour): right for colour in COLOURS} | {
        ("random", "red"): right | {"shown": "wrong"},
        ("random", "blue"): wrong,
        ("random", "green"): unsure,
        ("suspect", "blue"): wrong,
        ("judge", "a"): {"shown": "right"},
        ("judge", "b"): {"shown": "right"},
    }
    bob = {("random", "blue"): wrong, ("random", "red"): right, ("random", "black"): wrong}
    for name, verdicts in (("Ada", ada), ("Bob", bob)):
        assert review(lake, "import", str(saved(tmp_path / f"{name}.json", lake, name, verdicts))).exit_code == 0
    with open_run(lake) as source:
        found = {row["stage"]: row for row in precision(source)}
        pairs, card = agreement(source), render(source)
    assert {name: (row["k"], row["n"], row["undecided"]) for name, row in found.items()} == {
        "samples": (3, 4, 2),  # black: one says right, one wrong; green: unsure
        "verify": (0, 1, 0),
        "deduplicate": (1, 2, 2),
        "difficulty": (1, 1, 0),  # of blue: suspected, and wrong, however many said so
        "curate": (1, 2, 1),
        "judge": (1, 2, 0),  # the judge said both; one of it was right
    }
    assert (found["samples"]["low"], found["samples"]["high"]) == wilson(3, 4)
    assert pairs == [{"one": "Ada", "other": "Bob", "rows": 3, "alike": 2}]
    with duckdb.connect(str(lake.root / "catalog.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT stage, k, n, undecided, precision FROM reviewed()").fetchall()
    assert rows == [(name, row["k"], row["n"], row["undecided"], row["precision"]) for name, row in found.items()]
    page = write_report(lake, tmp_path / "report.html").read_text()
    assert "the answer of a chosen row is right" in page and "3 of 4" in page and "75.0 %" in page
    low, high = wilson(3, 4)
    assert f"| samples | the stored answer is right | 3 | 4 | 2 | 0.750 | {low:.3f} | {high:.3f} |" in card
    shown = review(lake, "status").stdout
    assert "the stored answer is right" in shown and "Bob" in shown


def test_a_verdict_may_be_changed_and_brought_twice_and_gc_spares_it(lake: Lake, tmp_path: Path) -> None:
    first = saved(tmp_path / "1.json", lake, "Ada", {("random", "red"): {"label": "wrong"}})
    again = saved(
        tmp_path / "2.json", lake, "Ada", {("random", "red"): {"label": "right", "reviewed_at": "2026-01-02T00:00:00Z"}}
    )
    for path in (first, again, first):
        assert review(lake, "import", str(path)).exit_code == 0
    collect(lake, 1)
    assert len(list((lake.root / "reviews").iterdir())) == 2
    with duckdb.connect(str(lake.root / "catalog.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT label FROM reviews").fetchall() == [("right",)]
        assert connection.execute("SELECT count(*) FROM all_reviews").fetchall() == [(2,)]


def test_nothing_to_do_is_said(lake: Lake, tmp_path: Path) -> None:
    assert "Nothing was reviewed yet" in review(lake, "status").stdout
    error = review(lake, "export", "--random", "0", "--suspect", "0", "--judge", "0").exception
    assert "nothing to review" in str(error)
    assert review(lake, "export", "--out", str(tmp_path / "x.pdf")).exit_code == 2
