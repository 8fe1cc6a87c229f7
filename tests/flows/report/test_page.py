"""The page holds what the lake holds, the same every time, and nothing that could reach out of it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.report import page as pages
from flows.report.source import NoRun, open_run, wanted_run
from flows.sample_view import NoSample
from pipelines.lake import Lake
from pipelines.lake.parts import Damaged
from tests.flows.report import lakes
from tests.flows.report.conftest import Made
from tests.pipelines import toy


def test_equal_runs_give_equal_pages(small: Made) -> None:
    with open_run(small.lake) as source:
        assert pages.render(source) == small.page.read_text()


def test_nothing_in_it_leaves_the_page(small: Made) -> None:
    text = small.page.read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)[^"']+""", text)
    assert not re.findall(r"@import|url\((?!#)|fetch\(|XMLHttpRequest|import\(", text)
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "default-src 'none'" in text


def test_text_of_rows_is_never_markup(small: Made) -> None:
    text = small.page.read_text()
    assert text.count("<script>") == 1
    assert "&lt;script&gt;document.title" in text


def test_every_section_has_its_figures(small: Made) -> None:
    text = small.page.read_text()
    sections = dict(re.findall(r'<section id="(\w+)">(.*?)\n</section>', text, re.DOTALL))
    charts = {name: len(re.findall(r'<svg class="chart(?: narrow)?"', body)) for name, body in sections.items()}
    assert charts == {
        "funnel": 1,
        "rejects": 0,
        "gallery": 0,
        "difficulty": 10,  # three tasks, all of them, and the attempts until solved, in two rounds
        "accuracy": 12,  # two banks and four pairs
        "training": 8,
        "cost": 1,
        "lineage": 0,
    }
    assert all(word in sections["rejects"] for word in ("too_odd", "even", "KeyError", "Which number, 0?"))
    links = re.findall(r"<h3>(.*?)</h3>", sections["lineage"])
    assert links[:4] == ["drawn from", "picture", "sample", "oracle trace"]
    assert links[-1] == "policy after GRPO"
    assert {"policy trace", "cluster", "difficulty", "influence", "curated", "rewards"} <= set(links)


def test_the_lineage_of_a_wanted_row_is_drawn(small: Made) -> None:
    with open_run(small.lake) as source:
        name = source.one("SELECT sample_id FROM samples WHERE question = 'Which number, 7?'")
        text = pages.render(source, name[:8])
        with pytest.raises(NoSample, match="no sample"):
            pages.render(source, "zzzz")
    assert re.search(r'<section id="lineage">.*Which number, 7\?', text, re.DOTALL)


def test_which_run_is_told(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    with pytest.raises(NoRun, match="no run yet"):
        wanted_run(lake, None)
    half = toy.record(lake, "toy", [], "partial")
    assert wanted_run(lake, None).run_id == half.run_id, "better a partial run than none"
    whole = toy.record(lake, "toy", [])
    toy.record(lake, "toy", [], "failed")
    assert wanted_run(lake, None).run_id == whole.run_id
    assert wanted_run(lake, half.run_id).run_id == half.run_id
    with pytest.raises(NoRun, match=f"no such run; known: .*{whole.run_id}"):
        wanted_run(lake, "nothing")
    with pytest.raises(NoRun, match="several runs start so"):
        wanted_run(lake, half.run_id[:4])


def test_a_run_of_nothing_is_a_page_too(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    toy.record(lake, "toy", [])
    text = pages.write_report(lake, tmp_path / "report.html").read_text()
    assert "The run holds no sample." in text
    assert "No row failed by accident." in text


def test_a_lake_that_was_moved_and_lacks_a_part(tmp_path: Path) -> None:
    lake, _ = lakes.large(tmp_path / "here", 100)
    shutil.move(lake.root, tmp_path / "there")
    moved = Lake(tmp_path / "there")
    assert pages.write_report(moved, tmp_path / "report.html").stat().st_size > 50_000
    next((moved.root / "rejects").rglob("*.parquet")).unlink()
    with pytest.raises(Damaged, match="missing from the lake"):
        pages.write_report(moved, tmp_path / "report.html")


def test_the_command_writes_the_page(small: Made, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "report.html"
    done = CliRunner().invoke(app, ["report", "--lake", str(small.lake.root), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {"page": str(out), "bytes": out.stat().st_size}
    assert out.read_text() == small.page.read_text()
    nowhere = CliRunner().invoke(app, ["report", "--lake", str(tmp_path / "none")])
    assert "there is no lake here" in str(nowhere.exception)


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (4.24, "4.2 s"), (785, "13 min 05 s"), (7620, "2 h 07 min"), (59.99, "60.0 s")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert pages.duration(seconds) == text
