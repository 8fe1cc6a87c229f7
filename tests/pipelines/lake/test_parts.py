from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.lake import Damaged, Lake, files
from pipelines.lake.parts import PartFile, check_hash, check_size, describe, read_parts, write_table
from pipelines.runner import run_stage
from schemas.arrow import TABLES, table_of
from tests.pipelines.toy import LOOK, MAKE, call

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)


def values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    if pa.types.is_list(kind):
        return st.lists(values(kind.value_type), max_size=3)
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries({field.name: st.none() | values(field.type) for field in kind})
    return {
        "string": TEXT,
        "int64": st.integers(-(2**63), 2**63 - 1),
        "double": st.floats(allow_nan=False),
        "float": st.floats(width=32, allow_nan=False),
        "bool": st.booleans(),
    }[str(kind)]


@pytest.mark.parametrize("name", ["samples", "traces", "captions", "embeddings", "rejects"])
@given(data=st.data())
def test_rows_come_back_as_they_were_and_equal_rows_give_equal_bytes(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    row = st.fixed_dictionaries({field.name: st.none() | values(field.type) for field in TABLES[name]})
    rows = data.draw(st.lists(row, max_size=4))
    for copy in ("a", "b"):
        write_table(tmp_path / copy, table_of(name, rows))
    assert read_parts([tmp_path / "a"], name).to_pylist() == rows
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_columns_that_an_older_file_lacks_are_null(tmp_path: Path) -> None:
    pq.write_table(pa.table({"sample_id": ["s"], "gone": [1]}), tmp_path / "old.parquet")
    (row,) = read_parts([tmp_path / "old.parquet"], "checks").to_pylist()
    assert row == {name: "s" if name == "sample_id" else None for name in TABLES["checks"].names}


def test_schema_version_travels_in_the_file(tmp_path: Path) -> None:
    write_table(tmp_path / "a", table_of("checks", []))
    assert pq.read_schema(tmp_path / "a").metadata[b"schema_version"] == b"1"


def test_a_changed_or_missing_part_is_damage_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_bytes(b"abcd")
    part = describe(path, "samples", "part", 1)
    assert check_hash(tmp_path, part) == path
    path.write_bytes(b"abce")
    check_size(tmp_path, part)
    with pytest.raises(Damaged, match="part has hash"):
        check_hash(tmp_path, part)
    path.write_bytes(b"abc")
    with pytest.raises(Damaged, match="holds 3 bytes; its manifest says 4"):
        check_size(tmp_path, part)
    path.unlink()
    with pytest.raises(Damaged, match="is missing"):
        check_size(tmp_path, part)


def test_a_stage_does_not_read_damaged_parts(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    made = run_stage(lake, call(MAKE, count=2))
    path = lake.root / made.files("samples")[0].name
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(Damaged):
        run_stage(lake, call(LOOK, made.key))
    path.unlink()
    with pytest.raises(Damaged, match="missing"):
        run_stage(lake, call(MAKE, count=2))


def test_create_has_one_winner_and_readers_never_see_half(tmp_path: Path) -> None:
    target = tmp_path / "manifest.json"
    won: list[bool] = []
    threads = [
        threading.Thread(target=lambda text=str(n): won.append(files.create(target, text.encode() * 1000)))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(won) == 1
    assert len(set(target.read_text())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_publishing_equal_bytes_leaves_the_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "part"
    target.write_bytes(b"same")
    before = target.stat().st_ino
    for content, kept in ((b"same", True), (b"other", False)):
        temp = files.temporary(target, "k")
        temp.write_bytes(content)
        files.publish(temp, target)
        assert (target.stat().st_ino == before) is kept
        assert not temp.exists()


def test_part_file_round_trip() -> None:
    part = PartFile("samples", "samples/key=k/part-00000.parquet", 3, 10, "h")
    assert PartFile(**part.as_json()) == part
