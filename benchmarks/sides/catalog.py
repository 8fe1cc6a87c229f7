"""The catalog benchmark: one filter and group-by over many samples, by our view, by read_parquet and by `datasets`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from benchmarks import measure
from benchmarks.sides import rows
from pipelines.lake.catalog import build_catalog

ASKED = (
    "SELECT task, source, count(*) AS samples, avg(dial) AS dial FROM {} WHERE domain = 'natural' AND dial >= 2"
    " GROUP BY task, source ORDER BY task, source"
)
OVERHEAD, GAIN = 1.5, 100.0
Answer = list[tuple[Any, ...]]


def measured(work: Path, count: int, parts: int, repeats: int, slow_repeats: int) -> dict[str, Any]:
    """Figures of both comparisons. Raises `AssertionError` when two sides do not answer the same."""
    lake = rows.build(work / "lake", count, parts)
    start = time.perf_counter()
    catalog = build_catalog(lake)
    built = time.perf_counter() - start
    files = sorted(str(path) for path in lake.root.glob("samples/*/*.parquet"))
    with duckdb.connect(str(catalog), read_only=True) as ours, duckdb.connect() as raw:
        view = partial(_sql, ours, "samples")
        scan = partial(_sql, raw, f"read_parquet({files})")
        expected = view()
        assert expected == scan(), "the view and read_parquet answer differently"
        assert sum(row[2] for row in expected) > 0
        quick = measure.interleave({"view": _timed(view), "raw": _timed(scan)}, repeats)
        dataset, loading = _load(work / "datasets", files)
        by_rows, by_batches = partial(_rows, dataset), partial(_batches, dataset)
        for side in (by_rows, by_batches):
            assert side() == expected, "`datasets` and the view answer differently"
        sides = {"view": _timed(view), "rows": _timed(by_rows), "batches": _timed(by_batches)}
        slow = measure.interleave(sides, slow_repeats)
    overhead, gain = measure.ratio(quick["view"], quick["raw"]), measure.ratio(slow["rows"], slow["view"])
    return {
        "rows": count,
        "parts": len(files),
        "rounds": 2,
        "asked": ASKED.format("samples"),
        "sides": {
            "view": "samples of catalog.duckdb, opened before",
            "raw": "DuckDB's read_parquet over the same files, as a user would list them",
            "rows": "datasets: filter and map with a function of one row, as its guide shows; group-by in the function",
            "batches": "datasets: the same with select_columns, batches of 10,000 and columns as NumPy",
        },
        "seconds": {
            "view": measure.spread(quick["view"], 4),
            "raw": measure.spread(quick["raw"], 4),
            "rows": measure.spread(slow["rows"], 2),
            "batches": measure.spread(slow["batches"], 2),
        },
        "view_over_raw": overhead,
        "rows_over_view": gain,
        "batches_over_view": measure.ratio(slow["batches"], slow["view"]),
        "not_counted_seconds": {"catalog_built": round(built, 2), "datasets_loaded": round(loading, 2)},
        "repeated_rows": _repeated(work / "again", count, parts, repeats),
        "target": {"view_over_raw": f"<= {OVERHEAD}", "rows_over_view": f">= {GAIN:g}"},
        "met": overhead["median"] <= OVERHEAD and gain["median"] >= GAIN,
    }


def _repeated(work: Path, count: int, parts: int, repeats: int) -> dict[str, Any]:
    """The same, where a hundredth of a part's rows were made in both rounds: the view shows them once."""
    again = max(count // parts // 100, 1)
    lake = rows.build(work, count, parts, again)
    files = sorted(str(path) for path in lake.root.glob("samples/*/*.parquet"))
    with duckdb.connect(str(build_catalog(lake)), read_only=True) as ours, duckdb.connect() as raw:
        counted = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
            for connection, table in ((ours, "samples"), (raw, f"read_parquet({files})"))
        ]
        assert counted[1] - counted[0] == again, f"{counted} rows, but {again} were made twice"
        view, scan = partial(_sql, ours, "samples"), partial(_sql, raw, f"read_parquet({files})")
        found = measure.interleave({"view": _timed(view), "raw": _timed(scan)}, repeats)
    return {"rows": again, "view_over_raw": measure.ratio(found["view"], found["raw"])}


def _timed(side: Callable[[], Answer]) -> Callable[[], float]:
    def run() -> float:
        start = time.perf_counter()
        side()
        return time.perf_counter() - start

    return run


def _sql(connection: duckdb.DuckDBPyConnection, table: str) -> Answer:
    return connection.execute(ASKED.format(table)).fetchall()


def _load(cache: Path, files: list[str]) -> tuple[Any, float]:
    import datasets

    datasets.disable_progress_bars()
    start = time.perf_counter()
    found = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(cache))
    return found, time.perf_counter() - start


def _rows(dataset: Any) -> Answer:
    count, dials = Counter[tuple[str, str]](), Counter[tuple[str, str]]()

    def add(row: dict[str, Any]) -> None:
        place = (row["task"], row["source"])
        count[place] += 1
        dials[place] += row["dial"]

    kept = dataset.filter(lambda row: row["domain"] == "natural" and row["dial"] >= 2, load_from_cache_file=False)
    kept.map(add, load_from_cache_file=False)
    return _grouped(count, dials)


def _batches(dataset: Any) -> Answer:
    count, dials = Counter[tuple[str, str]](), Counter[tuple[str, str]]()

    def add(batch: dict[str, Any]) -> None:
        for task, source, dial in zip(batch["task"].tolist(), batch["source"].tolist(), batch["dial"], strict=True):
            count[task, source] += 1
            dials[task, source] += int(dial)

    options = {"batched": True, "batch_size": 10_000, "load_from_cache_file": False}
    few = dataset.select_columns(["task", "source", "domain", "dial"]).with_format("numpy")
    kept = few.filter(lambda batch: (batch["domain"] == "natural") & (batch["dial"] >= 2), **options)
    kept.map(add, **options)
    return _grouped(count, dials)


def _grouped(count: Counter[tuple[str, str]], dials: Counter[tuple[str, str]]) -> Answer:
    return [(*place, count[place], dials[place] / count[place]) for place in sorted(count)]
