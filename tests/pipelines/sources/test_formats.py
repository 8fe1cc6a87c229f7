"""Every format, read from real files: the pixels and texts that went in come out again."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.lake import Lake
from pipelines.sources import SourceError, open_source
from tests.pipelines.jobs import rows
from tests.pipelines.sources.made import (
    BASE64,
    FILES,
    IDS,
    PICTURES,
    asked,
    ingested,
    jsonl,
    pictures,
    png,
    put,
    source,
    tar,
    told,
)

ROWS = [{"image": f"{number}.png", "question": f'Q{number}, "what"\nthen?', "answer": number} for number in range(4)]
WANTED = [(row["question"], row["answer"], [IDS[number]]) for number, row in enumerate(ROWS)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def table(sign: str, records: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]), delimiter=sign)
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def as_parquet(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=3)
    return path


def structs() -> list[dict[str, Any]]:
    return [{"bytes": data, "path": None} for data in FILES]


def write(kind: str, folder: Path) -> Path:
    """The four rows in a format."""
    questions, answers = [row["question"] for row in ROWS], [row["answer"] for row in ROWS]
    data = datasets.Dataset.from_dict(
        {"image": structs(), "question": questions, "answer": answers},
        features=datasets.Features(
            image=datasets.Image(), question=datasets.Value("string"), answer=datasets.Value("int64")
        ),
    )
    named = [{"file_name": row["image"], "question": row["question"], "answer": row["answer"]} for row in ROWS]
    if kind == "imagefolder jsonl":
        put(pictures(folder), metadata__jsonl=jsonl(named))
    elif kind == "imagefolder csv":
        put(pictures(folder), metadata__csv=table(",", named))
    elif kind == "imagefolder parquet":
        as_parquet(pictures(folder) / "metadata.parquet", file_name=[row["file_name"] for row in named],
                   question=questions, answer=answers)  # fmt: skip
    elif kind == "parquet struct":
        as_parquet(folder / "a.parquet", image=structs(), question=questions, answer=answers)
    elif kind == "parquet bytes":
        as_parquet(folder / "a.parquet", scan=FILES, question=questions, answer=answers)
    elif kind == "parquet base64":
        as_parquet(folder / "a.parquet", image=BASE64, question=questions, answer=answers)
    elif kind == "parquet paths":
        as_parquet(pictures(folder) / "a.parquet", image=[row["image"] for row in ROWS],
                   question=questions, answer=answers)  # fmt: skip
    elif kind == "jsonl":
        put(pictures(folder), rows__jsonl=jsonl(ROWS))
    elif kind == "jsonl base64":
        put(folder, rows__jsonl=jsonl([row | {"image": text} for row, text in zip(ROWS, BASE64, strict=True)]))
    elif kind == "json":
        put(pictures(folder), rows__json=json.dumps(ROWS))
    elif kind == "json of lines":
        put(pictures(folder), rows__json=jsonl(ROWS))
    elif kind == "csv":
        put(pictures(folder), rows__csv=table(",", ROWS))
    elif kind == "csv with semicolons and a mark":
        put(pictures(folder), rows__csv="\ufeff" + table(";", ROWS))
    elif kind == "tsv base64":
        put(folder, rows__tsv=table("\t", [row | {"image": text} for row, text in zip(ROWS, BASE64, strict=True)]))
    elif kind == "webdataset":
        said = [json.dumps({"question": row["question"], "answer": row["answer"]}).encode() for row in ROWS]
        members = [(f"{n}.{end}", (FILES if end == "png" else said)[n]) for n in range(4) for end in ("png", "json")]
        tar(folder / "shard-000.tar", members)
    elif kind == "save_to_disk":
        data.save_to_disk(str(folder))
    elif kind == "save_to_disk of splits":
        datasets.DatasetDict({"train": data}).save_to_disk(str(folder))
    elif kind == "to_parquet":
        folder.mkdir()
        data.to_parquet(folder / "train.parquet")
    return folder


KINDS = [
    "imagefolder jsonl", "imagefolder csv", "imagefolder parquet", "parquet struct", "parquet bytes", "parquet base64",
    "parquet paths", "jsonl", "jsonl base64", "json", "json of lines", "csv", "csv with semicolons and a mark",
    "tsv base64", "webdataset", "save_to_disk", "save_to_disk of splits", "to_parquet",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_went_in_comes_out(lake: Lake, tmp_path: Path, kind: str) -> None:
    done = ingested(lake, write(kind, tmp_path / "in"))
    assert not told(lake, done)
    assert asked(lake, done) == WANTED
    held = {row["image_id"]: lake.image_bytes(row["image_id"]) for row in rows(lake, done, "images")}
    assert held == dict(zip(IDS, FILES, strict=True))


def test_load_dataset_opens_what_no_reader_of_ours_does(lake: Lake, tmp_path: Path) -> None:
    path = pictures(tmp_path / "in")
    put(path, metadata__jsonl=jsonl([{"file_name": f"{n}.png", "caption": f"picture {n}"} for n in range(4)]))
    done = ingested(lake, path, format="datasets")
    assert sorted(row["text"] for row in rows(lake, done, "captions")) == [f"picture {number}" for number in range(4)]
    assert {row["image_id"] for row in rows(lake, done, "images")} == set(IDS)


def test_pictures_in_archives_of_a_dataset_are_read_and_no_other_file(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    put(tmp_path, secret__png=FILES[3])
    with zipfile.ZipFile(tmp_path / "in" / "data.zip", "w") as archive:
        archive.writestr("metadata.jsonl", jsonl([{"file_name": "0.png", "caption": "one"}]))
        archive.writestr("0.png", FILES[0])
    done = ingested(lake, tmp_path / "in", format="datasets")
    assert [(row["image_id"], row["path"]) for row in rows(lake, done, "images")] == [(IDS[0], "0.png")]
    away = [str(tmp_path / "secret.png"), f"zip://0.png::{tmp_path / 'other.zip'}", "file:///etc/hostname"]
    shutil.copy(tmp_path / "in" / "data.zip", tmp_path / "other.zip")
    cells = [{"bytes": None, "path": path} for path in away]
    struct = {
        "bytes": datasets.Value("binary"),
        "path": datasets.Value("string"),
    }  # an Image would be read in when saved
    features = datasets.Features(image=struct, caption=datasets.Value("string"))
    made = datasets.Dataset.from_dict({"image": cells, "caption": ["a", "b", "c"]}, features=features)
    made.save_to_disk(str(tmp_path / "saved"))
    done = ingested(lake, tmp_path / "saved")
    assert done.counts.failed == 3
    assert {says.split(":")[0] for says in told(lake, done).values()} <= {"path_escapes", "missing_file"}


def test_a_dataset_on_the_hub_needs_a_revision_and_its_name_passes_through(tmp_path: Path, monkeypatch: Any) -> None:
    called: list[tuple[Any, ...]] = []

    def fetched(name: str, config: str | None, *, revision: str | None) -> Any:
        called.append((name, config, revision))
        return datasets.DatasetDict(train=datasets.load_from_disk(str(tmp_path / "in")))

    write("save_to_disk", tmp_path / "in")
    with pytest.raises(SourceError, match="state `revision`"):
        open_source(source_on_hub(None))
    monkeypatch.setattr(datasets, "load_dataset", fetched)  # the one call that would need a network
    assert open_source(source_on_hub("abc")).files == ("train",)
    assert called == [("someone/pictures", "small", "abc")]


def source_on_hub(revision: str | None) -> Any:
    from pipelines.sources import Source

    path = Path("someone/pictures")
    return Source(name="h", path=path, fingerprint="", format="datasets", config="small", revision=revision)


def test_a_folder_of_classes_gives_labels(lake: Lake, tmp_path: Path) -> None:
    path = put(tmp_path / "in", cats___a__png=FILES[0], dogs___b__png=FILES[1])
    done = ingested(lake, path, columns={"caption": "label"})
    assert [row["text"] for row in rows(lake, done, "captions")] == ["cats", "dogs"]


def test_several_pictures_of_a_webdataset_stand_in_their_order(lake: Lake, tmp_path: Path) -> None:
    said = json.dumps({"question": "Which?", "answer": "left", "image": "train/7.png"}).encode()
    tar(tmp_path / "in" / "a.tar", [("x/7.1.png", FILES[1]), ("x/7.0.png", FILES[0]), ("x/7.json", said)])
    tar(tmp_path / "in" / "b.tar", [("8.png", FILES[2]), ("8.txt", b"A caption.\n"), ("8.cls", b"3")])
    done = ingested(lake, tmp_path / "in")
    assert asked(lake, done) == [("Which?", "left", [IDS[1], IDS[0]])]
    assert [row["text"] for row in rows(lake, done, "captions")] == ["A caption."]


def test_vlmevalkit_pictures_may_be_borrowed_from_an_earlier_row(lake: Lake, tmp_path: Path) -> None:
    records = [
        {"index": 7, "image": BASE64[0], "question": "Which?", "hint": "Look.", "A": "red", "B": "blue", "answer": "B"},
        {"index": 8, "image": "7", "question": "Which now?", "hint": "", "A": "red", "B": "blue", "answer": "A"},
        {"index": 9, "image": "8", "question": "And?", "hint": "", "A": "red", "B": "blue", "answer": "C"},
    ]
    done = ingested(lake, put(tmp_path / "in", bench__tsv=table("\t", records)) / "bench.tsv")
    assert asked(lake, done) == [("Look.\nWhich?", "blue", [IDS[0]]), ("Which now?", "red", [IDS[0]])]
    assert [row["options"] for row in rows(lake, done, "samples")] == [["red", "blue"]] * 2
    assert told(lake, done) == {
        "bench.tsv:000000004": "bad_field: bench.tsv, row 4: field 'answer': 'C' is none of the options A, B"
    }


def test_vlmevalkit_lists_of_base64_are_several_pictures(lake: Lake, tmp_path: Path) -> None:
    records = [{"index": 1, "image": str(BASE64[:2]), "question": "Same?", "answer": "no"}]
    done = ingested(lake, put(tmp_path / "in", bench__tsv=table("\t", records)))
    assert asked(lake, done) == [("Same?", "no", IDS[:2])]


def test_llamafactory_files_are_read_by_their_own_names_for_things(lake: Lake, tmp_path: Path) -> None:
    info = {
        "one": {
            "file_name": "one.json",
            "formatting": "sharegpt",
            "columns": {"messages": "talk", "images": "shots"},
            "tags": {"role_tag": "who", "content_tag": "says", "user_tag": "me", "assistant_tag": "it"},
        },
        "far": {"hf_hub_url": "someone/elsewhere"},
        "two": {
            "file_name": "two.jsonl",
            "columns": {"prompt": "ask", "query": "input", "response": "tell", "history": "past", "images": "shots"},
        },
    }
    two = {
        "ask": "Shape?",
        "input": "Briefly.",
        "tell": "round",
        "shots": ["1.png"],
        "past": [["<image>Before?", "yes"]],
    }
    talk = [{"who": "me", "says": "<image>Colour?"}, {"who": "it", "says": "red"}]
    put(
        pictures(tmp_path / "in"),
        dataset_info__json=json.dumps(info),
        one__json=json.dumps([{"talk": talk, "shots": ["0.png"]}]),
        two__jsonl=jsonl([two]),
    )
    done = ingested(lake, tmp_path / "in")
    assert asked(lake, done) == [
        ("Colour?", "red", [IDS[0]]),
        ("Before?", "yes", [IDS[1]]),
        ("Shape?\nBriefly.", "round", [IDS[1]]),
    ]
    assert open_source(source(tmp_path / "in", config="two")).files == ("two.jsonl",)
    with pytest.raises(SourceError, match="no local entry 'tow'; did you mean 'two'"):
        open_source(source(tmp_path / "in", config="tow"))


def test_pictures_in_a_folder_of_their_own(lake: Lake, tmp_path: Path) -> None:
    path = put(tmp_path / "in", lists___a__json=json.dumps(ROWS[:2]))
    pictures(path / "shots" / "train")
    done = ingested(lake, path, images="shots/train")
    assert [row[2] for row in asked(lake, done)] == [[IDS[0]], [IDS[1]]]
    assert {row["path"] for row in rows(lake, done, "images")} == {"shots/train/0.png", "shots/train/1.png"}


def test_rows_of_huge_row_groups_are_read_few_at_a_time(lake: Lake, tmp_path: Path) -> None:
    from pipelines.sources import table as reader

    many = 3 * len(FILES)
    cells = [{"bytes": FILES[n % 4] + bytes([n]) * (1 << 20), "path": None} for n in range(many)]
    path = tmp_path / "in" / "a.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"image": cells, "caption": list("abcdefghijkl")}), path, compression="none")
    parquet = pq.ParquetFile(path)
    assert parquet.num_row_groups == 1 and reader._batch_rows(parquet, 0, ["image"]) < many
    done = ingested(lake, path, limit=many)
    assert [row["text"] for row in rows(lake, done, "captions")] == list("abcdefghijkl")
    assert done.counts.failed == 0


def test_a_picture_is_stored_as_the_bytes_it_came_as(lake: Lake, tmp_path: Path) -> None:
    data = png(PICTURES[0], "JPEG", quality=80)
    done = ingested(
        lake, put(tmp_path / "in", a__jpg=data, metadata__jsonl=jsonl([{"file_name": "a.jpg", "text": "x"}]))
    )
    (image,) = rows(lake, done, "images")
    assert image["format"] == "JPEG" and lake.image_bytes(image["image_id"]) == data


def test_a_recipe_says_which_columns_are_meant(lake: Lake, tmp_path: Path) -> None:
    records = [{"photo": "0.png", "thumb": BASE64[1], "says": {"ask": "Q?", "tell": ["no", 3]}, "answer": "not this"}]
    columns = {"image": "photo", "question": "says.ask", "answer": "says.tell"}
    done = ingested(lake, put(pictures(tmp_path / "in"), a__jsonl=jsonl(records)), columns=columns)
    assert asked(lake, done) == [("Q?", ["no", 3], [IDS[0]])]


def test_a_table_of_many_picture_columns_uses_those_that_are_filled(lake: Lake, tmp_path: Path) -> None:
    cell = {"bytes": FILES[0], "path": "0.png"}
    path = as_parquet(tmp_path / "in" / "a.parquet", image_1=[cell, cell], image_2=[None, {"bytes": FILES[1]}],
                      file_name=["0.png", "1.png"], caption=["one", "two"])  # fmt: skip
    done = ingested(lake, path, columns={})
    assert done.counts.expanded == 2 and {row["image_id"] for row in rows(lake, done, "images")} == set(IDS[:2])


def test_text_only_rows_of_a_table_are_decisions_and_not_accidents(lake: Lake, tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Hi."}]
    seen = [{"from": "human", "value": "<image>Colour?"}, {"from": "gpt", "value": "red"}]
    cells = pa.array([None, {"bytes": FILES[0], "path": None}, None])
    path = as_parquet(tmp_path / "in" / "a.parquet", image=cells, conversations=[turns, seen, seen])
    done = ingested(lake, path)
    assert asked(lake, done) == [("Colour?", "red", [IDS[0]])]
    said = told(lake, done)
    assert said["a.parquet:000000001"] == "no_picture"
    assert said["a.parquet:000000003"].startswith("missing_picture: a.parquet, row 3: field 'image' is empty")
