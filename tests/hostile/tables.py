"""Kinds of broken tables: Parquet files, verl's rows in them, and what `datasets` saves."""

from __future__ import annotations

import datetime
import io
import struct
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile.build import (
    AFTER,
    BEFORE,
    PNG,
    Kind,
    files,
    parquet,
    rows,
    table,
)

ROW = "rows.parquet, row 2"


def text(value: str | None) -> tuple[pa.DataType, str | None]:
    return pa.string(), value


def parquet_bytes(made: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(made, sink)
    return sink.getvalue()


def broken_page(root: Path) -> None:
    """A good file, and one whose footer is whole while its pages are noise."""
    pq.write_table(pa.Table.from_pylist(rows()), root / "good.parquet")
    files(root)
    lines = [{"image": "third.png", "question": f"Lost {number}?", "answer": "yes"} for number in range(1)]
    data = bytearray(parquet_bytes(pa.Table.from_pylist(lines)))
    data[8:120] = b"\xaa" * 112
    (root / "noise.parquet").write_bytes(bytes(data))


def two_parquets(second: Callable[[], bytes]) -> Callable[[Path], None]:
    def build(root: Path) -> None:
        files(root)
        pq.write_table(pa.Table.from_pylist(rows()), root / "good.parquet")
        (root / "second.parquet").write_bytes(second())

    return build


def huge_group(root: Path) -> None:
    """One row group of many rows, far larger than what is held at once."""
    cells = [{"bytes": PNG["first.png"] + bytes(20_000), "path": None} for _ in range(1_000)]
    questions = [f"Question {number}?" for number in range(1_000)]
    made = pa.table({"image": cells, "question": questions, "answer": ["yes"] * 1_000})
    pq.write_table(made, root / "rows.parquet", row_group_size=1_000)


def names_twice() -> pa.Table:
    made = pa.Table.from_pylist(rows())
    return made.append_column("answer", pa.array(["no"] * len(made)))


def bytes_that_are_no_text() -> pa.Table:
    made = table({})
    bad = pa.array([BEFORE.encode(), b"Bad\xff?", AFTER.encode()], pa.binary())
    questions = pa.StringArray.from_buffers(3, bad.buffers()[1], bad.buffers()[2])
    return made.set_column(1, "question", questions)


def saved(damage: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """A folder of `save_to_disk` whose Arrow file is damaged."""

    def build(root: Path) -> None:
        import datasets

        datasets.Dataset.from_list([{"question": BEFORE, "answer": "yes", "image": "first.png"}]).save_to_disk(root)
        (file,) = root.glob("*.arrow")
        file.write_bytes(damage(file.read_bytes()))

    return build


def damaged_offsets(root: Path) -> None:
    """A saved dataset in which one picture is said to end far behind the end of the file; to follow that is a crash."""
    import datasets

    asked = ((BEFORE, "first.png"), (AFTER, "second.png"), ("Bad?", "third.png"))
    cells = [{"question": q, "answer": "yes", "image": {"bytes": PNG[name], "path": None}} for q, name in asked]
    datasets.Dataset.from_list(cells).save_to_disk(root)
    (file,) = root.glob("*.arrow")
    ends = list(accumulate(len(PNG[name]) for _, name in asked))
    offsets = struct.pack("<4i", 0, *ends)
    data = file.read_bytes()
    assert data.count(offsets) == 1
    file.write_bytes(data.replace(offsets, struct.pack("<4i", 0, *ends[:2], 0x7FFFFF00)))


def verl(**bad: object) -> Callable[[Path], None]:
    def row(question: str, name: str, **changed: object) -> dict[str, object]:
        return {
            "images": [{"bytes": PNG[name], "path": None}],
            "prompt": [{"role": "user", "content": f"<image>{question}"}],
            "reward_model": {"style": "rule", "ground_truth": "yes"},
            **changed,
        }

    def build(root: Path) -> None:
        made = [row(BEFORE, "first.png"), row("Bad?", "third.png", **bad), row(AFTER, "second.png")]
        pq.write_table(pa.Table.from_pylist(made), root / "rows.parquet")

    return build


TABLES: list[Kind] = [
    Kind(
        "picture_of_no_bytes",
        parquet(lambda: table({}, {"bytes": b"", "path": None})),
        rule="empty_picture",
        says=(ROW, "'image'", "no bytes"),
    ),
    Kind(
        "picture_of_noise",
        parquet(lambda: table({}, {"bytes": b"\x00\x01" * 50, "path": None})),
        rule="undecodable",
        says=(ROW, "no format that is read"),
    ),
    Kind(
        "null_picture",
        parquet(lambda: table({}, None)),
        rule="missing_picture",
        says=(ROW, "'image'", "bytes, or a path"),
    ),
    Kind(
        "nested_nulls",
        parquet(lambda: table({}, {"bytes": None, "path": None})),
        rule="missing_picture",
        says=(ROW, "'image'", "bytes, or a path"),
    ),
    Kind(
        "path_in_parquet_escapes",
        parquet(lambda: table({}, {"bytes": None, "path": "../secret.png"})),
        rule="path_escapes",
        says=(ROW, "only files inside"),
    ),
    Kind("null_question", parquet(lambda: table({"question": text(None)})), way="rejects", rule="nothing_asked"),
    Kind(
        "null_answer_in_parquet",
        parquet(lambda: table({"answer": text(None)})),
        rule="bad_field",
        says=(ROW, "'answer'", "absent"),
    ),
    Kind(
        "nan_column",
        parquet(lambda: table({"score": (pa.float64(), float("nan"))})),
        way="kept",
        more=1,
    ),
    Kind(
        "nested_lists_of_nulls",
        parquet(lambda: table({"options": (pa.list_(pa.string()), [None, None])})),
        rule="bad_field",
        says=(ROW, "'options"),
    ),
    Kind("text_is_no_utf8", parquet(bytes_that_are_no_text), rule="bad_record", says=(ROW, "'question'", "utf-8")),
    Kind(
        "strange_types",
        parquet(
            lambda: table(
                {
                    "day": (pa.date32(), datetime.date(2020, 1, 1)),
                    "money": (pa.decimal128(5, 2), None),
                    "map": (pa.map_(pa.string(), pa.int64()), [("a", 1)]),
                    "long": (pa.uint64(), 2**64 - 1),
                    "span": (pa.duration("s"), datetime.timedelta(1)),
                }
            )
        ),
        way="kept",
        more=1,
    ),
    Kind("huge_row_group", huge_group, way="kept", good={}, more=1_000),
    Kind("empty_parquet", two_parquets(lambda: parquet_bytes(pa.Table.from_pylist(rows()).slice(0, 0))), way="kept"),
    Kind(
        "truncated_parquet",
        two_parquets(lambda: parquet_bytes(pa.Table.from_pylist(rows()))[:-20]),
        rule="bad_record",
        says=("second.parquet, row 1", "not a Parquet file"),
    ),
    Kind(
        "text_named_parquet",
        two_parquets(lambda: b"question,answer\n"),
        rule="bad_record",
        says=("second.parquet, row 1", "not a Parquet file"),
    ),
    Kind(
        "parquet_of_no_bytes",
        two_parquets(lambda: b""),
        rule="bad_record",
        says=("second.parquet, row 1", "not a Parquet"),
    ),
    Kind(
        "only_a_broken_parquet",
        lambda root: (root / "rows.parquet").write_bytes(b"PAR1"),
        way="refused",
        says=("rows.parquet", "not a Parquet file"),
    ),
    Kind("columns_named_twice", parquet(names_twice), way="refused", says=("rows.parquet", "two columns", "'answer'")),
    Kind(
        "strings_that_are_no_paths",
        parquet(lambda: pa.Table.from_pylist(rows({"image": "a cat on a mat", "question": "Bad?", "answer": "yes"}))),
        rule="missing_file",
        says=(ROW, "a cat on a mat"),
    ),
    Kind(
        "no_column_of_pictures",
        parquet(lambda: pa.table({"question": ["Bad?"], "answer": ["yes"]})),
        way="refused",
        says=("no image column", "question, answer", "columns"),
    ),
    Kind("broken_pages", broken_page, rule="bad_record", says=("noise.parquet, row", "broken in row group 1")),
    Kind(
        "no_ground_truth",
        verl(reward_model={"style": "rule", "ground_truth": None}),
        rule="bad_field",
        says=(ROW, "'reward_model'", "`ground_truth`"),
    ),
    Kind("empty_prompt", verl(prompt=[]), rule="bad_field", says=(ROW, "'prompt'", "list of turns")),
    Kind("verl_without_pictures", verl(images=[]), rule="missing_picture", says=(ROW, "'images' is empty")),
    Kind(
        "saved_dataset_cut",
        saved(lambda data: data[: len(data) // 2]),
        way="refused",
        says=("datasets cannot open it",),
    ),
    Kind(
        "saved_dataset_of_noise", saved(lambda data: b"noise" * 100), way="refused", says=("datasets cannot open it",)
    ),
    Kind(
        "saved_dataset_with_damaged_offsets",
        damaged_offsets,
        rule="undecodable",
        says=("train, row 3", "'image' is damaged"),
    ),
]
