"""`catalog.duckdb`: every table as typed SQL views. A cache of the lake: delete it, build it again, at any time.

`<table>` shows the newest complete run of each recipe, `all_<table>` every run; a run shows each stage key once, under
the first round that it served, however many rounds and nodes share it. All begin with `run_id`, `round`, `stage_key`.
Content-named tables (`tables.UNIQUE`) show a row once per run. `samples` ends with `split`: what the newest round's
curation made of the row (sft, rl, or null). `runs` has one row per run, round and stage. `stage_cost` sums `cost` over
the parts of each stage, and divides it by the rows that the stage kept. `packs` are the stored pictures. `reviews` are
the verdicts of people, each person's newest on a row; `all_reviews` those that were taken back, too. `macros` has the
common questions.

The catalog is built beside and swapped in, so an open shell keeps the one it has. Its paths are absolute: any folder
will do to open it; a lake that was moved needs `evolens catalog` once (`place` tells `flows.asking` where it was
built, so that `evolens query` need not wait for that). Its format is one that older shells read, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import duckdb
import pyarrow as pa

from pipelines.lake import files, macros, runs, tables
from pipelines.lake.lake import Lake
from pipelines.lake.manifest import Manifest
from schemas.arrow import PACK, REVIEW, TABLES
from schemas.outcome import Counts

NAME = "catalog.duckdb"
EXTRA = ("run_id", "round", "stage_key")
REPEATS = "_repeats"
"""The catalog's table of rows that views leave out, because an earlier row of the run has their name."""

FORMAT = "v1.2.0"
"""The oldest DuckDB that reads the file: a shell is seldom as new as the library."""

REVIEWS = "reviews"
"""The folder of what people said."""

STANDS = {"table_name": "VARCHAR", "run_id": "VARCHAR", "filename": "VARCHAR", "file_row_number": "BIGINT"}

_Place: TypeAlias = tuple[str, str]
"""Run and file."""


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
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH {tables.quote(str(temp))} AS lake (STORAGE_VERSION '{FORMAT}'); USE lake")
            connection.begin()  # one commit, not one per view
            _write_runs(connection, lake, found)
            connection.execute(
                f"CREATE TABLE {REPEATS} ({', '.join(f'{name} {kind}' for name, kind in STANDS.items())})"
            )
            for table in sorted(TABLES, key="samples".__eq__):  # samples last: its view reads curated
                hidden = _find_repeats(connection, lake, table, served)
                view = _view(lake, table, newest, hidden)
                connection.execute(f'CREATE VIEW "all_{table}" AS {_view(lake, table, served, hidden)}')
                connection.execute(f'CREATE VIEW "{table}" AS {_with_split(view) if table == "samples" else view}')
            for prefix in ("", "all_"):
                connection.execute(f"CREATE VIEW {prefix}stage_cost AS {_stage_cost(prefix)}")
            for name, sql in _plain(lake).items():
                connection.execute(f"CREATE VIEW {name} AS {sql}")
            connection.execute(f"CREATE VIEW place AS SELECT {tables.quote(str(lake.root))} AS root")
            for name in macros.MACROS:
                connection.execute(macros.create(name))
            connection.commit()
        temp.replace(target)
    finally:
        temp.unlink(missing_ok=True)
    return target


def run_views(lake: Lake, run: runs.Run) -> dict[str, str]:
    """Every table as this one run sees it, as SELECTs for `tables.connect`, with the columns of the catalog."""
    served = _served(lake, run)
    views = {table: _view(lake, table, served) for table in sorted(TABLES, key="samples".__eq__)}
    return {**views, "samples": _with_split(views["samples"]), **_plain(lake)}


def _plain(lake: Lake) -> dict[str, str]:
    """Views of files that belong to no stage: pictures, and reviews."""
    newest = (
        "SELECT * FROM all_reviews QUALIFY row_number() OVER (PARTITION BY queue, sample_id, shown_id, reviewer"
        " ORDER BY reviewed_at DESC, review_id) = 1"
    )
    return {
        "packs": _all(lake, "images/pack-*.parquet", PACK),
        "all_reviews": f"SELECT DISTINCT * FROM ({_all(lake, f'{REVIEWS}/*.parquet', REVIEW)})",
        "reviews": newest,
    }


def _all(lake: Lake, pattern: str, schema: pa.Schema) -> str:
    """A SELECT of every file of this pattern. They are named one by one, for a web server lists no folder."""
    names = ", ".join(f'"{name}"' for name in schema.names)
    if found := sorted(lake.root.glob(pattern)):
        return f"SELECT {names} FROM {tables.scan(found, alike=True)}"
    return f"SELECT {', '.join(tables.typed_null(field) for field in schema)} WHERE false"


def _served(lake: Lake, run: runs.Run) -> list[_Served]:
    first: dict[str, int] = {}
    for node in run.nodes.values():
        first[node.key] = min(node.round, first.get(node.key, node.round))
    manifests = [(number, lake.find(key)) for key, number in first.items()]
    return [_Served(run.run_id, number, manifest) for number, manifest in manifests if manifest]


