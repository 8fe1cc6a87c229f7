"""`catalog.duckdb`: every table as typed SQL views. A cache of the lake: delete it, build it again, at any time.

`<table>` shows the newest complete run of each recipe, `all_<table>` every run; a run shows each stage key once, under
the first round that it served, however many rounds and nodes share it. All begin with `run_id`, `round`, `stage_key`.
Content-named tables (`tables.UNIQUE`) show a row once per run. `samples` ends with `split`: what the newest round's
curation made of the row (sft, rl, or null). `runs` has one row per run, round and stage.

The catalog is built beside and swapped in, so an open shell keeps the one it has. Its paths are absolute: any folder
will do to open it; a lake that was moved needs `evolens catalog` once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipelines.lake import files, runs, tables
from pipelines.lake.lake import Lake
from pipelines.lake.manifest import Manifest
from schemas.arrow import TABLES
from schemas.outcome import Counts

NAME = "catalog.duckdb"
EXTRA = ("run_id", "round", "stage_key")


@dataclass(frozen=True)
class _Served:
    """A finished stage as one run used it."""

    run_id: str
    round: int
    manifest: Manifest


def build_catalog(lake: Lake) -> Path:
    """Build the catalog of a lake and swap it in; returns its path."""
    target = lake.root / NAME
    temp = files.temporary(target, "catalog")
    found = runs.list_runs(lake.root)
    current = set(runs.refs(lake.root).values())
    served = [each for run in found for each in _served(lake, run)]
    newest = [each for each in served if each.run_id in current]
    try:
        with duckdb.connect(str(temp)) as connection:
            connection.begin()  # one commit, not one per view
            _write_runs(connection, lake, found)
            for table in sorted(TABLES, key="samples".__eq__):  # samples last: its view reads curated
                view = _view(lake, table, newest)
                connection.execute(f'CREATE VIEW "all_{table}" AS {_view(lake, table, served)}')
                connection.execute(f'CREATE VIEW "{table}" AS {_with_split(view) if table == "samples" else view}')
            connection.commit()
        temp.replace(target)
    finally:
        temp.unlink(missing_ok=True)
    return target


def _served(lake: Lake, run: runs.Run) -> list[_Served]:
    first: dict[str, int] = {}
    for node in run.nodes.values():
        first[node.key] = min(node.round, first.get(node.key, node.round))
    manifests = [(number, lake.find(key)) for key, number in first.items()]
    return [_Served(run.run_id, number, manifest) for number, manifest in manifests if manifest]


def _view(lake: Lake, table: str, served: Sequence[_Served]) -> str:
    pieces = [
        tables.empty_select(
            table,
            ("CAST(NULL AS VARCHAR) AS run_id", "CAST(NULL AS BIGINT) AS round", "CAST(NULL AS VARCHAR) AS stage_key"),
        )
    ]
    for each in served:
        paths = [lake.root / part.name for part in each.manifest.files(table)]
        if paths:
            pieces.append(
                f"SELECT *, {tables.quote(each.run_id)} AS run_id, {each.round}::BIGINT AS round,"
                f" {tables.quote(each.manifest.key)} AS stage_key FROM {tables.scan(paths, filename=True)}"
            )
    names = [*EXTRA, *TABLES[table].names]
    columns = ", ".join(f'"{name}"' for name in names)
    union = " UNION ALL BY NAME ".join(pieces)
    unique = tables.UNIQUE.get(table)
    if unique is None or len(pieces) == 1:
        return f"SELECT {columns} FROM ({union})"
    order = "round, filename, file_row_number"
    return (
        f"SELECT {columns} FROM ({union})"
        f" QUALIFY row_number() OVER (PARTITION BY run_id, {', '.join(unique)} ORDER BY {order}) = 1"
    )


def _with_split(samples: str) -> str:
    splits = (
        "SELECT run_id, sample_id, max_by(split, round) AS split FROM curated WHERE arm = 'curated'"
        " GROUP BY run_id, sample_id"
    )
    return f"SELECT s.*, c.split FROM ({samples}) s LEFT JOIN ({splits}) c USING (run_id, sample_id)"


def _write_runs(connection: duckdb.DuckDBPyConnection, lake: Lake, found: Sequence[runs.Run]) -> None:
    counts = list(Counts.__dataclass_fields__)
    connection.execute(
        "CREATE TABLE runs (run_id VARCHAR, recipe VARCHAR, recipe_hash VARCHAR, status VARCHAR, started VARCHAR,"
        " ended VARCHAR, node VARCHAR, round BIGINT, stage VARCHAR, stage_key VARCHAR, node_status VARCHAR,"
        f" node_started VARCHAR, node_ended VARCHAR, {', '.join(f'{name} BIGINT' for name in counts)})"
    )
    rows = []
    for run in found:
        for node in run.nodes.values():
            manifest = lake.find(node.key)
            ways = manifest.counts.as_dict() if manifest else dict.fromkeys(counts)
            head = [run.run_id, run.recipe, run.recipe_hash, run.status, run.started, run.ended]
            rows.append(
                [
                    *head,
                    node.name,
                    node.round,
                    node.stage,
                    node.key,
                    node.status,
                    node.started,
                    node.ended,
                    *ways.values(),
                ]
            )
    if rows:
        connection.executemany(f"INSERT INTO runs VALUES ({', '.join('?' * len(rows[0]))})", rows)
