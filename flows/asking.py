"""Opening a lake's catalog for SQL, wherever the lake is: this disk, another folder than it was built in, or a URL.

A catalog names its files by where it was built. Where that is not where it stands, the views that a question needs are
made again in memory with the new place. Over HTTP and from object stores files are read through fsspec, so no
extension of DuckDB has to be downloaded.
"""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

NAME = "catalog.duckdb"


class BadQuery(ValueError):
    """SQL that the catalog cannot answer, told in one line."""


def is_remote(lake: str | Path) -> bool:
    """Whether a lake is named by a URL: http://, s3://, gs://, memory://."""
    return "://" in str(lake)


@contextmanager
def open_catalog(lake: str | Path, sql: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose views are the lake's. Elsewhere than where it was built only those that `sql` names are there.

    Raises `FileNotFoundError` where there is no catalog, and `ValueError` for a URL that cannot be read.
    """
    import duckdb

    if is_remote(lake):
        url = str(lake).rstrip("/")
        with tempfile.TemporaryDirectory(prefix="evolens-") as folder, duckdb.connect() as connection:
            path = Path(folder) / NAME
            _register(connection, url, path)
            _move(connection, path, "dir:/", sql)
            yield connection
        return
    path = Path(lake).absolute() / NAME
    if not path.exists():
        raise FileNotFoundError(
            f"{Path(lake) / NAME}: there is no catalog; make one with `evolens catalog --lake {lake}`"
        )
    with duckdb.connect(str(path), read_only=True) as connection:
        if _built_at(connection) in (None, str(path.parent)):
            yield connection
            return
    with duckdb.connect() as connection:
        _move(connection, path, str(path.parent), sql)
        yield connection


def explain(error: Exception, names: Mapping[str, list[str]]) -> str:
    """An error of DuckDB as one line, with what was probably meant; `names` are the catalog's tables with columns."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    said = re.sub(r"^[A-Z]\w* Error: ", "", lines[0]).rstrip(" !.")
    if macro := next((line.strip() for line in lines if re.fullmatch(r"\t\w+\(.*\)", line)), None):
        return f"{said.split('. ')[0]}; it is called as {macro}"
    wrong = re.search(r'(?:Table with name|Referenced column|column named|Function with name) "?(\w+)"?', said)
    if not wrong:
        near = next((line.partition(": ")[2] for line in lines if line.startswith("LINE ")), "")
        return f"{said}, in: {near}" if near else said
    word, kind = wrong[1].lower(), wrong[0]
    if "olumn" in kind:
        held = sorted(name for name, columns in names.items() if word in columns and not name.startswith("all_"))
        if held:
            return f"{said}; {word} is a column of {', '.join(held[:6])}"
        known = {column for columns in names.values() for column in columns}
    else:
        known = {*names, *_macros()} if "Scalar" not in kind else set()
    near_by = difflib.get_close_matches(word, sorted(known), 3, 0.6)
    return f"{said}; did you mean {', '.join(near_by)}?" if near_by else said


def columns_of(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Tables, views and their columns."""
    rows = connection.execute(
        "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() WHERE NOT internal GROUP BY 1"
    ).fetchall()
    return {str(name): list(columns) for name, columns in rows}


def _built_at(connection: duckdb.DuckDBPyConnection) -> str | None:
    found = connection.execute("SELECT count(*) FROM duckdb_views() WHERE view_name = 'place'").fetchone()
    if not found or not found[0]:
        return None
    row = connection.execute("SELECT root FROM place").fetchone()
    return str(row[0]) if row else None


def _register(connection: duckdb.DuckDBPyConnection, url: str, path: Path) -> None:
    """Show the connection what stands under the URL as `dir://…`, and fetch the catalog to `path`."""
    import fsspec
    from fsspec.implementations.cached import SimpleCacheFileSystem
    from fsspec.implementations.dirfs import DirFileSystem

    class Files(DirFileSystem):
        """The lake's files by their names in it, which never change: DuckDB asks when they last did."""

        def modified(self, path: str) -> datetime:
            return datetime(1970, 1, 1, tzinfo=UTC)

    address = f"{url}/{NAME}"
    try:
        system, base = fsspec.core.url_to_fs(url)
        system.get_file(f"{base}/{NAME}", str(path))
    except (ImportError, ValueError) as error:
        raise ValueError(f"{url}: {error}") from error
    except OSError as error:
        raise FileNotFoundError(f"{address}: there is no catalog to read ({type(error).__name__}: {error})") from error
    if url.startswith("http") and not _sends_pieces(address):  # then a file is fetched whole, once
        system = SimpleCacheFileSystem(fs=system, cache_storage=str(path.parent / "files"))
    connection.register_filesystem(Files(path=base, fs=system))


def _sends_pieces(address: str) -> bool:
    """Whether the server sends a piece of a file when asked for one."""
    import httpx

    with httpx.stream("GET", address, headers={"Range": "bytes=0-15"}, follow_redirects=True, timeout=30) as answer:
        return answer.status_code == 206


def _move(connection: duckdb.DuckDBPyConnection, path: Path, root: str, sql: str) -> None:
    """Make the views, tables and macros of a catalog that `sql` needs, with its files under `root`."""
    quoted = str(path).replace("'", "''")
    connection.execute(f"ATTACH '{quoted}' AS built (READ_ONLY)")
    row = connection.execute("SELECT root FROM built.place").fetchone()
    built = str(row[0]) if row else ""
    made = "SELECT view_name, sql FROM duckdb_views() WHERE database_name = 'built' AND NOT internal"
    known: dict[str, str] = dict(connection.execute(made).fetchall())
    for (table,) in connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'built'"
    ).fetchall():
        known[table] = f'CREATE TABLE "{table}" AS FROM built."{table}"'
    macros = _macros()
    known |= macros
    words = _closure(known, sql)
    order = [name for name in known if name in words and name not in macros]
    waiting = order + [name for name in macros if name in words]
    while waiting:
        later = []
        for name in waiting:
            needs = {word for word in _words(known[name]) if word in words and word != name}
            if needs & set(waiting):
                later.append(name)
                continue
            connection.execute(known[name].replace(f"'{built}/", f"'{root}/").replace(f"'{built}'", f"'{root}'"))
        if len(later) == len(waiting):
            raise BadQuery(f"the catalog's views need each other: {', '.join(later)}")
        waiting = later


def _macros() -> dict[str, str]:
    from pipelines.lake import macros

    return {name: macros.create(name) for name in macros.MACROS}


def _closure(known: Mapping[str, str], sql: str) -> set[str]:
    found: set[str] = set()
    todo = _words(sql) & known.keys() or set(known)
    while todo:
        name = todo.pop()
        found.add(name)
        todo |= (_words(known[name]) & known.keys()) - found
    return found


def _words(sql: str) -> set[str]:
    return {word.lower() for word in re.findall(r"\w+", re.sub(r"'[^']*'", "''", sql))}
