"""Nothing reports home: seen from inside the processes of the real command, in an environment that says nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.flows import rounds

TOLD = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
}


def test_a_round_tells_every_library_before_it_is_imported_and_reaches_for_nothing(
    finished: tuple[Path, Path],
) -> None:
    seen = events(finished[0].parent / "watch.jsonl")
    first = seen[0]
    assert first["event"] == "start" and "flows.cli" in first["what"]
    assert set(first["told"]) == set(TOLD) and set(first["told"].values()) == {None}  # we start untold
    assert {line["what"] for line in seen if line["event"] == "start" and "uvicorn" in line["what"]}, "no server seen"
    imports = [line for line in seen if line["event"] == "import"]
    assert {line["what"] for line in imports} >= {"prefect", "huggingface_hub", "transformers", "datasets", "trl"}
    told = [(line["what"], {name: str(value).lower() for name, value in line["told"].items()}) for line in imports]
    assert [each for each in told if each[1] != TOLD] == []
    assert any(line["event"] == "loopback" for line in seen)
    assert [line["what"] for line in seen if line["event"] == "outside"] == []


def test_the_watch_sees_who_was_not_told_and_who_reaches_out(tmp_path: Path) -> None:
    code = "import socket, huggingface_hub; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=rounds.watched(tmp_path / "watch.jsonl"), capture_output=True, text=True
    )
    assert "PermissionError: a test tried to reach 192.0.2.1" in done.stderr
    seen = events(tmp_path / "watch.jsonl")
    assert [line["what"] for line in seen if line["event"] == "outside"] == ["192.0.2.1"]
    assert {line["what"]: line["told"] for line in seen if line["event"] == "import"} == {
        "huggingface_hub": dict.fromkeys(TOLD)
    }


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
