from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pipelines.lake import Damaged, Lake
from pipelines.runner import run_stage
from pipelines.stage import Context, Stage, stage_key
from schemas.outcome import Keep
from schemas.requests import WorkerIdentity
from tests.pipelines.toy import LOOK, MAKE, P, call, numbers


def test_the_key_depends_on_what_decides_the_result_and_on_nothing_else() -> None:
    base = stage_key(LOOK, P(), ["a"])
    newer = Stage("look", 2, "map", P, "sample_id", "checks", LOOK.run, sql=LOOK.sql)
    others = [
        stage_key(newer, P(), ["a"]),
        stage_key(MAKE, P(), ["a"]),
        stage_key(LOOK, P(count=11), ["a"]),
        stage_key(LOOK, P(), ["b"]),
        stage_key(LOOK, P(), ["a", "b"]),
        stage_key(LOOK, P(), ["a"], WorkerIdentity("local", "m", None, "w")),
        stage_key(LOOK, P(), ["a"], versions={"pillow": "12"}),
    ]
    assert len({base, *others}) == 8
    assert call(LOOK, "a").key == call(LOOK, "a", part_rows=99, wave_rows=7, max_failed=0.9).key == base


def test_the_key_is_the_same_in_every_process() -> None:
    line = "from tests.pipelines.toy import LOOK, call; print(call(LOOK, 'a').key)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", line], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == call(LOOK, "a").key


def test_a_stage_names_known_tables_and_one_kind_of_input() -> None:
    with pytest.raises(ValueError, match="no table is called 'sample'"):
        Stage("x", 1, "map", P, "id", "sample", print, sql="SELECT 1")
    with pytest.raises(ValueError, match="either sql or source"):
        Stage("x", 1, "map", P, "id", "samples", print)


def test_original_bytes_are_kept_and_named_by_their_pixels(tmp_path: Path) -> None:
    upright = Image.new("RGB", (4, 2), "red")
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter to see it upright
    upright.save(buffer, "JPEG", exif=exif)
    original = buffer.getvalue()
    stored: list[dict[str, object]] = []

    def run(row: dict[str, object], p: P, ctx: Context) -> Keep:
        stored.append(ctx.store(original, origin="photograph", license="CC0-1.0", path="a.jpg"))
        assert ctx.image(str(stored[-1]["image_id"])).size == (2, 4), "seen before its pack is written"
        return Keep({"sample_id": str(row["seed_id"])})

    lake = Lake(tmp_path / "lake")
    stage = Stage("store", 1, "map", P, "seed_id", "checks", run, source=numbers)
    made = run_stage(lake, call(stage, count=2))
    (row,) = lake.read(made.key, "images").to_pylist()
    assert row == stored[0]
    assert (row["width"], row["height"], row["format"], row["path"]) == (2, 4, "JPEG", "a.jpg")
    fresh = Lake(tmp_path / "lake")
    assert fresh.image_bytes(row["image_id"]) == original
    assert fresh.image(row["image_id"]).size == (2, 4)


def test_what_a_failing_row_stored_is_not_kept(tmp_path: Path) -> None:
    def run(row: dict[str, object], p: P, ctx: Context) -> Keep:
        ctx.store(Image.new("RGB", (2, 2), (int(str(row["number"])), 0, 0)), origin="drawn", license="CC0-1.0")
        if row["number"] == 1:
            raise ValueError
        return Keep({"sample_id": str(row["seed_id"])})

    lake = Lake(tmp_path / "lake")
    stage = Stage("half", 1, "map", P, "seed_id", "checks", run, source=numbers)
    made = run_stage(lake, call(stage, count=3))
    assert (made.rows("images"), made.rows("packs")) == (2, 2)


def test_a_folder_that_a_stage_makes_is_committed_with_it_and_scratch_survives_a_kill(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def train(tables: object, p: P, ctx: Context) -> list[tuple[str, Keep]]:
        checkpoint = ctx.paths.scratch / "step-1"
        (ctx.paths.artifact / "weights").write_text("half" if not checkpoint.exists() else "whole")
        if not checkpoint.exists():
            checkpoint.touch()
            raise Killed
        (ctx.paths.artifact / "tokenizer").mkdir()
        (ctx.paths.artifact / "tokenizer" / "vocabulary").write_text("a b")
        return [("seed-0000", Keep({"policy": ctx.key, "path": ctx.paths.final}))]

    lake = Lake(tmp_path / "lake")
    stage = Stage("train", 1, "whole", P, "seed_id", "policies", train, source=numbers)
    with pytest.raises(Killed):
        run_stage(lake, call(stage, count=1))
    made = run_stage(lake, call(stage, count=1))
    (row,) = lake.read(made.key, "policies").to_pylist()
    assert row["policy"] == made.key
    assert lake.root / row["path"] == lake.artifact(made.key)
    assert (lake.artifact(made.key) / "weights").read_text() == "whole"
    names = [part.name for part in made.files("artifacts")]
    assert names == [f"{row['path']}/tokenizer/vocabulary", f"{row['path']}/weights"]
    (lake.artifact(made.key) / "weights").write_text("other")
    with pytest.raises(Damaged, match="weights has hash"):
        lake.verify(made.key)
