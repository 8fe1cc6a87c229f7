"""The command that asks in SQL: query."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows import console
from flows.command_run import AsJson

if TYPE_CHECKING:
    import duckdb

Place = Annotated[str, typer.Option("--lake", help="The lake's folder, or its URL.")]

ROWS = 200
"""How many rows a table on the screen shows."""

NARROW = 14
"""What a column may be cut to. Where that is not enough, a table would say nothing."""

SUFFIXES = (".parquet", ".csv", ".json")


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(query)


def query(
    sql: Annotated[str, typer.Argument(help="One DuckDB statement over the catalog's views and macros.")],
    lake: Place = "lake",
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write a file instead: .parquet, .csv or .json by its name.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows that a table on the screen shows.")] = ROWS,
) -> None:
    """Ask the catalog in SQL. The lake may stand behind a URL; docs/queries.md has questions worth asking.

    Example: `evolens query "SELECT task, count(*) FROM samples GROUP BY task"`
    """
    import duckdb

    from flows.asking import BadQuery, columns_of, explain, open_catalog

    if out is not None and out.suffix not in SUFFIXES:
        raise typer.BadParameter(f"--out {out}: its name should end with {', '.join(SUFFIXES)}")
    with open_catalog(lake, sql) as connection:
        try:
            if out is not None:
                _write(connection, sql, out, as_json=as_json)
                return
            result = connection.execute(sql)
            names = [column[0] for column in result.description or ()]
            rows = result.fetchall() if as_json or as_csv else result.fetchmany(limit + 1)
        except duckdb.Error as error:
            raise BadQuery(explain(error, columns_of(connection))) from error
    if as_json:
        console.print_json([dict(zip(names, map(_plain, row), strict=True)) for row in rows])
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(names)
        writer.writerows([_text(value) for value in row] for row in rows)
    else:
        _print(names, rows, limit)


def _print(names: list[str], rows: list[tuple[Any, ...]], limit: int) -> None:
    """A table where all columns find room, cut where they must be; else each row down the screen, as a list."""
    whole = [["NULL" if value is None else _line(value) for value in row] for row in rows[:limit]]
    room = console.out.width
    widths = fit([max(map(len, column)) for column in zip(names, *whole, strict=True)], room)
    longest = max(map(len, names), default=0)
    limits = widths or [max(room - longest - 2, NARROW)] * len(names)
    shown = [[_cut(text, most) for text, most in zip(row, limits, strict=True)] for row in whole]
    said = f"the first {limit} rows; --limit shows more" if len(rows) > limit else f"{len(rows)} rows"
    if widths:
        right = [all(isinstance(row[place], int | float | None) for row in rows) for place in range(len(names))]
        console.grid(said, [_cut(name, most) for name, most in zip(names, widths, strict=True)], shown, right)
    else:
        for number, row in enumerate(shown, 1):
            console.out.print(f"[dim]row {number}[/dim]")
            for name, text in zip(names, row, strict=True):
                console.out.print(f"{name:<{longest}}  {text}", markup=False)
        console.out.print(f"[bold]{said}[/bold]")
    cut = sum(
        short != text for row, full in zip(shown, whole, strict=True) for short, text in zip(row, full, strict=True)
    )
    if cut:
        console.err.print(f"[dim]{cut} values are cut to fit; --json, --csv and --out give them whole[/dim]")


def fit(widths: list[int], room: int) -> list[int] | None:
    """Column widths that fit in `room`, two blanks between: the widest give way. None where `NARROW` is too wide."""
    left = room - 2 * (len(widths) - 1)
    if sum(min(width, NARROW) for width in widths) > left:
        return None
    for most in range(max(widths, default=0), 0, -1):
        if sum(min(width, most) for width in widths) <= left:
            return [min(width, most) for width in widths]
    return widths


def _line(value: Any) -> str:
    text = _text(value)
    return f"{text:.4g}" if isinstance(text, float) else str(text).replace("\n", "⏎")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _write(connection: duckdb.DuckDBPyConnection, sql: str, out: Path, *, as_json: bool) -> None:
    from pipelines.lake.tables import quote

    options = {".parquet": "FORMAT parquet", ".csv": "FORMAT csv, HEADER", ".json": "FORMAT json"}[out.suffix]
    question = sql.strip().rstrip(";")
    if out.suffix == ".parquet":
        seen = connection.execute(f"DESCRIBE {question}").fetchall()
        if features := _features({str(row[0]): str(row[1]) for row in seen}):
            options += f", ROW_GROUP_SIZE 2048, KV_METADATA {{huggingface: {quote(json.dumps(features))}}}"
    found = connection.execute(f"COPY ({question}) TO {quote(str(out))} ({options})").fetchone()
    count = found[0] if found else 0
    if as_json:
        console.print_json({"path": str(out), "rows": count, "bytes": out.stat().st_size})
    else:
        console.out.print(f"wrote {out}: {count:,} rows, {out.stat().st_size / 1e6:.1f} MB")


PICTURE = 'STRUCT(bytes BLOB, "path" VARCHAR)'


def _features(kinds: dict[str, str]) -> dict[str, Any] | None:
    """What `datasets` must be told to show pictures as pictures; None where there are none."""
    plain = {kind.replace('"', "").removesuffix("[]") for kind in kinds.values()}
    if PICTURE.replace('"', "") not in plain:
        return None
    found: dict[str, Any] = {}
    for name, kind in kinds.items():
        item = _feature(kind.replace('"', "").removesuffix("[]"))
        found[name] = {"feature": item, "_type": "List"} if kind.endswith("[]") else item
    return {"info": {"features": found}}


def _feature(kind: str) -> dict[str, Any]:
    names = {"VARCHAR": "string", "BIGINT": "int64", "INTEGER": "int32", "DOUBLE": "float64", "BOOLEAN": "bool"}
    if kind == PICTURE.replace('"', ""):
        return {"_type": "Image"}
    if kind not in names:
        raise ValueError(f"a column of type {kind} beside pictures: cast it to VARCHAR, so that `datasets` can read it")
    return {"dtype": names[kind], "_type": "Value"}


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: bytes are counted."""
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _text(value: Any) -> Any:
    """A value as one cell: lists and structs as JSON, nothing as nothing."""
    plain = _plain(value)
    return json.dumps(plain, ensure_ascii=False, default=str) if isinstance(plain, list | dict) else plain
