"""Tables as SQL: work in little memory."""

from pathlib import Path

import duckdb
import pytest

from pipelines.lake import tables


def test_a_query_spills_where_it_can_and_is_asked_again_where_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []

    def ask(sql: str) -> list[tuple[object, ...]]:
        def on(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
            limits.append(connection.execute("SELECT current_setting('memory_limit')").fetchall()[0][0])
            return connection.execute(sql).fetchall()

        return tables.frugal(duckdb.connect, tmp_path / "spilled", on)

    rows = "SELECT n, repeat('x', 100) || n AS text FROM range(1_000_000) t(n) ORDER BY hash(n)"
    assert ask(f"SELECT count(DISTINCT text[1:50]), max(n) FROM ({rows} LIMIT 999_999)") == [(1, 999_999)]
    assert len(limits) == 1
    monkeypatch.setattr(tables, "MEMORY", (*tables.MEMORY[:1], "90MB"))
    assert ask("SELECT len(list(n)) FROM range(20_000_000) t(n)") == [(20_000_000,)]
    assert limits[0] == limits[1] and len(set(limits)) == 3
