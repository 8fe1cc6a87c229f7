"""Commands that look at data: query, show."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows import console
from flows.command_run import LAKE, AsJson, LakeFolder

if TYPE_CHECKING:
    import duckdb


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(query)
    app.command()(show)


def query(
    sql: Annotated[str, typer.Argument(help="One DuckDB statement over the catalog's views.")],
    lake: LakeFolder = LAKE,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Ask the catalog in SQL.

    Example: `evolens query "SELECT task, count(*) FROM samples GROUP BY task"`
    """
    with _catalog(lake) as connection:
        rows, names = _rows(connection, sql)
    if as_json:
        console.print_json(rows)
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, names)
        writer.writeheader()
        writer.writerows(rows)
    else:
        console.table(f"{len(rows)} rows", rows, names)


def show(
    sample_id: Annotated[str, typer.Argument(help="A sample id, or its first characters.")],
    lake: LakeFolder = LAKE,
    pictures: Annotated[Path | None, typer.Option(help="Write the pictures and tool results here as PNG.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one sample: question, traces, difficulty, influence, rewards.

    Example: `evolens show 3f2a --pictures pictures`
    """
    from flows.sample_view import SampleView

    with _catalog(lake) as connection:
        view = SampleView.find(connection, sample_id)
    if as_json:
        console.print_json(view.tables)
    else:
        view.print()
    if pictures is not None:
        for path in view.write_pictures(lake, pictures):
            console.err.print(f"wrote {path}")


def _catalog(lake: Path) -> duckdb.DuckDBPyConnection:
    import duckdb

    path = lake / "catalog.duckdb"
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no catalog; make one with `evolens catalog --lake {lake}`")
    return duckdb.connect(str(path), read_only=True)


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, values: list[Any] | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    result = connection.execute(sql, values or [])
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()], names
