"""Tables as SQL: typed views over the parts that manifests list, empty ones included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.arrow import TABLES

Result = TypeVar("Result")

MEMORY = ("80MB", "1GB")
"""What DuckDB may hold where the input of a stage is sorted and where repeated rows are looked for: first the one, and
where a query cannot do with it the other. Sorting a million samples needs no more than the first.
"""

UNIQUE: dict[str, tuple[str, ...]] = {
    "images": ("image_id",),
    "samples": ("sample_id",),
    "traces": ("trace_id",),
    "rollouts": ("rollout_id",),
    "tree_nodes": ("node_id",),
    "captions": ("caption_id",),
    "injections": ("injection_id",),
    "embeddings": ("image_id", "embedder"),
    "banks": ("bank", "sample_id"),
    "lineage": ("child_id", "parent_id", "relation", "stage"),
}
"""Tables whose rows are named by their content: two rows of one name are one row, and views show it once.

The same picture may come from two parts, the same sample from two seeds; no part can know what another one writes.
"""


def sql_type(kind: pa.DataType) -> str:
    """The DuckDB type of an Arrow type."""
    if pa.types.is_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return "STRUCT(" + ", ".join(f'"{field.name}" {sql_type(field.type)}' for field in kind) + ")"
    names = {
        "string": "VARCHAR",
        "binary": "BLOB",
        "int64": "BIGINT",
        "double": "DOUBLE",
        "float": "FLOAT",
        "bool": "BOOLEAN",
    }
    return names[str(kind)]


def typed_null(field: pa.Field[pa.DataType]) -> str:
    """A column of no value, of the field's name and type."""
    return f'CAST(NULL AS {sql_type(field.type)}) AS "{field.name}"'


def empty_select(table: str, extra: Sequence[str] = ()) -> str:
    """A SELECT of no rows with the table's typed columns, then `extra` (already typed) expressions."""
    columns = [typed_null(field) for field in TABLES[table]]
    return f"SELECT {', '.join([*columns, *extra])} WHERE false"


def scan(paths: Sequence[Path], filename: bool = False, alike: bool = False) -> str:
    """`read_parquet(…)` over these files; `filename` adds the columns that say where a row stood.

    Where the files are `alike`, a query need not look at all of them before it starts.
    """
    listed = ", ".join(quote(str(path)) for path in paths)
    extra = ", filename = true, file_row_number = true" if filename else ""
    return f"read_parquet([{listed}], union_by_name = {str(not alike).lower()}{extra})"


def are_alike(paths: Sequence[Path]) -> bool:
    """Whether these files have the same columns: not so where an older version wrote some of them."""
    return len({_columns(path) for path in paths}) == 1


@lru_cache(maxsize=100_000)
def _columns(path: Path) -> tuple[str, ...]:
    return tuple(pq.read_schema(path).names)  # parts never change


def select(table: str, paths: Sequence[Path]) -> str:
    """A SELECT of the table's rows in these parts, each row of a content-named table once (see `UNIQUE`)."""
    empty = empty_select(table)
    if not paths:
        return empty
    columns = ", ".join(f'"{name}"' for name in TABLES[table].names)
    if table not in UNIQUE:
        return f"SELECT {columns} FROM ({empty} UNION ALL BY NAME SELECT * FROM {scan(paths)})"
    rows = scan(paths, filename=True)
    again = repeats(table, rows, "filename, file_row_number")
    first = f"SELECT * FROM {rows} ANTI JOIN ({again}) USING (filename, file_row_number)"
    return f"SELECT {columns} FROM ({empty} UNION ALL BY NAME {first})"


def repeats(table: str, rows: str, order: str, within: Sequence[str] = ()) -> str:
    """A SELECT of where those rows stand (`within`, filename, file_row_number) whose name came before in this order.

    `rows` stands after FROM, and is read twice: a window over all columns of all rows would hold the table in memory,
    while names that come again are few, and are found by a hash of 8 bytes a row.
    """
    names = ", ".join([*within, *UNIQUE[table]])
    several = f"SELECT hash({names}) AS name FROM {rows} GROUP BY name HAVING count(*) > 1"
    return (
        f"SELECT {', '.join([*within, 'filename', 'file_row_number'])} FROM {rows} WHERE hash({names}) IN ({several})"
        f" QUALIFY row_number() OVER (PARTITION BY {names} ORDER BY {order}) > 1"
    )


def connect(views: dict[str, str]) -> duckdb.DuckDBPyConnection:
    """A fresh in-memory database with these views (name → SELECT)."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'; SET python_enable_replacements = false")
    for name, sql in views.items():
        connection.execute(f'CREATE VIEW "{name}" AS {sql}')
    return connection


def frugal(
    connect: Callable[[], duckdb.DuckDBPyConnection], folder: Path, ask: Callable[[duckdb.DuckDBPyConnection], Result]
) -> Result:
    """What `ask` returns for a connection that works in `MEMORY`, and in `folder` on disk with what that cannot hold.

    A query that DuckDB cannot spill (a list of everything, say) is asked at last of a connection without a bound.
    """
    for bound in MEMORY:
        with connect() as connection:  # one thread, for each needs buffers of its own
            spill = quote(str(folder))
            connection.execute(f"SET memory_limit = '{bound}'; SET threads = 1; SET temp_directory = {spill}")
            try:
                return ask(connection)
            except (duckdb.OutOfMemoryException, OSError) as error:  # the latter where Arrow passes it on
                if "Out of Memory" not in str(error):
                    raise
    with connect() as connection:
        return ask(connection)


def quote(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
