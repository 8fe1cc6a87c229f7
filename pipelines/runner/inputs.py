"""The input of a stage, materialised once: ordered by id, ids distinct, one row group per part."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.lake import Lake, files, tables
from pipelines.stage import StageCall
from schemas.arrow import TABLES

BATCH_ROWS = 16_384
"""Rows that are held at once while the input is written."""


class BadInput(ValueError):
    """The input query of a stage does not give rows with distinct ids."""


def materialise(lake: Lake, call: StageCall, key: str, only: list[str] | None = None) -> dict[str, int]:
    """Write `_work/<key>/input.parquet`; returns how the stage is cut: part_rows, wave_rows, rows, parts.

    What an interrupted attempt wrote stands, with its cut, so that its finished parts fit. `only` restricts the rows
    to these ids. Raises `BadInput`, or what DuckDB or the stage's source raise.
    """
    work = lake.work(key)
    plan = work / "plan.json"
    if plan.exists():
        layout: dict[str, int] = json.loads(plan.read_text())
        return layout
    target = work / "input.parquet"
    temp = files.temporary(target, key)
    part_rows = None if call.stage.kind == "whole" else call.part_rows
    if call.stage.source is not None:
        rows, parts = _write_listed(lake, call, key, temp, part_rows, only)
    else:
        rows, parts = tables.frugal(
            partial(_upstream, lake, call),
            work,
            lambda connection: _write(_query(connection, call, only), temp, call, part_rows),
        )
    temp.replace(target)
    layout = {"part_rows": call.part_rows, "wave_rows": call.wave_rows, "rows": rows, "parts": parts}
    files.replace(plan, json.dumps(layout).encode(), key)
    return layout


def _upstream(lake: Lake, call: StageCall) -> duckdb.DuckDBPyConnection:
    """A database with the tables that the stage's query names."""
    named = [name for name in TABLES if re.search(rf"\b{name}\b", call.stage.sql)]
    return lake.connect(call.inputs, only=named)


def _query(connection: duckdb.DuckDBPyConnection, call: StageCall, only: list[str] | None) -> pa.RecordBatchReader:
    """The rows of the stage's query, sorted by id."""
    column = f'"{call.stage.id_column}"'
    chosen = ""
    if only is not None:
        connection.register("only_ids", pa.table({"id": pa.array(only, pa.string())}))
        chosen = f" WHERE {column}::VARCHAR IN (SELECT id FROM only_ids)"
    sql = f"SELECT * FROM ({call.stage.sql}){chosen} ORDER BY {column}"
    return connection.sql(sql, params=_bindings(call)).to_arrow_reader(BATCH_ROWS)


def _write_listed(
    lake: Lake, call: StageCall, key: str, path: Path, part_rows: int | None, only: list[str] | None
) -> tuple[int, int]:
    """Write the rows of the stage's source, sorted by id. Those of a reader of batches are never held all at once."""
    column = call.stage.id_column
    assert call.stage.source is not None
    found, wanted = call.stage.source(call.parameters), None if only is None else set(only)
    if not isinstance(found, pa.RecordBatchReader):
        rows = [row for row in found if wanted is None or str(row[column]) in wanted]
        table = pa.Table.from_pylist(rows).sort_by(column) if rows else pa.table({column: pa.array([], pa.string())})
        return _write(table.to_reader(), path, call, part_rows)
    listed = files.temporary(lake.work(key) / "listed.parquet", key)
    if _spill(found, listed, column, wanted):
        batches = pq.ParquetFile(listed).iter_batches(BATCH_ROWS)
        counts = _write(pa.RecordBatchReader.from_batches(found.schema, batches), path, call, part_rows)
    else:
        sql = f'SELECT * FROM {tables.scan([listed])} ORDER BY "{column}"'
        counts = tables.frugal(
            duckdb.connect,
            lake.work(key),
            lambda connection: _write(connection.sql(sql).to_arrow_reader(BATCH_ROWS), path, call, part_rows),
        )
    listed.unlink()
    return counts


def _spill(reader: pa.RecordBatchReader, path: Path, column: str, wanted: set[str] | None) -> bool:
    """Write the wanted rows to a file; returns whether their ids ascend already."""
    last, ascending = "", True
    with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for batch in reader:
            table = pa.Table.from_batches([batch])
            if wanted is not None:
                table = table.filter(pc.is_in(table[column], value_set=pa.array(sorted(wanted), pa.string())))
            ids = [last, *table[column].to_pylist()]
            ascending = ascending and ids == sorted(ids)
            last = ids[-1]
            writer.write_table(table)
    return ascending


def _bindings(call: StageCall) -> dict[str, Any]:
    values = call.parameters.model_dump(mode="json")
    return {name: values[name] for name in set(re.findall(r"\$([a-z_]\w*)", call.stage.sql))}


def _write(reader: pa.RecordBatchReader, path: Path, call: StageCall, part_rows: int | None) -> tuple[int, int]:
    """Write the rows with one row group per part; returns rows and parts."""
    seen: str | None = None
    rows = parts = 0
    with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for table in _cut(reader, part_rows):
            seen = _check_ids(table, call, seen)
            writer.write_table(table, row_group_size=max(len(table), 1))
            rows += len(table)
            parts += 1
    return rows, parts


def _cut(reader: pa.RecordBatchReader, part_rows: int | None) -> Iterator[pa.Table]:
    if part_rows is None:
        yield reader.read_all()
        return
    waiting = reader.schema.empty_table()
    for batch in reader:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
        while len(waiting) >= part_rows:
            yield waiting.slice(0, part_rows)
            waiting = waiting.slice(part_rows)
    if len(waiting):
        yield waiting


def _check_ids(table: pa.Table, call: StageCall, last: str | None) -> str | None:
    """Rows arrive sorted, so a repeated id stands beside itself."""
    stage = call.stage
    for value in table[stage.id_column].to_pylist():
        if value is None:
            raise BadInput(f"stage {stage.name}: an input row has no {stage.id_column}")
        if str(value) == last:
            raise BadInput(f"stage {stage.name}: {stage.id_column} {value} comes twice in the input")
        last = str(value)
    return last
