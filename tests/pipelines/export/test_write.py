"""An export is whole or not there, says what it holds and what it does not, and is the same each time."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.export import FORMATS
from pipelines.export.items import Selection
from pipelines.export.write import CannotExport, Choice, export
from pipelines.lake import Lake
from pipelines.lake.files import hash_file
from pipelines.lake.runs import Run
from tests.pipelines.export.lakes import Given, file_bytes, given, lake_of, seeded, traced
from tests.pipelines.export.loaders import json_files


@pytest.fixture
def rows() -> list[Given]:
    return [
        given((file_bytes(1),), "A?", "a", split="rl"),
        given((file_bytes(2),), "B?", "b", split="rl", license="CC-BY-NC-4.0"),
        given((file_bytes(3), file_bytes(4)), "C?", "c", split="rl", license="ask me"),
        given((file_bytes(5),), "Where is <image> in <image>?", "d", split="rl"),
        traced(),
    ]


@pytest.fixture
def stored(tmp_path: Path, rows: list[Given]) -> tuple[Lake, Run]:
    return lake_of(tmp_path / "lake", rows)


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hash_file(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }


def debris(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".tmp-")]


def test_licences_stop_an_export_before_anything_is_written(stored: tuple[Lake, Run], tmp_path: Path) -> None:
    with pytest.raises(CannotExport) as said:
        export(*stored, Choice("jsonl"), tmp_path / "out")
    for part in ("2 of 5 rows", "1 rows are nc", "1 rows are unknown", "ask me (1)", "--leave-out", "--allow"):
        assert part in str(said.value)
    assert not (tmp_path / "out").exists()
    assert not debris(tmp_path)


def test_rows_left_out_are_counted_and_named(stored: tuple[Lake, Run], rows: list[Given], tmp_path: Path) -> None:
    told = export(*stored, Choice("jsonl", leave_out=True), tmp_path / "out")
    assert told.refused == {"nc": 1, "unknown": 1}
    assert told.chosen == sum(told.exported.values()) + sum(told.refused.values()) == 5
    refusals = [json.loads(line) for line in (tmp_path / "out/.evolens/refused.jsonl").read_text().splitlines()]
    assert {each["sample_id"]: each["reason"] for each in refusals} == {
        rows[1].sample["sample_id"]: "nc",
        rows[2].sample["sample_id"]: "unknown",
    }
    assert json.loads((tmp_path / "out/.evolens/export.json").read_text()) == told.__dict__
    assert told.licenses == {"CC0-1.0": 3}


def test_a_picture_may_be_stricter_than_its_text(tmp_path: Path) -> None:
    row = given((file_bytes(1),), "A?", "a", split="rl")
    strict = Given(row.files, {**row.sample, "license": "MIT"}, None, "rl", "CC-BY-ND-4.0")
    with pytest.raises(CannotExport, match="1 rows are nd"):
        export(*lake_of(tmp_path / "lake", [strict]), Choice("csv"), tmp_path / "out")


def test_allowed_licences_pass(stored: tuple[Lake, Run], tmp_path: Path) -> None:
    told = export(*stored, Choice("jsonl", allow=("nc", "ask me")), tmp_path / "out")
    assert (told.exported, told.refused) == ({"sft": 1, "rl": 4}, {})


def test_marks_in_text_are_refused_where_they_would_be_pictures(
    stored: tuple[Lake, Run], rows: list[Given], tmp_path: Path
) -> None:
    allow = ("nc", "unknown")
    told = export(*stored, Choice("easyr1", allow=allow), tmp_path / "easyr1")
    assert (told.exported, told.refused) == ({"rl": 3}, {"mark_in_text": 1})
    assert export(*stored, Choice("trl-grpo", allow=allow), tmp_path / "grpo").refused == {}


def test_each_format_takes_the_split_it_is_for(stored: tuple[Lake, Run], tmp_path: Path) -> None:
    for name, form in FORMATS.items():
        told = export(*stored, Choice(name, leave_out=True), tmp_path / name)
        assert set(told.exported) == ({form.split} if form.split else {"sft", "rl"})


def test_what_is_there_is_not_overwritten(stored: tuple[Lake, Run], tmp_path: Path) -> None:
    out, choice = tmp_path / "out", Choice("jsonl", leave_out=True)
    out.mkdir()
    export(*stored, choice, out)  # an empty folder may be filled
    before = tree(out)
    with pytest.raises(CannotExport, match="--force"):
        export(*stored, choice, out)
    export(*stored, Choice("csv", leave_out=True, force=True), out)
    assert "sft.csv" in tree(out) and "sft.jsonl" not in tree(out)
    export(*stored, Choice("jsonl", leave_out=True, force=True), out)
    assert tree(out) == before
    assert not debris(tmp_path)


def test_force_replaces_exports_alone(stored: tuple[Lake, Run], tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("precious")
    with pytest.raises(CannotExport, match="no export"):
        export(*stored, Choice("jsonl", leave_out=True, force=True), tmp_path / "thesis")
    with pytest.raises(CannotExport, match="is a file"):
        export(*stored, Choice("jsonl", leave_out=True, force=True), tmp_path / "thesis" / "chapter.tex")
    for place in (stored[0].root / "exports", tmp_path):
        with pytest.raises(CannotExport, match="in one another"):
            export(*stored, Choice("jsonl", force=True), place)


def test_a_broken_export_leaves_the_old_one(
    stored: tuple[Lake, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    export(*stored, Choice("jsonl", leave_out=True), out)
    before = tree(out)
    whole, seen = Selection.item, []

    def failing(self: Selection, *args: Any, **named: Any) -> Any:
        seen.append(1)
        if len(seen) == 3:
            raise OSError("the disk is full")
        return whole(self, *args, **named)

    monkeypatch.setattr(Selection, "item", failing)
    with pytest.raises(OSError, match="full"):
        export(*stored, Choice("jsonl", leave_out=True, force=True), out)
    assert tree(out) == before
    assert not debris(tmp_path)


def test_what_the_screen_held_back_is_not_given_away(tmp_path: Path) -> None:
    rows = [given((file_bytes(1),), "A?", "a", split="rl"), given((file_bytes(2),), "B?", "b")]
    captions = ((0, "A sign."), (1, "A card."))
    stored = lake_of(tmp_path / "lake", rows, captions)
    export(*stored, Choice("jsonl", "captions"), tmp_path / "captions")
    first, second = (row["sample_id"] for _, row in json_files(tmp_path / "captions", tmp_path))
    stored = lake_of(tmp_path / "screened", rows, captions, (rows[1].sample["sample_id"], second))
    export(*stored, Choice("jsonl", "samples"), tmp_path / "one")
    assert [row["question"] for _, row in json_files(tmp_path / "one", tmp_path)] == ["A?"]
    export(*stored, Choice("jsonl", "captions"), tmp_path / "two")
    assert [row["sample_id"] for _, row in json_files(tmp_path / "two", tmp_path)] == [first]


def test_a_screen_that_is_not_done_stops_an_export(tmp_path: Path) -> None:
    lake, run = lake_of(tmp_path / "lake", [traced()])
    run.plan("screen", round=0, stage="screen", key="0" * 32)
    with pytest.raises(CannotExport, match="has not screened its rows yet"):
        export(lake, run, Choice("jsonl", "samples"), tmp_path / "out")
    assert export(lake, run, Choice("jsonl"), tmp_path / "out").exported == {"sft": 1}


def test_a_killed_export_leaves_nothing_for_long(stored: tuple[Lake, Run], tmp_path: Path) -> None:
    """Killed while it writes: the place stays empty, and the next export clears up behind it."""
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from pipelines.export.write import Choice, export\n"
        "from pipelines.lake import Lake\n"
        "from pipelines.lake.runs import named\n"
        "lake = Lake(sys.argv[1])\n"
        "die = lambda done, total: os.kill(os.getpid(), signal.SIGKILL) if done == 2 else None\n"
        "export(lake, named(lake.root, 'latest'), Choice('jsonl', leave_out=True), Path(sys.argv[2]), die)\n"
    )
    out = tmp_path / "out"
    killed = subprocess.run([sys.executable, "-c", code, str(stored[0].root), str(out)])
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists() and len(debris(tmp_path)) == 1
    export(*stored, Choice("jsonl", leave_out=True), out)
    assert not debris(tmp_path)
    assert {"sft.jsonl", "rl.jsonl"} <= set(tree(out))


@pytest.mark.parametrize("name", FORMATS)
def test_equal_lakes_give_equal_files(name: str, tmp_path: Path) -> None:
    lake, run = lake_of(tmp_path / "lake", [*seeded(3), traced()])
    choice = Choice(name, split="all")
    for out in ("one", "two"):
        export(lake, run, choice, tmp_path / out)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_shards_split_and_groups_are_of_a_hundred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq
    from datasets import load_dataset

    data = file_bytes(1, "PNG")
    rows = [given((data,), f"Number {number}?", number, answer_type="integer", split="rl") for number in range(450)]
    stored = lake_of(tmp_path / "lake", rows)
    monkeypatch.setattr("pipelines.export.sinks.SHARD_BYTES", 150 * len(data))
    export(*stored, Choice("datasets"), tmp_path / "out")
    files = sorted((tmp_path / "out" / "data").iterdir())
    assert [file.name for file in files] == [f"rl-{number:05d}-of-00003.parquet" for number in range(3)]
    sizes = [pq.ParquetFile(file).metadata.row_group(0).num_rows for file in files]
    assert sizes == [100, 100, 50]
    read = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"), split="rl")
    assert read["question"] == [f"Number {number}?" for number in range(450)]


def test_metadata_stays_behind(tmp_path: Path) -> None:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 30.0)}  # where the photograph was taken
    exif[0x010F] = "A camera that names its owner"
    with Image.open(io.BytesIO(file_bytes(9))) as plain:
        plain.save(buffer, "JPEG", exif=exif)
    stored = lake_of(tmp_path / "lake", [given((buffer.getvalue(),), "A?", "a", split="rl")])
    export(*stored, Choice("jsonl"), tmp_path / "out")
    (file,) = (tmp_path / "out" / "images").rglob("*.jpg")
    assert not Image.open(file).getexif()
    assert b"camera" in buffer.getvalue() and b"camera" not in file.read_bytes()


def test_one_line_says_what_is_wrong(stored: tuple[Lake, Run], tmp_path: Path) -> None:
    with pytest.raises(CannotExport, match="'parqet' is no format; there are trl-sft"):
        export(*stored, Choice("parqet"), tmp_path / "out")
    with pytest.raises(CannotExport, match="captions have none; datasets"):
        export(*stored, Choice("verl", "captions"), tmp_path / "out")
    with pytest.raises(
        CannotExport, match="no row of table 'captions' is in run .* of 'test'; name another with --run"
    ):
        export(*stored, Choice("csv", "captions"), tmp_path / "out")


def test_a_trace_that_does_not_repeat_is_refused(tmp_path: Path) -> None:
    whole = traced()
    assert whole.trace is not None
    steps = [{**step, "image_id": "0" * 32} if step["image_id"] else step for step in whole.trace["steps"]]
    broken = Given(whole.files, whole.sample, {**whole.trace, "steps": steps}, "sft")
    stored = lake_of(tmp_path / "lake", [broken])
    told = export(*stored, Choice("ms-swift"), tmp_path / "swift")
    assert told.refused == {"trace_does_not_repeat": 1}
    assert not list(json_files(tmp_path / "swift", tmp_path))
