"""Ingest on real files: pictures with every kind of trouble, and what each record becomes."""

import base64
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from PIL import Image

from pipelines.ingest import STAGE, Parameters, Source, answer_type
from pipelines.lake import Lake
from pipelines.sources import SourceError, fingerprint, open_source
from pipelines.tools import picture_id
from tests.pipelines.jobs import picture, reasons, rows, run


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def folder(root: Path, records: list, files: dict[str, bytes]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    (root / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return root


def ingested(lake: Lake, path: Path, **fields):
    source = Source(name="mine", path=path, fingerprint=fingerprint(path), **fields)
    return run(lake, STAGE, Parameters(sources=(source,)))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_three_records(lake, tmp_path):
    asked = {
        "file_name": "a.png",
        "license": "CC0-1.0",
        "source": "a camera",
        "caption": "A cat.",
        "questions": [{"question": "How many cats?", "answer": "1"}, {"question": "Asleep?", "answer": True}],
    }
    seen = {"file_name": "b.png", "text": "A dog.", "captions": ["A brown dog."]}
    silent = {"file_name": "a.png", "title": "nothing asked"}
    cat, dog = picture(1), picture(2)
    path = folder(tmp_path / "in", [asked, seen, silent], {"a.png": encoded(cat), "b.png": encoded(dog)})
    done = ingested(lake, path, license="CC-BY-4.0")
    assert done.counts.as_dict() == {
        "read": 3, "kept": 0, "expanded": 2, "rejected": 1, "failed": 0,
        "children": 2, "children_kept": 2, "children_rejected": 0, "children_failed": 0,
    }  # fmt: skip
    assert reasons(lake, done) == {"mine:metadata.jsonl:000000003": "nothing_asked"}
    samples = rows(lake, done, "samples")
    assert [(row["question"], row["answer"], row["answer_type"]) for row in samples] == [
        ("How many cats?", "1", "integer"),
        ("Asleep?", '"yes"', "yes_no"),
    ]
    assert {row["license"] for row in samples} == {"CC0-1.0"}
    assert [row["image_ids"] for row in samples] == [[picture_id(cat)]] * 2
    captions = rows(lake, done, "captions")
    assert [(row["text"], row["license"], row["clauses"], row["source"]) for row in captions] == [
        ("A cat.", "CC0-1.0", [], "human"),
        ("A dog.", "CC-BY-4.0", [], "human"),
        ("A brown dog.", "CC-BY-4.0", [], "human"),
    ]
    assert {row["image_id"]: (row["origin"], row["path"]) for row in rows(lake, done, "images")} == {
        picture_id(cat): ("a camera", "a.png"),
        picture_id(dog): ("mine", "b.png"),
    }
    assert lake.image_bytes(picture_id(dog)) == (path / "b.png").read_bytes()


BAD = {
    "missing_file": ({"file_name": "gone.png", "caption": "x"}, "'gone.png' does not exist"),
    "path_escapes": ({"file_name": "../secret.png", "caption": "x"}, "outside the source's folder"),
    "undecodable": ({"file_name": "broken.png", "caption": "x"}, "'broken.png' is no picture"),
    "bad_record": ("{not json", "metadata.jsonl, row 1: "),
    "bad_field": ({"file_name": "ok.png", "question": "How many?"}, "field 'answer' is absent"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_records_fail_alone_and_name_file_row_and_field(lake, tmp_path, kind):
    record, words = BAD[kind]
    (tmp_path / "secret.png").write_bytes(encoded(picture(3)))
    good = {"file_name": "ok.png", "question": "What?", "answer": "a thing"}
    path = folder(tmp_path / "in", [record, good], {"ok.png": encoded(picture(1)), "broken.png": b"\x89PNG no"})
    done = ingested(lake, path)
    assert (done.counts.failed, done.counts.expanded, done.counts.children_kept) == (1, 1, 1)
    (failure,) = rows(lake, done, "failures")
    assert failure["kind"] == kind and words in failure["message"] and "row 1" in failure["message"]
    assert str(tmp_path) not in failure["message"]


UNWRITABLE = {
    '{"file_name": "ok.png", "caption": "\\ud800"}': "field 'caption': '\\ud800' is half a character",
    '{"file_name": "\\udfff.png"}': "field 'file_name': '\\udfff' is half a character",
    '{"file_name": "ok.png", "\\ud800": 1}': "field '\\ud800': ",
    '{"file_name": "ok.png", "score": NaN}': "field 'score': ",
    "[" * 200_000: "nested too deep",
}


def test_a_line_that_no_table_can_hold_costs_only_itself(lake, tmp_path):
    good = {"file_name": "ok.png", "caption": "fine"}
    path = folder(tmp_path / "in", [*UNWRITABLE, good], {"ok.png": encoded(picture(1))})
    done = ingested(lake, path)
    assert (done.counts.read, done.counts.failed) == (6, 5)
    assert [row["text"] for row in rows(lake, done, "captions")] == ["fine"]
    messages = {row["row_id"]: row["message"] for row in rows(lake, done, "failures")}
    for number, words in enumerate(UNWRITABLE.values(), start=1):
        message = messages[f"mine:metadata.jsonl:{number:09d}"]
        assert message.startswith(f"metadata.jsonl, row {number}: ") and words in message


def test_a_parquet_cell_that_is_no_text_costs_only_its_row(lake, tmp_path):
    captions = pa.array([b"fine", b"\xff"]).view(pa.string())
    (tmp_path / "in").mkdir()
    table = pa.table({"picture": [encoded(picture(1)), encoded(picture(2))], "caption": captions})
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    done = ingested(lake, tmp_path / "in")
    assert [row["text"] for row in rows(lake, done, "captions")] == ["fine"]
    (failure,) = rows(lake, done, "failures")
    assert failure["message"].startswith("a.parquet, row 2: field 'caption': ")


def test_a_link_out_of_the_folder_is_refused(lake, tmp_path):
    (tmp_path / "secret.png").write_bytes(encoded(picture(3)))
    path = folder(tmp_path / "in", [{"file_name": "link.png", "caption": "x"}], {})
    (path / "link.png").symlink_to(tmp_path / "secret.png")
    assert list(reasons(lake, ingested(lake, path)).values()) == ["path_escapes"]


def test_one_bad_question_costs_only_itself(lake, tmp_path):
    questions = [
        {"question": "How many?", "answer": "many", "answer_type": "integer"},
        {"question": "What?", "answer": "a cat"},
        {"question": "What?", "answer": "a cat"},
        {"question": "Which?", "answer": "x", "answer_type": "guess"},
    ]
    path = folder(tmp_path / "in", [{"file_name": "a.png", "questions": questions}], {"a.png": encoded(picture(1))})
    done = ingested(lake, path)
    assert (done.counts.children, done.counts.children_kept) == (4, 1)
    assert (done.counts.children_failed, done.counts.children_rejected) == (2, 1)
    messages = [row["message"] for row in rows(lake, done, "failures")]
    assert "field 'answer': 'many' is not a whole number" in messages[0]
    assert "'answer_type'" in messages[1]


def test_pictures_are_turned_upright_and_made_rgb(lake, tmp_path):
    wide = picture(1).resize((40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    files = {"turned.png": encoded(wide, exif=exif), "grey.png": encoded(picture(2).convert("L"))}
    path = folder(tmp_path / "in", [{"file_name": name, "caption": name} for name in files], files)
    done = ingested(lake, path)
    turned, grey = rows(lake, done, "images")
    assert (turned["width"], turned["height"]) == (20, 40)
    assert turned["image_id"] == picture_id(wide.transpose(Image.Transpose.ROTATE_270))
    assert lake.image(grey["image_id"]).mode == "RGB"


def test_parquet_with_image_columns(lake, tmp_path):
    images = [picture(seed) for seed in range(3)]
    path = tmp_path / "in"
    path.mkdir()
    (path / "beside.png").write_bytes(encoded(images[2]))
    cells = [
        {"bytes": encoded(images[0]), "path": "inside.png"},
        {"bytes": encoded(images[1]), "path": None},
        {"bytes": None, "path": "beside.png"},
    ]
    table = pa.table({"image": cells, "problem": ["Q0?", "Q1?", "Q2?"], "solution": [0, 1, 2], "n": [None, 1.5, 2.0]})
    pq.write_table(table, path / "part.parquet", row_group_size=2)
    done = ingested(lake, path, columns={"question": "problem", "answer": "solution"})
    assert [(row["question"], row["answer"], row["image_ids"]) for row in rows(lake, done, "samples")] == [
        (f"Q{number}?", str(number), [picture_id(image)]) for number, image in enumerate(images)
    ]
    plain = pa.table({"picture": [encoded(image) for image in images], "caption": ["a", "b", "c"]})
    pq.write_table(plain, tmp_path / "plain.parquet")
    assert len(rows(lake, ingested(lake, tmp_path / "plain.parquet", limit=2), "captions")) == 2


def test_an_imagefolder_whose_metadata_is_parquet(lake, tmp_path):
    (tmp_path / "in" / "train").mkdir(parents=True)
    (tmp_path / "in" / "train" / "a.png").write_bytes(encoded(picture(1)))
    pq.write_table(
        pa.table({"file_name": ["a.png"], "text": ["A cat."]}), tmp_path / "in" / "train" / "metadata.parquet"
    )
    done = ingested(lake, tmp_path / "in")
    assert [row["path"] for row in rows(lake, done, "images")] == ["train/a.png"]
    assert [row["text"] for row in rows(lake, done, "captions")] == ["A cat."]


def test_an_image_column_of_texts_is_pictures_or_failures(lake, tmp_path):
    """A text is a path or base64; what was a picture before someone printed it is counted, never dropped."""
    image, path = picture(1), tmp_path / "in"
    path.mkdir()
    (path / "beside.png").write_bytes(encoded(image))
    texts = [
        "beside.png",
        "<PIL.PngImagePlugin.PngImageFile image mode=RGB size=64x64 at 0x7F2C>",
        str({"bytes": encoded(image), "path": None}),
        base64.b64encode(encoded(image)).decode(),
        None,
    ]
    table = pa.table({"image": texts, "question": ["What?"] * 5, "answer": ["a cat"] * 5})
    pq.write_table(table, path / "part.parquet")
    done = ingested(lake, path)
    assert (done.counts.read, done.counts.failed, done.counts.children_kept) == (5, 3, 2)
    assert [row["image_ids"] for row in rows(lake, done, "samples")] == [[picture_id(image)]] * 2
    assert [row["row_id"][-1] for row in rows(lake, done, "failures")] == ["2", "3", "5"]


def test_a_source_that_is_none_says_what_would_be_right(tmp_path):
    def opened(path: Path):
        return open_source(Source(name="x", path=path, fingerprint=""))

    with pytest.raises(SourceError, match="no such folder"):
        opened(tmp_path / "gone")
    with pytest.raises(SourceError, match="none of the formats that are read"):
        opened(tmp_path)
    pq.write_table(pa.table({"words": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="no image column among words"):
        opened(tmp_path)


def test_changed_bytes_change_the_fingerprint_and_so_the_key(tmp_path):
    path = folder(tmp_path / "in", [{"file_name": "a.png", "caption": "x"}], {"a.png": b"one"})
    before = fingerprint(path)
    (path / ".DS_Store").write_bytes(b"a file manager was here")
    assert fingerprint(path) == before
    (path / "a.png").write_bytes(b"two")
    assert fingerprint(path) != before


@drawn(st.integers(-(10**9), 10**9))
def test_whole_numbers_are_integers(value):
    assert answer_type(value, False) == answer_type(str(value), False) == "integer"
    assert answer_type(value, True) == "choice"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("Yes", "yes_no"), (False, "yes_no"), ("2.5", "number"), ([1], "list"), ("nan", "text"), ("a", "text")],
)
def test_types_of_untyped_answers(answer, kind):
    assert answer_type(answer, False) == kind
