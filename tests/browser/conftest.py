"""`evolens serve` as a person starts it, with a server of its own, and a browser that looks at it."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import require
from tests.flows import rounds

SLOW = rounds.TINY.replace("count: 8}", "count: 60}").replace("max_failed: 0.0}", "max_failed: 0.0, processes: 2}")
"""Long enough to be cancelled in the middle, and in processes of its own."""


class Served:
    """The command, its server's address, its lake and its home; it can be ended and started again."""

    def __init__(self, folder: Path) -> None:
        self.lake, self.home, self.log = folder / "lake", folder / "prefect", folder / "log.txt"
        self.recipes = folder / "recipes"
        self.recipes.mkdir()
        rounds.write_recipe(self.recipes)
        rounds.write_recipe(self.recipes, "slow", SLOW)
        ports = [free_port(), free_port()]
        self.url = f"http://127.0.0.1:{ports[0]}"
        self.arguments = ("--port", str(ports[0]), "--pages", str(ports[1]), "--retrain-rows", "1")
        self.start()

    def start(self) -> None:
        """Start the command and wait until it serves."""
        given = {
            name: value
            for name, value in os.environ.items()
            if name not in {"PREFECT_API_URL", "PREFECT_LOGGING_LEVEL"}
        }
        environment = {**given, "PREFECT_HOME": str(self.home)}
        folders = ("--lake", str(self.lake), "--recipes", str(self.recipes))
        self.process = rounds.command("serve", *folders, *self.arguments, log=self.log, environment=environment)
        self.until(self.serving, 180)

    def serving(self) -> bool:
        """Whether the command says so; fails with its log where it has ended."""
        said = self.log.read_text()
        assert self.process.poll() is None, said[-4000:]
        return "being served" in said

    def end(self) -> None:
        """End it as a service manager does, with its server; a fresh log for the next start."""
        self.process.terminate()
        self.process.wait(60)
        self.until(lambda: rounds.alive("PREFECT_HOME", str(self.home)) == [], 30)
        self.log.unlink()

    def ask(self, what: str, **filters: Any) -> Any:
        """What the API answers to a filter."""
        return httpx.post(f"{self.url}/api/{what}/filter", json=filters, timeout=30).raise_for_status().json()

    def deployment(self, name: str) -> Any:
        return next(each for each in self.ask("deployments") if each["name"] == name)

    def run(self, name: str, **parameters: Any) -> str:
        """Ask for a run of a deployment; returns its id."""
        address = f"{self.url}/api/deployments/{self.deployment(name)['id']}/create_flow_run"
        asked = httpx.post(address, json={"parameters": parameters}, timeout=30)
        return str(asked.raise_for_status().json()["id"])

    def told(self, event: str) -> list[Any]:
        """The events of a name that flows have emitted."""
        return list(self.ask("events", filter={"event": {"name": [event]}})["events"])

    def runs_of(self, name: str) -> list[Any]:
        """The flow runs of a deployment, oldest first."""
        mine = {"deployments": {"name": {"any_": [name]}}}
        return sorted(self.ask("flow_runs", **mine), key=lambda run: str(run["created"]))

    def ended(self, run: str, within: float = 300) -> Any:
        """A flow run, once it is over."""
        found: dict[str, Any] = {}

        def over() -> bool:
            found.update(httpx.get(f"{self.url}/api/flow_runs/{run}", timeout=30).json())
            return found["state_type"] in {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}

        self.until(over, within)
        return found

    def until(self, true: Callable[[], bool], within: float) -> None:
        deadline = time.monotonic() + within
        while not true():
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.5)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = Served(tmp_path_factory.mktemp("served"))
    yield found
    rounds.kill_group(found.process.pid)
    found.process.wait(30)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    require("playwright")
    require("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of the size of a small screen."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    yield opened
    context.close()
