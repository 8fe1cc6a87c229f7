"""verl and EasyR1: the columns that their documentation states, read as their data sets read them.

Neither is installed here, so what they do to turn a row into a prompt stands here, after their documentation: split the
text at `<image>`, put a picture at each split, ask the processor. The tokens must be ours.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipelines.export.write import Choice, export
from pipelines.prompts import conversation
from pipelines.workers.encoding import Encoder
from tests.pipelines.export.lakes import lake_of, seeded

WEIGHTS = Path(__file__).resolve().parents[3] / "trainers" / "seedling" / "weights"
PICTURES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


def split(text: str) -> list[dict[str, str]]:
    """What verl's RLHFDataset and EasyR1's dataset make of a text."""
    pieces = [piece for piece in re.split("(<image>)", text) if piece]
    return [{"type": "image"} if piece == "<image>" else {"type": "text", "text": piece} for piece in pieces]


def verl(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": turn["role"], "content": split(turn["content"])} for turn in row["prompt"]]


def easyr1(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": split(row["problem"])}]


@pytest.mark.parametrize("read", [verl, easyr1])
def test_its_reading_of_a_row_is_our_prompt(read: Any, tmp_path: Path) -> None:
    from transformers import AutoProcessor

    rows = seeded()
    lake, run = lake_of(tmp_path / "lake", rows)
    export(lake, run, Choice(read.__name__), tmp_path / "out")
    (file,) = (tmp_path / "out" / "data").glob("rl-*.parquet")
    table = pq.read_table(file)
    assert table.schema.field("images").type == PICTURES
    processor = AutoProcessor.from_pretrained(WEIGHTS)
    ours = Encoder(processor, lake.image)
    by_id = {each.sample["sample_id"]: each.sample for each in rows}
    for row in table.to_pylist():
        sample = by_id[row.get("sample_id") or row["extra_info"]["sample_id"]]
        text = processor.apply_chat_template(read(row), add_generation_prompt=True, tokenize=False)
        shown = [Image.open(io.BytesIO(each["bytes"])).convert("RGB") for each in row["images"]]
        ids = processor(text=[text], images=shown, add_special_tokens=False)["input_ids"][0]
        assert list(ids) == list(ours.encode(conversation(sample), opened=True).ids)


def test_types_are_those_that_are_documented(tmp_path: Path) -> None:
    stored = lake_of(tmp_path / "lake", seeded())
    schemas = {}
    for name in ("verl", "easyr1"):
        export(*stored, Choice(name), tmp_path / name)
        schemas[name] = pq.read_schema(next((tmp_path / name / "data").glob("*.parquet")))
    text = pa.string()
    verl, easyr1 = schemas["verl"], schemas["easyr1"]
    assert verl.field("prompt").type == pa.list_(pa.struct([("role", text), ("content", text)]))
    assert verl.field("reward_model").type == pa.struct([("style", text), ("ground_truth", text)])
    assert {"index", "split", "question", "answer", "sample_id"} <= {
        each.name for each in verl.field("extra_info").type
    }
    assert [verl.field(name).type for name in ("data_source", "ability")] == [text, text]
    assert [easyr1.field(name).type for name in ("problem", "answer")] == [text, text]
