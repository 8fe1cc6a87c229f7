"""The command that puts the flows into the Prefect UI: serve."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import httpx
import typer

from flows import console
from flows.command_run import LAKE

READY_S = 180.0


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(serve)


def serve(
    lake: Annotated[Path, typer.Option("--lake", help="The lake that runs write to by default.")] = LAKE,
    host: Annotated[str, typer.Option(help="Where the UI listens, when no server is given.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Its port.")] = 4200,
    once: Annotated[bool, typer.Option("--register-only", help="Register the deployments, then end.")] = False,
) -> None:
    """Start (or join) a Prefect server and serve the flows with a typed parameter form.

    PREFECT_API_URL joins a server that already runs. Example: `evolens serve --port 4200`
    """
    url = os.environ.get("PREFECT_API_URL")
    if url is None:
        url = f"http://{host}:{port}/api"
        if not _answers(url):
            _start_server(host, port, url)
        os.environ["PREFECT_API_URL"] = url
    console.out.print(f"Prefect UI: {url.removesuffix('/api')}")

    from flows.serve import register_deployments, serve_deployments

    if once:
        for name in register_deployments(lake.absolute()):
            console.out.print(f"registered {name}")
    else:
        serve_deployments(lake.absolute())


def _start_server(host: str, port: int, url: str) -> None:
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    atexit.register(process.terminate)
    deadline = time.monotonic() + READY_S
    while not _answers(url):
        if process.poll() is not None:
            raise RuntimeError(f"the Prefect server ended with code {process.returncode}; is port {port} taken?")
        if time.monotonic() > deadline:
            raise TimeoutError(f"the Prefect server did not answer at {url} within {READY_S:.0f} s")
        time.sleep(0.5)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False
