"""A lake of many made-up samples: parts, manifests, a run of two rounds, written through the lake's own functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from pipelines.lake import Lake
from pipelines.lake.manifest import Manifest, commit
from pipelines.lake.parts import describe, part_name, write_table
from pipelines.lake.runs import start_run
from schemas.arrow import TABLES
from schemas.ids import digest
from schemas.outcome import Counts

TASKS = ("counting", "search", "charts", "geometry", "ingested")
RELATIONS = ("count", "attribute", "left_of", "value", "difference")
SPLITS = ("sft", "rl")


def samples(first: int, count: int) -> pa.Table:
    """Rows `first` to `first + count` of an endless table of samples; the same number is always the same row."""
    random = np.random.default_rng(first)

    def drawn(values: tuple[str, ...]) -> pa.Array:
        return pa.array(values).take(pa.array(random.integers(0, len(values), count)))

    numbers = range(first, first + count)
    known = {
        "sample_id": pa.array([digest(f"sample {number}".encode()) for number in numbers]),
        "image_ids": pa.array([[digest(f"image {number}".encode())] for number in numbers]),
        "question": pa.array([f"How many red circles are left of shape number {number % 977}?" for number in numbers]),
        "answer": pa.array([str(value) for value in random.integers(0, 20, count)]),
        "answer_type": drawn(("integer",)),
        "task": drawn(TASKS),
        "relation": drawn(RELATIONS),
        "dial": pa.array(random.integers(0, 4, count)),
        "domain": drawn(("natural", "drawn")),
        "source": drawn(tuple(f"source-{number:02d}" for number in range(20))),
        "license": drawn(("CC0-1.0", "CC-BY-4.0")),
        "program": pa.array([f'{{"objects":{number % 50},"seed":{number}}}' for number in numbers]),
    }
    schema = TABLES["samples"]
    return pa.table([known.get(field.name, pa.nulls(count, field.type)) for field in schema], schema=schema)


def build(root: Path, rows: int, parts: int, again: int = 0) -> Lake:
    """A lake with `rows` samples in `parts` parts, half of them made in each of two rounds, and curated in each.

    `again` rows of the second round are rows of the first, made once more: views show them once.
    """
    lake = Lake(root)
    run = start_run(lake.root, "benchmark", digest(b"benchmark"))
    size, half = rows // parts, parts // 2
    for number in (1, 2):
        starts = [((number - 1) * half + index) * size for index in range(half)]
        tables = [samples(start, size) for start in starts]
        if number == 2 and again:
            tables[0] = pa.concat_tables([samples(0, size).slice(0, again), tables[0].slice(again)])
        made = _stage(lake, f"synthesize {number}", "synthesize", "samples", tables)
        chosen = _stage(lake, f"curate {number}", "curate", "curated", [_curated(tables[0])], (made,))
        for node, stage, key in (("synthesize", "synthesize", made), ("curate", "curate", chosen)):
            run.plan(f"r{number}/{node}", round=number, stage=stage, key=key)
            with run.working(f"r{number}/{node}", key):
                pass
    run.finish("complete")
    return lake


def _curated(table: pa.Table) -> pa.Table:
    schema, count = TABLES["curated"], len(table)
    known = {
        "sample_id": table["sample_id"],
        "arm": pa.array(["curated"] * count),
        "split": pa.array([SPLITS[number % 2] for number in range(count)]),
    }
    return pa.table([known.get(field.name, pa.nulls(count, field.type)) for field in schema], schema=schema)


def _stage(lake: Lake, name: str, stage: str, table: str, tables: list[pa.Table], inputs: tuple[str, ...] = ()) -> str:
    """A finished stage that left these parts; returns its key."""
    key, files = digest(name.encode()), []
    for index, rows in enumerate(tables):
        path = lake.root / part_name(table, key, index)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, rows)
        files.append(describe(path, table, part_name(table, key, index), len(rows)))
    count = sum(map(len, tables))
    layout = {"part_rows": len(tables[0]), "wave_rows": 1}
    commit(
        lake.root,
        Manifest(key, stage, 1, {}, inputs, None, True, {}, layout, Counts(read=count, kept=count), tuple(files)),
    )
    return key
