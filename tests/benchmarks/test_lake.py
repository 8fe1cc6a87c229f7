"""The benchmarks still run, at sizes that say nothing, and their sides still agree."""

from pathlib import Path

import pytest

from benchmarks import measure
from benchmarks.sides import catalog, memory, photographs


def test_sides_take_turns_and_ratios_pair_them() -> None:
    order: list[str] = []
    found = measure.interleave({"a": lambda: order.append("a") or 4.0, "b": lambda: order.append("b") or 2.0}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert measure.ratio(found["a"], found["b"]) == {"median": 2.0, "low": 2.0, "high": 2.0}
    assert measure.ratio([1, 9, 4], [1, 3, 2]) == {"median": 2.0, "low": 1.0, "high": 3.0}


def test_the_view_read_parquet_and_datasets_answer_alike(tmp_path: Path) -> None:
    found = catalog.measured(tmp_path, 1_200, 4, 1, 1)
    assert found["repeated_rows"]["rows"] == 3


@pytest.mark.parametrize("kind", memory.KINDS)
def test_each_kind_of_memory_is_measured(tmp_path: Path, kind: str) -> None:
    memory.prepare(tmp_path, 300)
    assert {"listing": memory.listing, "stage": memory.stage, "query": memory.query}[kind](tmp_path) == 300


def test_all_duplicates_are_found_and_nothing_else(tmp_path: Path) -> None:
    folder = photographs.make(tmp_path / "photographs", 24, 4, 3)
    found = measure.child(["-m", "benchmarks.sides.pictures", str(folder.path), str(tmp_path), "1"])
    assert {name: found[name] for name in ("read", "failed", "exact_found", "near_found", "kept")} == {
        "read": 24,
        "failed": 0,
        "exact_found": 4,
        "near_found": 3,
        "kept": 17,
    }
