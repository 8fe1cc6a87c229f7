"""`evolens push`: what it says before it sends, to whom it sends, and its mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from pipelines.lake import Lake
from pipelines.lake.runs import Run, start_run
from tests.hub.conftest import TOKEN, hub
from tests.hub.server import Hub
from tests.pipelines.export.lakes import file_bytes, given, lake_of, traced

__all__ = ["hub"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    rows = [traced(), given((file_bytes(1),), "A?", "a", split="rl", license="CC-BY-NC-4.0")]
    return lake_of(tmp_path_factory.mktemp("commanded") / "lake", rows)[0]


def evolens(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["push", *map(str, words)])


def test_a_dry_run_for_a_person(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    done = evolens("me/rows", "--lake", lake.root, "--leave-out", "--dry-run")
    assert done.exit_code == 0, done.output
    for line in ("README.md", "rows: sft 1", "licences: CC0-1.0 1", "refused: nc 1", "Nothing was sent"):
        assert line in done.output


def test_a_push_for_a_program_and_for_a_person(hub: Hub, lake: Lake) -> None:
    words = ("me/rows", "--lake", lake.root, "--leave-out", "--endpoint", hub.url)
    done = evolens(*words, "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    repo = hub.repos["dataset", "me/rows"]
    assert said["pushed"]["commit"] == repo.head.oid and said["pushed"]["tag"] == said["run_id"]
    assert said["files"] == {path: len(blob.data) for path, blob in repo.head.tree.items() if path != ".gitattributes"}
    assert (said["rows"], said["licenses"], said["refused"]) == ({"sft": 1}, {"CC0-1.0": 1}, {"nc": 1})
    again = evolens(*words)
    assert "private" in again.output and "it was there already" in again.output
    assert TOKEN not in done.output + again.output


def test_the_recipe_says_where(hub: Hub, lake: Lake) -> None:
    before = start_of(lake, {"publish": {"repo": "us/rows", "allow": ["nc"], "format": "jsonl"}})
    done = evolens("--lake", lake.root, "--run", before.run_id, "--endpoint", hub.url)
    assert done.exit_code == 0, done.output
    assert {"sft.jsonl", "rl.jsonl"} <= hub.repos["dataset", "us/rows"].head.tree.keys()


def start_of(lake: Lake, settings: dict[str, object]) -> Run:
    """A complete run of all that the lake holds, of a recipe that says this."""
    run = start_run(lake.root, "said", "0", settings)
    for key in Lake.keys(lake):
        run.plan(key, round=1, stage="given", key=key)
    run.finish("complete")
    return run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "where to? `evolens push OWNER/NAME`"),
        (("rows",), "'rows' is no repository; name it as OWNER/NAME"),
        (("me/rows", "--format", "cvs"), "'cvs' is no format"),
        (("me/rows",), "1 of 2 rows"),
        (("me/rows", "--model", "best"), "--model 'best' is none of grpo, sft"),
        (("me/rows", "--model", "sft"), "trained no 'sft'"),
        (("me/rows", "--run", "nobody"), "no run is called so"),
    ],
)
def test_mistakes_are_one_line(lake: Lake, words: tuple[str, ...], said: str) -> None:
    run = () if "--run" in words else ("--run", "test")
    done = evolens(*words, *run, "--lake", lake.root, "--dry-run")
    assert done.exit_code == 1
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)
