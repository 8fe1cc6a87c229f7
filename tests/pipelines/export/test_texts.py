"""The law of texts: what a format writes, its loader reads back character for character, or the row is refused by name.

Rows are made without a lake, so that many texts can be tried; Parquet is read by pyarrow here, by `load_dataset` in
test_loaders.py.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import example
from hypothesis import given as drawn
from hypothesis import strategies as st

from pipelines.export import FORMATS
from pipelines.export.items import Item, Unfit
from pipelines.export.pictures import Shot
from pipelines.export.sinks import put
from pipelines.export.vlmevalkit import MISSING
from pipelines.tools import picture_id
from schemas.ids import canonical, canonical_json
from tests.pipelines.export.lakes import file_bytes
from tests.pipelines.export.loaders import LOADERS, tsv
from tests.pipelines.jobs import picture

PICTURES = [Shot(picture_id(picture(seed, 56)), file_bytes(seed, "PNG")) for seed in range(3)]

SPICE = st.sampled_from(
    [
        '"',
        "'",
        "\n",
        "\r",
        "\r\n",
        "\t",
        ",",
        ";",
        "|",
        "\\",
        "\\n",
        "<image>",
        "<video>",
        "<img>",
        "[image 1]",
        "{}",
        "[]",
    ]
    + [
        "👩‍🚀",
        "猫",
        "é",
        "e\u0301",
        "\u2028",
        "\u200b",
        "\ufeff",
        "\x00",
        "\x0b",
        "NA",
        "null",
        "None",
        "nan",
        "1.0",
        "=1+1",
        "#",
    ]
)
PLAIN = st.characters(codec="utf-8", exclude_categories=["Cs"])
TEXT = st.lists(st.one_of(SPICE, st.text(PLAIN, max_size=6)), min_size=1, max_size=6).map("".join)


@st.composite
def items(draw: st.DrawFn) -> Item:
    shots = tuple(draw(st.lists(st.sampled_from(PICTURES), min_size=1, max_size=3, unique=True)))
    options = draw(st.one_of(st.just([]), st.lists(TEXT, min_size=2, max_size=4, unique=True)))
    answer = draw(st.sampled_from(options)) if options else draw(TEXT)
    return item(draw(TEXT), answer, options, shots)


def item(question: str, answer: str, options: list[str], shots: tuple[Shot, ...]) -> Item:
    row = {
        "sample_id": "00" * 16,
        "image_ids": [shot.image_id for shot in shots],
        "question": question,
        "options": options,
        "answer": canonical_json(answer),
        "answer_type": "choice" if options else "text",
        "task": "ingested",
        "domain": "natural",
        "source": "somewhere",
        "license": "CC0-1.0",
        "verifier": None,
        "tools_help": False,
        "steps": None,
        "proof": None,
        "paid": {"id": "r", "by": "b", "text": answer},
        "unpaid": {"id": "w", "by": "b", "text": question},
    }
    return Item("rl", 0, row, shots, {})


def parquet_rows(out: Path) -> list[dict[str, Any]]:
    return [row for file in sorted(out.rglob("*.parquet")) for row in pq.read_table(file).to_pylist()]


def said(name: str, out: Path) -> tuple[list[str], dict[str, Any]]:
    """Ids of the pictures and the record that one row was read back as."""
    if name in ("imagefolder", "trl-sft", "trl-grpo", "verl", "easyr1", "datasets"):
        (row,) = parquet_rows(out)
        cells = row.get("images") or [{"path": path} for path in row["file_names"]]
        ids = [Path(cell["path"]).stem for cell in cells]
    else:
        # A table of one row may hold nothing but "1.0", and pandas would make numbers of it.
        found = tsv(out, out, dtype=str) if name == "vlmevalkit" else LOADERS[name](out, out)
        ((images, row),) = found
        ids = [picture_id(image) for image in images]
    return ids, {**row, **row.get("extra_info", {})}


@pytest.mark.parametrize("name", FORMATS)
@drawn(items())
@example(item("a\rb", '"', [], tuple(PICTURES[:1])))
@example(item("Compare <image> with <image>!", "x", [], tuple(PICTURES[:2])))
@example(item("<image>", "<image>", [], tuple(PICTURES[:2])))
@example(item("Which?", "NA", ["NA", "null"], tuple(PICTURES[:1])))
def test_texts_come_back_or_are_refused_by_name(name: str, each: Item) -> None:
    form = FORMATS[name]
    question, answer = each.row["question"], json.loads(each.row["answer"])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        try:
            record = form.record(each, "plain")
        except Unfit as refusal:
            marks = [text for text in (question, answer, *each.options) if "<image>" in text or "<video>" in text]
            missing = {question, answer, *each.options} & MISSING
            assert (refusal.reason == "mark_in_text" and marks) or (refusal.reason == "reads_as_missing" and missing)
            return
        if form.files:
            put(out / "rl" if form.files == "split" else out, each.own)
        sink = form.sink(out)
        sink.write("rl", record)
        sink.close()
        shown, row = said(name, out)
    assert shown == each.row["image_ids"]
    assert texts(name, row) == texts_of(each, name)


def texts_of(each: Item, name: str) -> dict[str, Any]:
    """What a row of this format must say; answers are canonical (NFC), whatever the question is."""
    answer = json.loads(each.row["answer"])
    told = {"question": each.row["question"], "options": each.options, "answer": answer}
    return {**told, "answer": canonical_json(answer), "solution": answer} if name == "trl-grpo" else told


def texts(name: str, row: dict[str, Any]) -> dict[str, Any]:
    if name == "vlmevalkit":
        options = [row[letter] for letter in "ABCDEFGH" if isinstance(row[letter], str)]
        answer = canonical(options["ABCDEFGH".index(row["answer"])]) if options else row["answer"]
        return {"question": row["question"], "options": options, "answer": answer}
    names = ("question", "options", "answer", *(("solution",) if name == "trl-grpo" else ()))
    return {key: row[key] for key in names}
