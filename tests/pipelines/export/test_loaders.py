"""Every format, read by its own loader, gives the pixels and the text that the lake has."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.export import FORMATS
from pipelines.export.items import FACTS
from pipelines.export.write import Choice, Exported, export
from pipelines.lake import Lake
from pipelines.lake.runs import Run
from pipelines.tools import picture_id
from schemas.ids import canonical_json
from tests.pipelines.export.lakes import Given, lake_of, seeded, traced
from tests.pipelines.export.loaders import LOADERS, Loaded


@pytest.fixture(scope="module")
def given_rows() -> list[Given]:
    return [*seeded(), traced()]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, given_rows: list[Given]) -> tuple[Lake, Run]:
    return lake_of(
        tmp_path_factory.mktemp("lake"), given_rows, ((0, "A picture, “of” nothing.\n"), (4, "Zwei Bilder 🐈"))
    )


@pytest.fixture(scope="module")
def loaded(
    tmp_path_factory: pytest.TempPathFactory, stored: tuple[Lake, Run]
) -> dict[str, tuple[Path, Exported, list[Loaded]]]:
    found = {}
    for name in FORMATS:
        out = tmp_path_factory.mktemp(name) / "out"
        told = export(*stored, Choice(name, split="all"), out)
        found[name] = (out, told, list(LOADERS[name](out, out.parent / "cache")))
    return found


def facts_of(name: str, row: dict[str, Any]) -> dict[str, Any]:
    return {**row, **row["extra_info"]} if name == "verl" else row


def plain(value: str) -> str:
    found = json.loads(value)
    return found if isinstance(found, str) else canonical_json(found)


@pytest.mark.parametrize("name", FORMATS)
def test_pixels_and_facts(name: str, loaded: dict[str, Any], given_rows: list[Given]) -> None:
    _, told, rows = loaded[name]
    samples = {each.sample["sample_id"]: each.sample for each in given_rows}
    assert told.chosen == len(given_rows) == sum(told.exported.values())
    assert not told.refused
    assert len(rows) == len(samples)
    for images, record in rows:
        row = facts_of(name, record)
        sample = samples.pop(row["sample_id"])
        shown = [picture_id(image) for image in images]
        assert shown[: len(sample["image_ids"])] == sample["image_ids"]
        assert row["question"] == sample["question"]
        assert (row["license"], row["source"]) == ("CC0-1.0", "somewhere")
        assert row["answer_type"] == sample["answer_type"]
        if name == "vlmevalkit":
            continue  # its own columns: below
        assert list(row["options"]) == sample["options"]
        assert row["answer"] == (sample["answer"] if name == "trl-grpo" else plain(sample["answer"]))
        assert {key: row[key] for key in FACTS if key in ("task", "domain")} == {
            "task": "ingested",
            "domain": "natural",
        }
    assert not samples


@pytest.mark.parametrize("name", FORMATS)
def test_rows_come_in_curated_order(name: str, loaded: dict[str, Any], given_rows: list[Given]) -> None:
    rows = [facts_of(name, row) for _, row in loaded[name][2]]
    wanted = [each.sample["sample_id"] for each in given_rows if each.split == "rl"]
    assert [row["sample_id"] for row in rows if row["split"] == "rl"] == wanted


CALL = """The mark is small.
<tool_call>
{"name": "crop", "arguments": {"bbox_2d": [0, 0, 500, 500], "target_image": 1}}
</tool_call>"""
LAST = "Now it can be seen.\n<answer>red</answer>"


@pytest.mark.parametrize("name", ["llama-factory", "llava", "ms-swift"])
def test_traces_show_their_tool_pictures(name: str, loaded: dict[str, Any], stored: tuple[Lake, Run]) -> None:
    _, _, rows = loaded[name]
    images, row = next((images, row) for images, row in rows if row["split"] == "sft")
    keys, turns = (
        (("from", "value"), row["conversations"]) if name == "llava" else (("role", "content"), row["messages"])
    )
    mark = "<image>\n" if name == "llava" else "<image>"
    expected = [f"{mark}Which colour is the mark?", CALL, mark, LAST]
    assert [turn[keys[1]] for turn in turns] == expected
    speakers = ["human", "gpt", "human", "gpt"] if name == "llava" else ["user", "assistant", "tool", "assistant"]
    assert [turn[keys[0]] for turn in turns] == speakers
    crop = stored[0].image(picture_id(images[0])).crop((0, 0, 28, 28))
    assert picture_id(images[1]) == picture_id(crop)


@pytest.mark.parametrize("name", ["llama-factory", "llava", "ms-swift", "verl", "easyr1"])
def test_marks_equal_pictures(name: str, loaded: dict[str, Any]) -> None:
    for images, row in loaded[name][2]:
        texts = {
            "llava": lambda row: [turn["value"] for turn in row["conversations"]],
            "verl": lambda row: [turn["content"] for turn in row["prompt"]],
            "easyr1": lambda row: [row["problem"]],
        }.get(name, lambda row: [turn["content"] for turn in row["messages"]])(row)
        assert sum(text.count("<image>") for text in texts) == len(images)


def test_llama_factory_describes_its_files(loaded: dict[str, Any]) -> None:
    out, _, _ = loaded["llama-factory"]
    described = json.loads((out / "dataset_info.json").read_text())
    assert set(described) == {"evolens_sft", "evolens_rl"}
    assert all((out / each["file_name"]).is_file() for each in described.values())


def test_verl_columns(loaded: dict[str, Any], given_rows: list[Given]) -> None:
    rows = [row for _, row in loaded["verl"][2]]
    assert set(rows[0]) == {"data_source", "prompt", "ability", "reward_model", "extra_info"}
    assert sorted(row["extra_info"]["index"] for row in rows if row["extra_info"]["split"] == "rl") == list(range(11))
    for row in rows:
        assert row["reward_model"] == {"style": "rule", "ground_truth": row["extra_info"]["answer"]}


def test_vlmevalkit_letters(loaded: dict[str, Any], given_rows: list[Given]) -> None:
    rows = {row["sample_id"]: row for _, row in loaded["vlmevalkit"][2]}
    chosen = next(each.sample for each in given_rows if each.sample["options"])
    row = rows[chosen["sample_id"]]
    assert [row["A"], row["B"], row["C"]] == chosen["options"]
    assert row["answer"] == "B"


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.captions])
def test_captions(name: str, stored: tuple[Lake, Run], tmp_path: Path, given_rows: list[Given]) -> None:
    export(*stored, Choice(name, "captions"), tmp_path / "out")
    found = {
        (picture_id(images[0]), row["caption"]) for images, row in LOADERS[name](tmp_path / "out", tmp_path / "cache")
    }
    first, fifth = (given_rows[number].sample["image_ids"][0] for number in (0, 4))
    assert found == {(first, "A picture, “of” nothing.\n"), (fifth, "Zwei Bilder 🐈")}


def test_bytes_are_the_original_ones_unless_a_loader_would_misread_them(
    loaded: dict[str, Any], given_rows: list[Given]
) -> None:
    out, told, _ = loaded["jsonl"]
    files = {file.stem: file.read_bytes() for file in (out / "images").rglob("*.*")}
    redrawn = 0
    for each in given_rows:
        for image_id, data in zip(each.sample["image_ids"], each.files, strict=True):
            turned = Image.open(io.BytesIO(data)).getexif().get(0x0112, 1) != 1
            redrawn += turned
            assert files[image_id].startswith(b"\x89PNG") if turned else files[image_id] == data
    assert told.redrawn == redrawn > 0
