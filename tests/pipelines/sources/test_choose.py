"""Which records are taken: the first, a seeded sample, a mixture; always the same ones, and never one twice."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import ingest
from pipelines.lake import Lake
from pipelines.sources import Source, records
from pipelines.sources.choose import shares
from pipelines.stage import StageCall
from tests.pipelines.jobs import rows, run
from tests.pipelines.sources.made import FILES, ingested, jsonl, pictures, put, source, tar


def listed(folder: Path, number: int) -> Path:
    return put(folder, a__jsonl=jsonl([{"image": "0.png", "text": f"{folder.name} {each}"} for each in range(number)]))


def taken(*sources: Source) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {each.name: set() for each in sources}
    for batch in records(sources):
        for row in batch.to_pylist():
            assert row["row"] not in found[row["source"]]
            found[row["source"]].add(row["row"])
    return found


def named(folder: Path, number: int, **fields: Any) -> Source:
    return Source(name=folder.name, path=listed(folder, number), fingerprint="", **fields)


def test_limit_takes_the_first(tmp_path: Path) -> None:
    assert taken(named(tmp_path / "a", 50, limit=7)) == {"a": set(range(1, 8))}


def test_a_share_is_drawn_by_the_seed_and_grows_without_losing_any(tmp_path: Path) -> None:
    small, same, other, large = (
        taken(named(tmp_path / "a", 2000, fraction=share, seed=seed))["a"]
        for share, seed in ((0.1, 1), (0.1, 1), (0.1, 2), (0.3, 1))
    )
    assert small == same != other and small < large
    assert 140 < len(small) < 260 and 500 < len(large) < 700


def test_a_count_is_exact_and_part_of_the_same_draw(tmp_path: Path) -> None:
    ten, twenty = (taken(named(tmp_path / "a", 500, count=count))["a"] for count in (10, 20))
    assert len(ten) == 10 and len(twenty) == 20 and ten < twenty
    assert len(taken(named(tmp_path / "a", 5, count=10))["a"]) == 5
    first = taken(named(tmp_path / "a", 500, limit=30, count=10))["a"]
    assert len(first) == 10 and max(first) <= 30


def test_a_draw_does_not_depend_on_other_rows(tmp_path: Path) -> None:
    few, many = (taken(named(tmp_path / "a", number, fraction=0.5))["a"] for number in (100, 200))
    assert few == {row for row in many if row <= 100}


def test_weights_mix_until_one_source_is_used_up(tmp_path: Path) -> None:
    a, b = named(tmp_path / "a", 100, weight=2.0), named(tmp_path / "b", 30, weight=1.0)
    c = named(tmp_path / "c", 10)
    found = taken(a, b, c)
    assert {name: len(rows) for name, rows in found.items()} == {"a": 60, "b": 30, "c": 10}
    assert taken(a, b, c) == found


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(0.1, 10)), min_size=1, max_size=5))
def test_shares_keep_the_proportion_and_use_one_source_up(sizes: list[tuple[int, float]]) -> None:
    path = Path()
    sources = [
        Source(name=str(number), path=path, fingerprint="", weight=weight) for number, (_, weight) in enumerate(sizes)
    ]
    have = {str(number): size for number, (size, _) in enumerate(sizes)}
    found = shares(sources, have)
    assert all(0 <= found[name] <= have[name] for name in have)
    assert any(found[name] == have[name] for name in have)
    scale = min(size / weight for size, weight in sizes)
    assert all(abs(found[str(number)] - scale * weight) <= 1 for number, (_, weight) in enumerate(sizes))


def test_revision_stands_in_ids_origin_lineage_and_key(tmp_path: Path) -> None:
    path = put(pictures(tmp_path / "in"), a__jsonl=jsonl([{"image": "0.png", "question": "Q?", "answer": 1}]))
    lake = Lake(tmp_path / "lake")
    done = ingested(lake, path, revision="v2", license="CC0-1.0")
    assert [row["origin"] for row in rows(lake, done, "images")] == ["mine@v2"]
    (sample,) = rows(lake, done, "samples")
    edges = {(row["child_id"], row["relation"], row["parent_id"]) for row in rows(lake, done, "lineage")}
    assert (sample["sample_id"], "read_from", "mine@v2:a.jsonl:000000001") in edges
    assert sample["license"] == "CC0-1.0" and sample["source"] == "mine"

    def key(**fields: Any) -> str:
        return StageCall(ingest.STAGE, ingest.Parameters(sources=(source(path, **fields),))).key

    changes = [{}, {"revision": "v3"}, {"license": "MIT"}, {"fraction": 0.5}, {"seed": 3}, {"columns": {"answer": "b"}}]
    assert len({key(**change) for change in changes}) == len(changes)


def test_where_a_source_lies_is_no_part_of_the_key(tmp_path: Path) -> None:
    keys = {
        StageCall(ingest.STAGE, ingest.Parameters(sources=(source(listed(tmp_path / place / "a", 3)),))).key
        for place in ("here", "there")
    }
    assert len(keys) == 1


def test_records_are_listed_in_batches_and_read_in_order(tmp_path: Path) -> None:
    """More rows than a batch and a part hold, of two sources whose names stand the other way round."""
    a, z = listed(tmp_path / "z", 1500), listed(tmp_path / "a", 700)
    for path in (a, z):
        put(path, **{"0__png": FILES[0]})
    lake = Lake(tmp_path / "lake")
    sources = (source(a, name="z"), source(z, name="a"))
    assert [len(batch) for batch in records(sources)] == [1024, 1024, 152]
    done = run(lake, ingest.STAGE, ingest.Parameters(sources=sources), part_rows=400)
    assert done.counts.read == 2200 and done.counts.failed == 0
    assert [row["text"] for row in rows(lake, done, "captions")][:2] == ["a 0", "a 1"]


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tar", "parquet"])
def test_a_listing_holds_a_few_rows_however_many_there_are(tmp_path: Path, kind: str) -> None:
    few, many = (_peak(many_rows(tmp_path / str(number), kind, number)) for number in (1_100, 4_400))
    assert many < 1.5 * few, (few, many)


def many_rows(folder: Path, kind: str, number: int) -> Source:
    found = [{"image": "0.png", "text": f"caption {each} " * 8} for each in range(number)]
    folder.mkdir()
    if kind == "tar":
        texts = [row["text"].encode() for row in found]
        tar(folder / "a.tar", [(f"{n:06d}.{end}", data) for n, text in enumerate(texts)
                               for end, data in (("png", FILES[0]), ("txt", text))])  # fmt: skip
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(found), folder / "a.parquet")
    elif kind == "csv":
        put(folder, a__csv="image,text\n" + "".join(f"0.png,{row['text']}\n" for row in found))
    else:
        put(folder, **{f"a__{kind}": jsonl(found) if kind == "jsonl" else json.dumps(found)})
    return Source(name="a", path=folder, fingerprint="")


def _peak(source: Source) -> int:
    """The most memory that listing a source held at once, in bytes; the reader of batches is run to its end."""
    sum(len(batch) for batch in records((source,)))  # what is imported and cached once does not count
    tracemalloc.start()
    sum(len(batch) for batch in records((source,)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("wrong", [{"fraction": 0.0}, {"fraction": 1.5}, {"count": 0}, {"limit": 0}, {"weight": 0.0}])
def test_what_no_sample_can_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Source(name="a", path=Path(), fingerprint="", **wrong)
