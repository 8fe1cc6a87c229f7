"""`evolens serve` against a real Prefect server: deployments with a typed form, and no secret in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx


def test_serve_registers_flows_with_a_typed_form(server: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PREFECT_API_URL": server, "PREFECT_HOME": str(tmp_path / "prefect")}
    command = [sys.executable, "-m", "flows.cli", "serve", "--register-only", "--lake", str(tmp_path / "lake")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "registered flywheel/flywheel" in done.stdout
    assert "registered run_round/round" in done.stdout

    found = httpx.post(f"{server}/deployments/filter", json={}, timeout=30).json()
    form = next(each for each in found if each["name"] == "flywheel")["parameter_openapi_schema"]["properties"]
    assert form["recipe"]["type"] == "string"
    assert form["recipe"]["default"] == "quickstart"
    assert {"integer", "null"} == {kind["type"] for kind in form["rounds"]["anyOf"]}
    assert form["overrides"]["type"] == "object"
    assert not any("key" in name or "secret" in name or "token" in name for name in form)
