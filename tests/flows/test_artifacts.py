"""What a run leaves in the Prefect UI: pictures that need no page, text that stays in its cell; and publish, replay."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from flows import artifacts
from flows.report.source import open_run
from flows.running import open_plan
from tests.flows import rounds


def test_a_picture_has_the_light_colours_of_the_report() -> None:
    assert artifacts.coloured({"color": "var(--sft)", "deep": ["var(--ink)"]}) == {
        "color": "#3f74c4",
        "deep": ["#1d2026"],
    }


def test_charts_of_a_round_become_one_png_each(finished: tuple[Path, Path]) -> None:
    lake = open_plan(*map(str, finished), None, {}).lake
    with open_run(lake) as source:
        for specs in (artifacts.difficulty_specs(source), artifacts.training_specs(source)):
            assert len(specs) >= 4
            drawn = Image.open(io.BytesIO(artifacts.picture(specs))).convert("RGB")
            assert drawn.width > 900
            assert len(drawn.getcolors(1 << 20) or []) > 8
        shown = artifacts.examples(source, 4)
    paragraphs = shown.split("\n\n")
    for start in ("### ", "![", "**Question:** ", "**Answer:** "):
        assert sum(each.startswith(start) for each in paragraphs) == 4
    assert shown.count("data:image/webp") == 4


def test_a_text_stays_one_paragraph_and_no_markup() -> None:
    assert artifacts.plain("a | b\n\n<img src=x onerror=1> &") == "a \\| b &lt;img src=x onerror=1&gt; &amp;"
    assert artifacts.plain("*2* [a](b) `c` \\d") == "\\*2\\* \\[a\\](b) \\`c\\` \\\\d"


def test_a_picture_is_a_file_where_the_folder_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "run-difficulty.png"
    assert artifacts.show(b"png", page) == "data:image/png;base64,cG5n"
    monkeypatch.setenv(artifacts.PAGES_URL, "http://127.0.0.1:4201/")
    assert artifacts.show(b"png", page) == "http://127.0.0.1:4201/run-difficulty.png"
    assert page.read_bytes() == b"png"


def test_publish_and_replay_run_as_flows(finished: tuple[Path, Path], server: str, tmp_path: Path) -> None:
    recipe, lake = map(str, finished)
    child = rounds.start(rounds.publish_prefect, recipe, lake, str(tmp_path / "out"), server, log=tmp_path / "log.txt")
    rounds.finish(child, tmp_path / "log.txt")
    told = json.loads((tmp_path / "out" / ".evolens" / "export.json").read_text())
    assert told["recipe"] == "tiny"
    assert sum(told["exported"].values()) > 0
    assert (tmp_path / "out" / "README.md").read_text().startswith("---")
