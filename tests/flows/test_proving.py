"""`evolens prove`: traces of all families made, verified and carried out again; a changed lake does not hold."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from flows.gauge import MARKS, Gauge
from flows.proving import Report, prove_all, prove_plan
from flows.recipes import open_recipe
from flows.running import open_plan
from pipelines.lake import Damaged, Lake
from pipelines.lake.parts import describe
from pipelines.runner import Progress
from pipelines.tasks import FAMILIES

SMALL = {f"tasks.{index}.count": 1 for index in range(3 * len(FAMILIES))}
SETTINGS = {**SMALL, "execution": {"processes": 1, "part_rows": 16}}


def prove(lake: Path) -> Report:
    return prove_plan(open_plan("worlds", lake, None, SETTINGS))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    lake = tmp_path_factory.mktemp("worlds") / "lake"
    return lake, prove(lake)


def test_the_recipe_is_of_every_family_and_dial_alike_and_comes_to_ten_thousand() -> None:
    tasks = open_recipe("worlds").tasks
    cells = {(name, dial) for name, family in FAMILIES.items() for dial in range(len(family.DIALS))}
    assert {(task.task, task.dial) for task in tasks} == cells and len(tasks) == len(cells)
    assert len({task.count for task in tasks}) == 1
    assert sum(task.count for task in tasks) >= 10_000
    assert open_recipe("worlds").execution.processes == 2


def test_every_family_is_made_verified_and_proven(made: tuple[Path, Report]) -> None:
    _, report = made
    assert report.holds and report.seconds
    each = {row["family"]: (row["traces"], row["kept"], row["dials"]) for row in report.families}
    assert each == dict.fromkeys(FAMILIES, (3, 3, "1 1 1"))
    assert (report.traces, report.states, report.proven.traces) == (42, 42, 42)
    assert report.proven.pictures > 60
    by_stage = {row["stage"]: row for row in report.funnel}
    assert by_stage["r1/verify"]["read"] == by_stage["r1/verify"]["kept"] == 42
    assert {"synthesize", "verify", "prove"} <= report.memory.keys()


def test_a_second_call_makes_nothing_and_proves_all_again(made: tuple[Path, Report]) -> None:
    again = subprocess.run(
        [sys.executable, "-m", "flows.cli", "prove", "worlds", "--lake", str(made[0]), "--json"]
        + [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={json.dumps(value)}")],
        capture_output=True,
        text=True,
    )
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert told["holds"] and told["seconds"] is None
    assert (told["proven"]["traces"], told["proven"]["pictures"]) == (42, made[1].proven.pictures)


def flip(data: bytes) -> bytes:
    """The picture with one bit of its last pixel changed."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    at = image.width - 1, image.height - 1
    red, green, blue = image.getpixel(at)  # type: ignore[misc]  # three bands
    image.putpixel(at, (red, green, blue ^ 1))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def change_picture(lake: Path, origin: str) -> None:
    """Store another picture in the place of one, hash and all, in a pack that is read as it stands."""
    images = pa.concat_tables([pq.read_table(path) for path in sorted(lake.glob("images/key=*/*.parquet"))]).to_pylist()
    name = next(row["image_id"] for row in images if row["origin"] == origin)
    for path in sorted(lake.glob("images/pack-*.parquet")):
        rows = pq.read_table(path)
        found = rows.to_pylist()
        for row in found:
            if row["image_id"] == name:
                row["bytes"] = flip(row["bytes"])
                row["bytes_sha"] = blake2b(row["bytes"], digest_size=16).hexdigest()
        pq.write_table(pa.Table.from_pylist(found, rows.schema), path)


def change_rows(lake: Path, table: str, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change rows of a table, and the manifest with them."""
    for manifest in (lake / "_manifests").glob("*.json"):
        content = json.loads(manifest.read_text())
        for part in content["parts"]:
            if part["table"] == table:
                path = lake / part["name"]
                rows = pq.read_table(path)
                found = rows.to_pylist()
                change(found)
                pq.write_table(pa.Table.from_pylist(found, rows.schema), path)
                part.update(asdict(describe(path, table, part["name"], len(found))))
        manifest.write_text(json.dumps(content))


def one_more(rows: list[dict[str, Any]]) -> None:
    """The last number of the first call of the first trace that calls, one more."""
    for row in rows:
        for step in row["steps"]:
            if step["tool"]:
                head, _, last = step["arguments"].rpartition(":")
                step["arguments"] = f"{head}:{int(last.rstrip('}')) + 1}}}"
                return


def other_answer(rows: list[dict[str, Any]]) -> None:
    rows[0]["answer"] = '"something else"'


CHANGES: dict[str, Callable[[Path], None]] = {
    "a picture of a question": lambda lake: change_picture(lake, "task"),
    "a picture that a tool made": lambda lake: change_picture(lake, "tool"),
    "an argument": lambda lake: change_rows(lake, "traces", one_more),
    "the answer of a trace": lambda lake: change_rows(lake, "traces", other_answer),
    "the answer of a sample": lambda lake: change_rows(lake, "samples", other_answer),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_changed_in_the_lake_does_not_hold(what: str, made: tuple[Path, Report], tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(made[0], lake)
    CHANGES[what](lake)
    report = prove(lake)
    assert report.seconds is None and not report.holds
    assert 1 <= len(report.proven.faults) <= 3, report.proven.faults
    expected = "stored with other pixels" if what == "a picture that a tool made" else "altered_"
    assert all(expected in str(proof.fault) for proof in report.proven.faults)


def test_a_changed_file_is_known_by_its_hash_before_that(made: tuple[Path, Report], tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(made[0], lake)
    path = next(lake.glob("traces/key=*/part-*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged):
        prove(lake)


def test_the_gauge_keeps_the_peak_at_each_mark() -> None:
    gauge = Gauge()
    for done in (10, MARKS[0], MARKS[1] + 7):
        gauge(Progress("work", "", 9, 1, 9, done))
    assert gauge.peaks["work"].keys() == {0, MARKS[0], MARKS[1]}
    assert 0 < gauge.peaks["work"][MARKS[0]] <= gauge.peaks["work"][MARKS[1]] <= gauge.peaks["work"][0]


def test_a_lake_without_kept_traces_does_not_hold(tmp_path: Path) -> None:
    nothing = prove_all(Lake(tmp_path), [], 0, 1, Gauge())
    assert nothing.traces == 0 and not nothing.faults
    assert not Report([], [], None, nothing, 1, {}).holds
