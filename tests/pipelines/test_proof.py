"""Proof over a lake: what must be stored, what need not be, and one bad row that costs no other."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from pipelines.lake import Lake
from pipelines.lake.images import MissingPicture
from pipelines.proof import SQL, Proof, prove, prove_batch
from pipelines.tools.replay import with_observations
from pipelines.tools.turn import step
from schemas.outcome import Row
from schemas.rows import StepRow, TraceRow
from tests.pipelines.jobs import given, picture, sample

PHOTO = picture(1, 100)
STEPS = with_observations(
    [PHOTO],
    [step("action", tool="crop", arguments={"bbox_2d": [0, 0, 500, 500]}), step("answer", "red")],
)
CROPPED = PHOTO.crop((0, 0, 50, 50))


def trace(asked: Row, origin: str) -> Row:
    told = [StepRow.of(each) for each in STEPS]
    return TraceRow(sample_id=asked["sample_id"], origin=origin, steps=told, answer="red", producer={}).row()


def left(folder: Path, origin: str, *images: Image.Image) -> tuple[Lake, str, Row, Row]:
    """A lake with one kept trace, its key, the trace and its sample."""
    lake, asked = Lake(folder), sample(PHOTO)
    told = trace(asked, origin)
    key = given(lake, *images, samples=[asked], traces=[told], checks=[{"trace_id": told["trace_id"]}])
    return lake, key, told, asked


@pytest.mark.parametrize("origin", ["oracle", "policy"])
def test_stored_pictures_are_compared(tmp_path: Path, origin: str) -> None:
    lake, _, told, asked = left(tmp_path, origin, PHOTO, CROPPED)
    assert prove(lake, told, asked) == Proof(told["trace_id"], None, 1)


def test_what_a_policys_tools_made_need_not_be_stored_but_an_oracles_must(tmp_path: Path) -> None:
    lake, _, told, asked = left(tmp_path / "policy", "policy", PHOTO)
    assert prove(lake, told, asked) == Proof(told["trace_id"], None, 0)
    lake, _, told, asked = left(tmp_path / "oracle", "oracle", PHOTO)
    with pytest.raises(MissingPicture):
        prove(lake, told, asked)


def test_one_bad_row_costs_no_other(tmp_path: Path) -> None:
    lake, key, told, _ = left(tmp_path, "policy", PHOTO)
    with lake.connect([key], only=["checks", "traces", "samples"]) as connection:
        (row,) = connection.sql(SQL).to_arrow_table().to_pylist()
    lost = {"trace": {**row["trace"], "trace_id": "lost"}, "sample": {**row["sample"], "image_ids": ["0" * 32]}}
    wrong = {**row, "trace": {**row["trace"], "trace_id": "wrong"}}
    (batch,) = pa.Table.from_pylist([lost, wrong, row]).to_batches()
    first, second, third = prove_batch(tmp_path, batch)
    assert first.fault is not None and first.fault.startswith("MissingPicture")
    assert (second.fault, third) == ("altered_trace", Proof(told["trace_id"], None, 0))
