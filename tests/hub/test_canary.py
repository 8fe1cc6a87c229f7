"""A key and a token, used throughout a round and a push that both fail, are nowhere afterwards.

The model server and the Hub quote what they were shown in their errors, and tracebacks are on.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from flows.report.page import write_report
from pipelines.lake import Lake
from pipelines.lake.runs import Run, list_runs
from tests.flows import rounds
from tests.hub.conftest import TOKEN
from tests.hub.repos import Trouble
from tests.hub.scan import places
from tests.hub.server import Hub

KEY = "sk-canaryKEYcanaryKEY9876543210canary"
RECIPE = """
name: {{name}}
policy:
  url: "openai:{url}/v1"
  model: m
  revision: one
  weights: "local:seedling"
  api_key_env: CANARY_KEY
  options: {{{{attempts: 1}}}}
embedder: null
tasks: [{{{{task: counting, count: 4}}}}]
banks: {{{{counting: {{{{task: counting, count: 2}}}}}}}}
targets: {{{{target: {{{{task: counting, count: 2}}}}}}}}
"""


class Rude(BaseHTTPRequestHandler):
    """Answers no question, and says to whom it did not."""

    protocol_version = "HTTP/1.1"
    shown: list[str | None] = []  # noqa: RUF012 - one test reads it

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.shown.append(self.headers["Authorization"])
        said = json.dumps({"error": {"message": f"no such key: {self.headers['Authorization']}"}}).encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def rude() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Rude)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_failing_round_and_a_failing_push_keep_no_secret(hub: Hub, stored: tuple[Lake, Run], tmp_path: Path) -> None:
    folders = {name: tmp_path / name.lower() for name in ("HOME", "TMPDIR", "PREFECT_HOME", "HF_HOME", "EVOLENS_CACHE")}
    for folder in folders.values():
        folder.mkdir()
    environment = {
        **os.environ,
        **{name: str(folder) for name, folder in folders.items()},
        "CANARY_KEY": KEY,
        "HF_TOKEN": TOKEN,
        "EVOLENS_DEBUG": "1",
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    lake, log = tmp_path / "lake", tmp_path / "log.txt"
    with rude() as url:
        recipe = rounds.write_recipe(tmp_path, "failing", RECIPE.format(url=url))
        child = rounds.command("run", str(recipe), "--lake", str(lake), log=log, environment=environment)
        assert child.wait(300) != 0
    assert set(Rude.shown) == {f"Bearer {KEY}"}
    assert "no such key: Bearer <key>" in log.read_text(), log.read_text()[-3000:]
    assert [run.status for run in list_runs(lake)] == ["failed"], log.read_text()[-3000:]
    write_report(Lake(lake), tmp_path / "report.html", list_runs(lake)[0].run_id)

    hub.troubles = [Trouble("POST .*/commit/", "status", times=1, status=403)]
    online = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_ENDPOINT": hub.url, "HF_DEBUG": "1"}
    words = [sys.executable, "-m", "flows.cli", "push", "me/curated", "--lake", str(stored[0].root)]
    with log.open("a") as stream:
        code = subprocess.run(
            words, env={**environment, **online}, stdout=stream, stderr=stream, check=False
        ).returncode
    assert code == 1 and hub.met["status"] == 1
    assert "failed with Bearer <token>" in log.read_text()

    assert (folders["PREFECT_HOME"] / "prefect.db").is_file()
    assert list(lake.rglob("*.parquet"))
    assert places(tmp_path, (KEY, TOKEN)) == []
    assert places(stored[0].root.parent, (KEY, TOKEN)) == []


def test_the_search_finds_what_is_hidden(tmp_path: Path) -> None:
    pq.write_table(pa.table({"said": [f"Bearer {KEY} " * 50]}), tmp_path / "a.parquet", compression="zstd")
    with sqlite3.connect(tmp_path / "b.db") as database:
        database.execute("CREATE TABLE logs (message TEXT)")
        database.execute("INSERT INTO logs VALUES (?)", [("x" * 4040) + KEY + "x" * 9000])
    (tmp_path / "c.bin").write_bytes(KEY.encode().hex().encode())
    (tmp_path / "d.txt").write_text("nothing")
    found = places(tmp_path, (KEY,))
    assert {each.split(":")[0] for each in found} == {"a.parquet", "b.db", "c.bin"}
    assert "a.parquet: column said" in found and "b.db: table logs" in found
