"""The run that a report tells of, and SQL over its tables. No row is loaded that a question did not ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.lake import Lake, runs
from pipelines.lake.manifest import Manifest

if TYPE_CHECKING:
    import duckdb

THESE = "sample_id IN (SELECT unnest(?::VARCHAR[]))"
"""The condition of a question for `Source.about`."""

MEMORY = "2GB"
"""What DuckDB may hold; past that it uses the disk."""


class NoRun(LookupError):
    """The lake holds no run, or none of the wanted id."""


@dataclass(frozen=True)
class Source:
    """One run: its record, the manifests of its finished nodes by node name, and a connection to its tables."""

    lake: Lake
    run: runs.Run
    manifests: dict[str, Manifest]
    connection: duckdb.DuckDBPyConnection

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """The rows that answer one question, as mappings."""
        result = self.connection.execute(sql, list(values))
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def about(self, sql: str, ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Rows by `sample_id`, for a question whose one `?` is the list of ids: one scan for all of them."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows(sql, list(ids)):
            found.setdefault(row["sample_id"], []).append(row)
        return found

    def one(self, sql: str, *values: Any) -> Any:
        """The first value of the only row."""
        row = self.connection.execute(sql, list(values)).fetchone()
        return row[0] if row else None


def wanted_run(lake: Lake, run_id: str | None) -> runs.Run:
    """The run of this id (or its first characters); without one the newest complete run, else the newest of all.

    Raises `NoRun`.
    """
    known = runs.list_runs(lake.root)
    if not known:
        raise NoRun(f"{lake.root}: no run yet; `evolens run --lake {lake.root}` makes one")
    if run_id is None:
        complete = [run for run in known if run.status == "complete"]
        return (complete or known)[-1]
    found = [run for run in known if run.run_id.startswith(run_id)]
    if len(found) != 1:
        near = ", ".join(run.run_id for run in (found or known)[-5:])
        raise NoRun(f"run {run_id!r}: {'several runs start so' if found else 'there is no such run'}; known: {near}")
    return found[0]


@contextmanager
def open_run(lake: Lake, run_id: str | None = None) -> Iterator[Source]:
    """A run of the lake, ready to be asked. Reads the manifests, never `catalog.duckdb`: a lake may have been moved.

    Raises `NoRun`, and `Damaged` when a part is missing or of another size than its manifest says.
    """
    from pipelines.lake import macros, tables
    from pipelines.lake.catalog import run_views

    run = wanted_run(lake, run_id)
    found = {node.name: manifest for node in run.nodes.values() if (manifest := lake.find(node.key))}
    for manifest in found.values():
        lake.check_sizes(manifest)
    with tables.connect(run_views(lake, run)) as connection:
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute(macros.create("drift"))
        yield Source(lake, run, found, connection)
