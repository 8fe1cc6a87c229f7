"""Files that are broken somewhere: what stands around the break is kept, and the break is one row that says so."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.lake import Lake
from pipelines.sources import Source, list_records, open_source
from pipelines.sources.formats import FORMATS
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
    tar,
    told,
)

GOOD = [{"image": f"{number}.png", "question": "Q?", "answer": number} for number in range(3)]
INDENTED = json.dumps(GOOD, indent=2)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


TEXTS: dict[str, tuple[str, str, list[int], dict[int, str]]] = {
    "a line cut in the middle": (
        "a.jsonl", jsonl(GOOD)[:-20], [0, 1], {3: "this is no JSON: "}
    ),
    "a blank line and a list": ("a.jsonl", jsonl([GOOD[0]]) + "\n[1]\n" + jsonl([GOOD[2]]), [0, 2], {3: "not list"}),
    "a list cut in an object": ("a.json", INDENTED[:-30], [0, 1], {3: "the list is cut off in this object"}),
    "a list without its end": ("a.json", json.dumps(GOOD)[:-1], [0, 1, 2], {4: "its closing bracket is missing"}),
    "an object never closed": ("a.json", INDENTED.replace("}", "", 1), [1, 2], {1: "the object is not closed"}),
    "a string never closed": ("a.json", INDENTED.replace('"0.png",', '"0.png,'), [1, 2], {1: "no JSON"}),
    "an object that is none": ("a.json", INDENTED.replace('"answer": 1', '"answer": one'), [0, 2], {2: "no JSON"}),
    "a number in the list": ("a.json", "[3, " + json.dumps(GOOD)[1:], [0, 1, 2], {1: "not int"}),
    "more after the list": ("a.json", json.dumps(GOOD) + " and more", [0, 1, 2], {4: "more after the end"}),
    "an empty slot": ("a.json", json.dumps(GOOD).replace("}, {", "},, {", 1), [0, 1, 2], {2: "no JSON"}),
    "too many cells": ("a.csv", "image,question,answer\n0.png,Q?,0,extra\n1.png,Q?,1\n", [1], {2: "4 cells"}),
    "too few cells": ("a.csv", "image,question,answer\n0.png,Q?\n1.png,Q?,1\n", [1], {2: "2 cells"}),
    "a mark never closed": ("a.csv", 'image,question,answer\n"0.png,Q?,0\n1.png,Q?,1\n2.png,Q?,2\n', [1, 2],
                            {2: "1 cells and the first line 3; is a quotation mark missing"}),
    "inches": ("a.csv", 'image,question,answer\n0.png,5" wide?,0\n1.png,6" wide?,1\n', [0, 1], {}),
    "NaN": ("a.jsonl", jsonl(GOOD[:2]) + '{"image": "2.png", "question": "Q?", "answer": NaN}\n', [0, 1],
            {3: "field 'answer': nan"}),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_break_in_a_text_costs_one_row(lake: Lake, tmp_path: Path, name: str) -> None:
    file, text, kept, broken = TEXTS[name]
    done = ingested(lake, put(pictures(tmp_path / "in"), **{file.replace(".", "__"): text}))
    assert [int(answer) for _, answer, _ in asked(lake, done)] == kept
    said = told(lake, done)
    assert {int(row.rpartition(":")[2]) for row in said} == set(broken)
    for row, words in broken.items():
        assert words in said[f"{file}:{row:09d}"] and f"{file}, row {row}: " in said[f"{file}:{row:09d}"]
    assert done.counts.read == len(kept) + len(broken)


def test_bytes_that_are_no_utf8_cost_their_row(lake: Lake, tmp_path: Path) -> None:
    lines = [json.dumps(row).encode() for row in GOOD]
    lines[1] = lines[1].replace(b"Q?", b"\xff?")
    done = ingested(lake, put(pictures(tmp_path / "in"), a__jsonl=b"\n".join(lines)))
    assert [answer for _, answer, _ in asked(lake, done)] == [0, 2]
    assert "byte 0xff at place" in told(lake, done)["a.jsonl:000000002"]
    done = ingested(lake, put(pictures(tmp_path / "csv"), a__csv=b"image,question,answer\n0.png,\xe4,0\n1.png,Q?,1\n"))
    assert [answer for _, answer, _ in asked(lake, done)] == [1]
    assert "no UTF-8" in told(lake, done)["a.csv:000000002"]


def test_utf16_is_named(lake: Lake, tmp_path: Path) -> None:
    put(pictures(tmp_path / "in"), a__jsonl=jsonl(GOOD).encode("utf-16"), b__jsonl=jsonl(GOOD))
    done = ingested(lake, tmp_path / "in")
    assert len(asked(lake, done)) == 3
    assert told(lake, done) == {"a.jsonl:000000001": "bad_record: a.jsonl, row 1: the file is UTF-16; save it as UTF-8"}


def test_a_parquet_file_that_is_none_costs_itself(lake: Lake, tmp_path: Path) -> None:
    path = put(tmp_path / "in", a__parquet=b"PAR1 no", c__parquet=b"")
    pq.write_table(pa.table({"image": FILES, "caption": list("abcd")}), path / "b.parquet")
    done = ingested(lake, path)
    assert done.counts.expanded == 4 and done.counts.failed == 2
    assert all("not a Parquet file" in says for says in told(lake, done).values())


def test_a_broken_row_group_costs_its_rows(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "a.parquet"
    captions = [f"caption number {number}" for number in range(4)]
    pq.write_table(pa.table({"image": FILES, "caption": captions}), file, row_group_size=2, compression="none",
                   use_dictionary=False, write_statistics=False)  # fmt: skip
    content = bytearray(file.read_bytes())
    header = pq.ParquetFile(file).metadata.row_group(1).column(1).data_page_offset
    content[header : header + 8] = b"\xff" * 8
    file.write_bytes(content)
    done = ingested(lake, tmp_path / "in")
    assert (done.counts.read, done.counts.expanded, done.counts.failed) == (4, 2, 2)
    assert all("broken in row group 2" in says for says in told(lake, done).values())


def test_tars_that_are_cut_compressed_or_none(lake: Lake, tmp_path: Path) -> None:
    members = [(f"{n}.{end}", data) for n in range(3) for end, data in (("png", FILES[n]), ("txt", b"seen"))]
    whole = tar(tmp_path / "whole.tar", members).read_bytes()
    folder = put(
        tmp_path / "in", cut__tar=whole[: 512 * 2 + len(FILES[0]) + 2000], none__tar=b"x" * 2000, empty__tar=b""
    )
    put(folder, packed__tar=b"\x1f\x8b" + bytes(600), garbled__tar=whole[:-10240] + b"y" * 1024)
    tar(folder / "good.tar", members[:2])
    said = told(lake, done := ingested(lake, folder))
    assert done.counts.rejected == 1  # the picture before the cut, of which nothing is said any more
    causes = {name.split(":")[0]: says for name, says in said.items()}
    assert "is cut off" in causes["cut.tar"] or "broken" in causes["cut.tar"]
    assert "compressed; unpack it" in causes["packed.tar"]
    assert "broken" in causes["none.tar"] and "empty" in causes["empty.tar"]
    assert "good.tar" not in causes


def test_members_that_lead_out_of_a_tar_are_refused(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in" / "a.tar", "w") as archive:
        for name, kind, to in (
            ("../0.png", tarfile.REGTYPE, ""),
            ("/1.png", tarfile.REGTYPE, ""),
            ("2.png", tarfile.SYMTYPE, "/etc/hostname"),
            ("3.png", tarfile.LNKTYPE, "2.png"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, to, len(FILES[0]) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(FILES[0]))
    said = told(lake, done := ingested(lake, tmp_path / "in"))
    assert done.counts.failed == done.counts.read == 4
    assert ["outside the archive" in text or "no regular file" in text for text in said.values()] == [True] * 4


PATHS = {
    "../secret.png": "path_escapes",
    "sub/../../secret.png": "path_escapes",
    "link.png": "path_escapes",
    "folder/secret.png": "path_escapes",
    "loop.png": "missing_file",
    "gone.png": "missing_file",
    "sub": "missing_file",
    "pipe": "missing_file",
    "a\0b.png": "missing_file",
    "x" * 300 + ".png": "missing_file",
    "http://localhost/a.png": "remote_file",
    "https://localhost/a.png": "remote_file",
    "hf://datasets/a/b.png": "remote_file",
}


@pytest.mark.parametrize("name", PATHS)
def test_no_path_leads_out_of_the_source(lake: Lake, tmp_path: Path, name: str) -> None:
    path = put(tmp_path / "in", sub___ok__png=FILES[0])
    put(tmp_path, secret__png=FILES[1])
    (path / "link.png").symlink_to(tmp_path / "secret.png")
    (path / "folder").symlink_to(tmp_path)
    (path / "loop.png").symlink_to(path / "loop.png")
    os.mkfifo(path / "pipe")
    put(path, a__jsonl=jsonl([{"image": name, "text": "x"}, {"image": "sub/ok.png", "text": "fine"}]))
    done = ingested(lake, path)
    (said,) = told(lake, done).values()
    assert said.startswith(PATHS[name]) and "a.jsonl, row 1: " in said
    assert done.counts.expanded == 1
    assert str(tmp_path) not in said


def test_an_absolute_path_is_read_only_inside_the_source(lake: Lake, tmp_path: Path) -> None:
    put(tmp_path, secret__png=FILES[1])
    path = put(tmp_path / "in", ok__png=FILES[0])
    rows = [{"image": str(tmp_path / "secret.png"), "text": "x"}, {"image": str(path / "ok.png"), "text": "fine"}]
    done = ingested(lake, put(path, a__jsonl=jsonl(rows)))
    assert [says.split(":")[0] for says in told(lake, done).values()] == ["path_escapes"]


def test_lists_behind_links_out_of_the_source_are_not_read(lake: Lake, tmp_path: Path) -> None:
    put(tmp_path, b__jsonl=jsonl([{"image": "0.png", "text": "secret"}]))
    path = put(pictures(tmp_path / "in"), a__jsonl=jsonl([{"image": "0.png", "text": "fine"}]))
    (path / "c.jsonl").symlink_to(tmp_path / "b.jsonl")
    assert open_source(Source(name="x", path=path, fingerprint="")).files == ("a.jsonl",)
    assert ingested(lake, path).counts.read == 1


def test_a_lake_among_the_data_is_no_data(tmp_path: Path) -> None:
    path = put(pictures(tmp_path / "in"), a__jsonl=jsonl([{"image": "0.png", "text": "fine"}]))
    lake = Lake(path / "lake")
    done = ingested(lake, path)
    assert ingested(lake, path) == done and done.counts.read == 1


@pytest.mark.parametrize("cell", [3, [3], {"a": 1}, True, "data:image/png;base64,%%%", "A" * 2000 + "%", {"bytes": 7}])
def test_cells_that_hold_no_picture_fail_alone(lake: Lake, tmp_path: Path, cell: Any) -> None:
    rows = [{"image": "0.png", "text": "fine"}, {"image": cell, "text": "x"}]
    done = ingested(lake, put(pictures(tmp_path / "in"), a__jsonl=jsonl(rows)))
    (said,) = told(lake, done).values()
    assert said.startswith("bad_picture: a.jsonl, row 2: field 'image'"), said
    assert done.counts.expanded == 1


def test_counts_of_pictures_and_placeholders_must_agree(lake: Lake, tmp_path: Path) -> None:
    def talk(asks: str, *images: int) -> dict[str, Any]:
        turns = [{"from": "human", "value": asks}, {"from": "gpt", "value": "yes"}]
        return {"images": [f"{number}.png" for number in images], "conversations": turns}

    rows = [talk("<image>\n<image>\nSame?", 0, 1), talk("<image>Same?", 0, 1), talk("<image><image>Same?", 0),
            talk("Same?", 2, 3), talk("No picture at all?")]  # fmt: skip
    done = ingested(lake, put(pictures(tmp_path / "in"), a__json=json.dumps(rows)))
    assert asked(lake, done) == [("Same?", "yes", IDS[:2]), ("Same?", "yes", IDS[2:])]
    said = told(lake, done)
    assert "1 `<image>` placeholder for 2 pictures; give one for each picture" in said["a.json:000000002"]
    assert "2 `<image>` placeholders for 1 picture;" in said["a.json:000000003"]
    assert said["a.json:000000005"] == "no_picture"


def test_texts_that_nobody_meant_are_too_long(lake: Lake, tmp_path: Path) -> None:
    rows = [{"image": "0.png", "question": "x" * 10_000_000, "answer": "y"}, *GOOD]
    done = ingested(lake, put(pictures(tmp_path / "in"), a__jsonl=jsonl(rows)))
    assert len(asked(lake, done)) == 3
    assert "field 'question' has 10,000,000 characters; at most 100,000" in told(lake, done)["a.jsonl:000000001/0"]


def test_messages_with_pictures_inside(lake: Lake, tmp_path: Path) -> None:
    parts = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{BASE64[0]}"}},
             {"type": "image", "image": "1.png"}, {"type": "text", "text": "Same?"}]  # fmt: skip
    turns = [{"role": "user", "content": parts}, {"role": "assistant", "content": "no"}]
    done = ingested(lake, put(pictures(tmp_path / "in"), a__jsonl=jsonl([{"messages": turns}])))
    assert asked(lake, done) == [("Same?", "no", IDS[:2])]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.tsv", "a.tar", "a.parquet"]), st.data())
def test_no_bytes_whatever_make_a_reader_raise(tmp_path_factory: pytest.TempPathFactory, file: str, data: Any) -> None:
    folder = tmp_path_factory.mktemp("any")
    good = {
        "a.jsonl": jsonl(GOOD).encode(), "a.json": INDENTED.encode(),
        "a.csv": b'image,question,answer\n0.png,"Q, or\nnot?",1\n1.png,Q?,2\n', "a.tsv": b"image\tanswer\n0.png\t3\n",
        "a.tar": tar(folder / "t" / "x.tar", [("0.png", FILES[0]), ("0.json", b'{"caption": "x"}')]).read_bytes(),
        "a.parquet": _parquet(),
    }[file]  # fmt: skip
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = put(folder / "in", **{file.replace(".", "__"): bytes(content)})
    source = Source(name="x", path=path, fingerprint="", format=file.removeprefix("a."))
    if source.format == "tar":
        source = source.model_copy(update={"format": "webdataset"})
    assert source.format in FORMATS
    from pipelines.sources.formats import Opened

    opened = Opened(str(source.format), "plain", (file,), {}, ())
    found = list(list_records(source, opened))
    assert len({row["record_id"] for row in found}) == len(found)


def _parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"image": FILES[:2], "caption": ["a", "b"]}), sink)
    return sink.getvalue()


def test_a_jpeg_and_its_neighbours_survive_a_truncated_one(lake: Lake, tmp_path: Path) -> None:
    whole = png(PICTURES[0], "JPEG")
    files = {"0__jpg": whole, "1__jpg": whole[: len(whole) // 2], "2__jpg": b"", "3__png": b"hello"}
    rows = [{"file_name": name.replace("__", "."), "text": "x"} for name in files]
    done = ingested(lake, put(tmp_path / "in", metadata__jsonl=jsonl(rows), **files))
    assert done.counts.expanded == 1
    assert [says.split(":")[0] for says in told(lake, done).values()] == ["undecodable", "empty_picture", "undecodable"]
