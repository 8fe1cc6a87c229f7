"""Every format: read, exported again, read by its own loader and read again. Pixels, text and ids stay as they were."""

from __future__ import annotations

import io
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from pipelines.export.write import Choice, export
from pipelines.lake import Lake
from pipelines.tools import picture_id
from tests.pipelines.export.foreign import PLAIN, WRITERS, Row
from tests.pipelines.export.lakes import TEXTS, Given, file_bytes, given, lake_of, run_of, seeded, traced
from tests.pipelines.export.loaders import LOADERS
from tests.pipelines.jobs import picture, rows
from tests.pipelines.sources.made import ingested, told


def odd(kind: str) -> tuple[str, bytes]:
    """Pictures that loaders read in their own ways."""
    image, buffer = picture(40, 48), io.BytesIO()
    if kind == "alpha":
        image.putalpha(image.convert("L"))
        image.save(buffer, "PNG")
    elif kind == "cmyk":
        image.convert("CMYK").save(buffer, "JPEG")
    elif kind == "deep":
        image.convert("L").convert("I").point(lambda value: value * 257).convert("I;16").save(buffer, "PNG")
    else:
        image.save(buffer, "GIF")
    return "jpg" if kind == "cmyk" else "gif" if kind == "gif" else "png", buffer.getvalue()


def files(seed: int, count: int = 1) -> tuple[tuple[str, bytes], ...]:
    kinds = (("jpg", "JPEG"), ("png", "PNG"), ("jpg", "turned"), ("png", "palette"))
    picked = [kinds[(seed + place) % 4] for place in range(count)]
    return tuple((suffix, file_bytes(100 + 10 * seed + place, kind)) for place, (suffix, kind) in enumerate(picked))


def given_rows(name: str) -> list[Row]:
    """Rows of one to three pictures, of every kind of text; what the format cannot say is left out."""
    found = [Row(files(number, 1 + number % 3), text, f"as “{number}”, or not") for number, text in enumerate(TEXTS)]
    found += [
        Row(files(6), "How many?", "3"),
        Row(files(7), "How long?", "0.25"),
        Row(files(8), "Is it so?", "no"),
        Row((odd("alpha"),), "Through what?", "glass"),
        Row((odd("cmyk"),), "In which ink?", "four inks"),
        Row((odd("deep"),), "How deep?", "16 bits"),
    ]
    if name in (*PLAIN, "vlmevalkit"):
        found.append(Row(files(9), "Which?", "b, or c", ("a", "b, or c", '"d"\n')))
    return found


def read(root: Path, source: Path) -> tuple[Lake, Any, list[dict[str, Any]]]:
    """The source in a lake of its own, the run that read it, and its samples."""
    lake = Lake(root)
    done = ingested(lake, source, license="CC0-1.0")
    assert told(lake, done) == {}
    return lake, run_of(lake, done.key), rows(lake, done, "samples")


@pytest.mark.parametrize("name", WRITERS)
def test_there_and_back(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    given = given_rows(name)
    WRITERS[name](source, given)
    lake, run, samples = read(tmp_path / "lake", source)
    assert len(samples) == len(given)

    out = tmp_path / "out"
    exported = export(lake, run, Choice(name, "samples"), out)
    assert (exported.chosen, exported.exported, exported.refused) == (len(given), {"train": len(given)}, {})

    by_id = {sample["sample_id"]: sample for sample in samples}
    for images, record in LOADERS[name](out, tmp_path / "cache"):
        row = {**record, **record.get("extra_info", {})}
        sample = by_id.pop(row["sample_id"])
        assert [picture_id(image) for image in images] == sample["image_ids"]
        assert row["question"] == sample["question"]
        if name != "vlmevalkit":
            assert row["answer"] == str(json.loads(sample["answer"]))
            assert list(row["options"]) == sample["options"]
    assert not by_id

    _, _, again = read(tmp_path / "lake-again", out)
    assert {row["sample_id"] for row in again} == {row["sample_id"] for row in samples}
    assert [row["image_ids"] for row in sorted(again, key=lambda row: row["sample_id"])] == [
        row["image_ids"] for row in sorted(samples, key=lambda row: row["sample_id"])
    ]
    assert {row["license"] for row in again} == {"CC0-1.0"}


@pytest.mark.parametrize("name", PLAIN)
def test_captions_come_back(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    given_captions = [Row(files(20 + number), "", "", caption=f"{number}: {text}") for number, text in enumerate(TEXTS)]
    WRITERS[name](source, given_captions)
    lake = Lake(tmp_path / "lake")
    done = ingested(lake, source, license="CC0-1.0")
    captions = {row["caption_id"]: row["text"] for row in rows(lake, done, "captions")}
    assert len(captions) == len(TEXTS)
    export(lake, run_of(lake, done.key), Choice(name, "captions"), tmp_path / "out")
    again = Lake(tmp_path / "again")
    read_again = ingested(again, tmp_path / "out")
    assert told(again, read_again) == {}
    assert {row["caption_id"]: row["text"] for row in rows(again, read_again, "captions")} == captions


def own_rows() -> list[Given]:
    """What only our own columns can say: typed answers, options in conversations, a trace with a tool's picture."""
    rows = [*seeded(5), traced()]
    rows += [
        given((file_bytes(200),), "What stands there?", "3", answer_type="text", split="rl"),
        given((file_bytes(201),), "Where is it?", [10.5, 20], answer_type="point", split="rl"),
        given((file_bytes(202),), "Which are there?", ["a, b", '"c"'], answer_type="list", split="rl"),
        given((file_bytes(203),), "Which one?", "no", answer_type="choice", options=("yes", "no"), split="rl"),
    ]
    return rows


@pytest.mark.parametrize("name", [*WRITERS, "trl-sft", "trl-grpo"])
def test_what_the_lake_says_comes_back(name: str, tmp_path: Path) -> None:
    wanted = own_rows()
    lake, run = lake_of(tmp_path / "lake", wanted)
    out = tmp_path / "out"
    export(lake, run, Choice(name, split="all"), out)
    _, _, again = read(tmp_path / "again", out)
    kept = {row["sample_id"]: row for row in again}
    for each in wanted:
        found = kept[each.sample["sample_id"]]
        columns = ("image_ids", "options", "answer", "answer_type", "license")
        assert {name: found[name] for name in columns} == {name: each.sample[name] for name in columns}
        assert found["question"] == unicodedata.normalize("NFC", each.sample["question"])  # as ingest writes it
    assert len(again) == len(wanted)
