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
from flows.quiet import QUIET
from flows.recipes import FOLDERS

READY_S = 180.0


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(serve)


def serve(
    lake: Annotated[Path, typer.Option("--lake", help="The lake that runs write to by default.")] = LAKE,
    recipes: Annotated[
        list[Path] | None, typer.Option("--recipes", help="A folder whose recipes the form offers too. Repeatable.")
    ] = None,
    host: Annotated[str, typer.Option(help="Where the UI listens, when no server is given.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Its port.")] = 4200,
    pages: Annotated[int, typer.Option(min=1, max=65535, help="The port under which reports are shown.")] = 4201,
    gpus: Annotated[int, typer.Option(min=1, help="So many stages that hold a model run at a time.")] = 1,
    retrain_rows: Annotated[
        int | None, typer.Option(min=1, help="Start `retrain` when so many curated rows are new.")
    ] = None,
    retrain_drift: Annotated[
        float | None, typer.Option(min=0.001, max=1, help="Start `retrain` when a task's pass rate moved by so much.")
    ] = None,
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
    lake = lake.absolute()
    own = [str(folder.absolute()) for folder in recipes or []]
    if own:
        os.environ[FOLDERS] = os.pathsep.join([*own, *filter(None, [os.environ.get(FOLDERS)])])
    if os.environ["PREFECT_LOGGING_LEVEL"] == QUIET["PREFECT_LOGGING_LEVEL"]:
        os.environ["PREFECT_LOGGING_LEVEL"] = "INFO"  # the UI shows what is logged

    from flows.artifacts import PAGES, PAGES_URL
    from flows.serve import deployments, limit_gpus, register_deployments, serve_deployments, show_pages

    served = deployments(lake, retrain_rows, retrain_drift)
    limit_gpus(gpus)
    if once:
        for name in register_deployments(served):
            console.out.print(f"registered {name}")
        return
    folder = lake / "_reports"
    show_pages(folder, host, pages)
    os.environ[PAGES], os.environ[PAGES_URL] = str(folder), f"http://{host}:{pages}"
    serve_deployments(served)


def _start_server(host: str, port: int, url: str) -> None:
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
    # The pages ask the API at this address, wherever the server listens.
    environment = {
        "PREFECT_SERVER_UI_API_URL": url,
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # Kept in memory, as is the default, the slot of a run would stay taken for ever where the server was killed.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        **os.environ,
    }
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
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
