"""What the end-to-end tests share: one whole tiny round, and one Prefect server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import pytest

from tests.flows import rounds


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(recipe, lake) of a tiny round that the real command ran, watched from inside, with every socket but loopback
    refused.

    No Prefect server is given, so it starts one of its own. A DuckDB connection holds an earlier catalog open all the
    while. Tests only read it.
    """
    folder = tmp_path_factory.mktemp("round")
    recipe, lake, log = rounds.write_recipe(folder), folder / "lake", folder / "log.txt"
    from flows.engine import open_lake
    from pipelines.lake.catalog import build_catalog

    with duckdb.connect(str(build_catalog(open_lake(lake))), read_only=True) as held:
        arguments, environment = ("run", str(recipe), "--lake", str(lake)), rounds.watched(folder / "watch.jsonl")
        child = rounds.command(*arguments, log=log, environment=environment)
        assert child.wait(900) == 0, log.read_text()[-4000:]
        assert held.execute("SELECT count(*) FROM samples").fetchone() == (0,)
    return recipe, lake


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Prefect server, for PREFECT_API_URL: flows that join it need not start their own."""
    folder = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PREFECT_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    log = folder / "server.log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
    url = f"http://127.0.0.1:{port}/api"
    try:
        for _ in range(480):
            try:
                if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.5)
        else:
            pytest.fail(log.read_text()[-2000:])
        yield url
    finally:
        process.terminate()
        process.wait(30)
