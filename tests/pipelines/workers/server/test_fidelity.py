"""The law of pictures: no row sees a wrong, missing, moved or extra one, however many processes ask whatever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.pipelines.workers.server import rows

ROWS = int(os.environ.get("EVOLENS_FIDELITY_ROWS", "10000"))
SEED = 11


def ask_all(address: str, folder: Path, spans: list[range], out: Path) -> list[dict[str, int]]:
    """A process for each span, all at once."""
    command = [sys.executable, "-m", "tests.pipelines.workers.server.rows", address, str(folder), str(SEED)]
    told = [out / f"told-{number}.json" for number in range(len(spans))]
    processes = [
        subprocess.Popen([*command, str(span.start), str(span.stop), str(path)])
        for span, path in zip(spans, told, strict=True)
    ]
    assert [process.wait(600) for process in processes] == [0] * len(spans)
    return [json.loads(path.read_text()) for path in told]


def test_ten_thousand_rows_see_their_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLENS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder, port = tmp_path / "pictures", tmp_path / "port"
    folder.mkdir()
    rows.draw(folder, SEED)
    server = subprocess.Popen([sys.executable, "-m", "tests.pipelines.workers.server.echo", str(port), "305"])
    try:
        while not port.exists():
            assert server.poll() is None
            time.sleep(0.05)
        address = f"http://127.0.0.1:{port.read_text()}"
        third = ROWS // 3
        spans = [range(third + ROWS // 10), range(third, 2 * third), range(2 * third, ROWS)]  # the first two overlap
        told = ask_all(f"{address}/v1", folder, spans, tmp_path)
        counts = json.loads(urllib.request.urlopen(f"{address}/counts").read())
        (again,) = ask_all(f"{address}/v1", folder, [range(ROWS)], tmp_path)
        after = json.loads(urllib.request.urlopen(f"{address}/counts").read())
    finally:
        server.kill()
        server.wait()
    print(told, counts, again)
    asked = sum(map(len, spans))
    assert sum(each["right"] for each in told) == asked
    assert not any(each["wrong"] or each["failed"] for each in told)
    assert again["right"] == again["cached"] == ROWS  # who comes later sees the same, and nothing is asked again
    assert after == counts
    assert sum(each["pictures"] for each in told) > 2.9 * asked
    # The test has seen what it is about: names that were held, that were lost, and answers that others had paid for.
    assert counts["named"] > ROWS / 3 and counts["missed"] > ROWS / 500
    assert sum(each["cached"] for each in told) >= ROWS / 10
