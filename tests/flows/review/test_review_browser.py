"""The review page in a real browser: judged by keys alone, kept over a reload, saved as a file that comes back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app
from pipelines.lake import Lake
from tests.conftest import require
from tests.flows.report.test_browser import OVERFLOW
from tests.flows.review.conftest import make


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    require("playwright")
    require("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Path]:
    folder = tmp_path_factory.mktemp("page")
    lake, page = make(folder / "lake"), folder / "review.html"
    done = CliRunner().invoke(app, ["review", "export", "--lake", str(lake.root), "--out", str(page)])
    assert done.exit_code == 0, done.output
    return lake, page


def opened(context: Any, page: Path, wrong: list[str]) -> Any:
    tab = context.new_page()
    tab.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    tab.on("console", lambda message: wrong.append(f"console: {message.text}"))
    kinds = ("file:", "data:", "blob:")
    tab.on("request", lambda asked: None if asked.url.startswith(kinds) else wrong.append(asked.url))
    tab.goto(page.as_uri())
    return tab


def test_rows_are_judged_by_keys_kept_saved_and_brought_back(
    browser: Any, made: tuple[Lake, Path], tmp_path: Path
) -> None:
    lake, page = made
    wrong: list[str] = []
    context = browser.new_context(accept_downloads=True)
    tab = opened(context, page, wrong)
    visible = tab.locator("article:not([hidden])")

    def said() -> str:
        return str(tab.locator("#progress").inner_text())

    assert (visible.count(), said()) == (1, "0 of 10 done")
    for _ in range(10):
        before = visible.get_attribute("aria-label")
        steps = visible.locator("[data-field=shown]").count()
        tab.keyboard.press("1")
        if steps:
            assert visible.get_attribute("aria-label") == before, "the steps are still to be judged"
            tab.keyboard.press("w")
    assert said() == "10 of 10 done"
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("n")
    tab.keyboard.type("123 is no verdict here")
    tab.keyboard.press("Escape")
    tab.keyboard.press("2")
    assert visible.locator("[data-field=label] [aria-pressed=true]").inner_text().startswith("wrong")
    tab.keyboard.press("s")
    assert tab.evaluate("document.activeElement.id") == "reviewer", "a name is asked for first"
    tab.keyboard.type("Ada")
    tab.close()

    tab = opened(context, page, wrong)
    assert tab.locator("#progress").inner_text() == "10 of 10 done" and tab.locator("#reviewer").input_value() == "Ada"
    assert all(tab.evaluate("() => [...document.images].map((each) => each.complete && each.naturalWidth > 0)"))
    with tab.expect_download() as waiting:
        tab.get_by_role("button", name="Save verdicts").click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    told = json.loads(path.read_text())
    assert told["reviewer"] == "Ada" and len(told["verdicts"]) == 10
    assert sorted(row["label"] for row in told["verdicts"]) == ["right"] * 9 + ["wrong"]
    assert [row["note"] for row in told["verdicts"] if row["note"]] == ["123 is no verdict here"]
    brought = CliRunner().invoke(app, ["review", "import", str(path), "--lake", str(lake.root), "--json"])
    assert json.loads(brought.stdout) == {"read": 10, "kept": 10, "empty": 0, "rejected": 0}
    assert wrong == []
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_it_fits_the_screen(browser: Any, made: tuple[Lake, Path], width: int, scheme: str) -> None:
    wrong: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab = opened(context, made[1], wrong)
    tab.evaluate("() => document.querySelectorAll('article').forEach((each) => { each.hidden = false })")
    assert tab.evaluate(OVERFLOW) == {"page": 0, "out": []}
    assert wrong == []
    context.close()