def _find_repeats(
    connection: duckdb.DuckDBPyConnection, lake: Lake, table: str, served: Sequence[_Served]
) -> frozenset[_Place]:
    """Fill `_repeats` with the rows of a content-named table that a run made before; returns the files they are in.

    They are found once, here, so that no query has to look for them.
    """
    if table not in tables.UNIQUE:
        return frozenset()
    names = ", ".join(tables.UNIQUE[table])
    pieces = [
        f"SELECT {names}, filename, file_row_number, {_extra(each)} FROM {tables.scan(paths, filename=True)}"
        for each in served
        if (paths := _paths(lake, table, each))
    ]
    if not pieces:
        return frozenset()
    rows = f"({' UNION ALL '.join(pieces)})"
    sql = tables.repeats(table, rows, "round, filename, file_row_number", within=("run_id",))
    found = tables.frugal(duckdb.connect, lake.root / "_work", lambda reader: reader.sql(sql).to_arrow_table())
    connection.register("found", found)
    connection.execute(f"INSERT INTO {REPEATS} SELECT {tables.quote(table)}, * FROM found")
    connection.unregister("found")
    places = found.select(["run_id", "filename"]).group_by(["run_id", "filename"]).aggregate([])
    return frozenset(zip(*(column.to_pylist() for column in places.columns), strict=True))


def _view(lake: Lake, table: str, served: Sequence[_Served], hidden: frozenset[_Place] | None = None) -> str:
    """A SELECT of the table in these stages. `hidden` names the files whose repeats stand in `_repeats`; without it the
    SELECT needs no catalog, and finds the repeats itself.
    """
    pieces = [
        tables.empty_select(
            table,
            ("CAST(NULL AS VARCHAR) AS run_id", "CAST(NULL AS BIGINT) AS round", "CAST(NULL AS VARCHAR) AS stage_key"),
        )
    ]
    unique = table in tables.UNIQUE
    for each in served:
        paths = _paths(lake, table, each)
        marked = [path for path in paths if unique and (hidden is None or (each.run_id, str(path)) in hidden)]
        alike = hidden is not None and bool(paths) and tables.are_alike(paths)
        if plain := [path for path in paths if path not in marked]:
            pieces.append(f"SELECT *, {_extra(each)} FROM {tables.scan(plain, alike=alike)}")
        if marked:
            rows = f"SELECT *, {_extra(each)} FROM {tables.scan(marked, filename=True, alike=alike)}"
            if hidden is not None:
                known = f"table_name = {tables.quote(table)} AND run_id = {tables.quote(each.run_id)}"
                rows += f" ANTI JOIN (FROM {REPEATS} WHERE {known}) USING (filename, file_row_number)"
            pieces.append(rows)
    names = ", ".join(f'"{name}"' for name in [*EXTRA, *TABLES[table].names])
    union = f"({' UNION ALL BY NAME '.join(pieces)})"
    if not unique or hidden is not None or len(pieces) == 1:
        return f"SELECT {names} FROM {union}"
    again = tables.repeats(table, union, "round, filename, file_row_number", within=("run_id",))
    return f"SELECT {names} FROM {union} ANTI JOIN ({again}) USING (run_id, filename, file_row_number)"


def _paths(lake: Lake, table: str, each: _Served) -> list[Path]:
    return [lake.root / part.name for part in each.manifest.files(table)]


def _extra(each: _Served) -> str:
    """The columns of `EXTRA`, constant in one stage of one run."""
    run, key = tables.quote(each.run_id), tables.quote(each.manifest.key)
    return f"{run} AS run_id, {each.round}::BIGINT AS round, {key} AS stage_key"


def _with_split(samples: str) -> str:
    # FILTER, not WHERE: only then does DuckDB see that the join changes no row, and skip it where `split` is not asked
    splits = (
        "SELECT run_id, sample_id, max_by(split, round) FILTER (arm = 'curated') AS split FROM curated"
        " GROUP BY run_id, sample_id"
    )
    return f"SELECT s.*, c.split FROM ({samples}) s LEFT JOIN ({splits}) c USING (run_id, sample_id)"


def _stage_cost(prefix: str) -> str:
    counted = [name for name in TABLES["cost"].names if name not in ("stage", "part", "seconds", "host")]
    sums = ", ".join(f"coalesce(sum({name}), 0)::BIGINT AS {name}" for name in counted)
    kept = "SELECT run_id, stage_key, any_value(kept + children_kept) AS kept FROM runs GROUP BY run_id, stage_key"
    summed = f"SELECT run_id, round, stage, stage_key, sum(seconds) AS seconds, {sums} FROM {prefix}cost GROUP BY ALL"
    divided = ("seconds", "prompt_tokens", "completion_tokens", "cached", "retries")
    shares = ", ".join(f"{name} / nullif(kept, 0) AS {name}_per_kept" for name in divided)
    return f"SELECT *, {shares} FROM ({summed}) LEFT JOIN ({kept}) USING (run_id, stage_key)"


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
