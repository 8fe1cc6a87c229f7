"""The deployments that people find in the Prefect UI, what limits them, and what starts them by itself."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, cast
from uuid import UUID

from prefect import Flow
from prefect import serve as prefect_serve
from prefect.client.orchestration import get_client
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger

from flows.events import CURATED
from flows.flywheel import flywheel
from flows.publish import publish
from flows.replay import replay
from flows.retrain import retrain
from flows.run_round import GPU, run_round

TAG = "evolens"

FLOWS: dict[str, tuple[Flow[..., Any], str]] = {
    "flywheel": (flywheel, "Run a recipe to its end: every round, then the card. What is made is not made again."),
    "round": (run_round, "Run one round of a recipe, or only make and choose its rows."),
    "retrain": (retrain, "Train on what is new; with nothing new it ends at once."),
    "publish": (publish, "Push what a recipe's newest run curated to the Hub, or export it with its card."),
    "replay": (replay, "Try the failed rows of a stage again."),
}
"""Deployment → its flow, and what people read about it."""

SAME_ROWS = {name: f"{{{{ event.payload.{name} }}}}" for name in ("recipe", "lake", "rounds", "overrides")}
"""Parameters that make a run work on what an event told of."""


def deployments(lake: Path, min_rows: int | None = None, min_drift: float | None = None) -> list[RunnerDeployment]:
    """One deployment per flow; the lake is a default that the form lets people change. One run of each at a time.

    `retrain` is started by the events of rounds once so many rows are new, or pass rates moved by so much.
    """
    made = [
        RunnerDeployment.from_flow(
            flow,
            name=name,
            parameters={"lake": str(lake)},
            description=says,
            tags=[TAG],
            concurrency_limit=1,
            triggers=triggers(min_rows, min_drift) if name == "retrain" else [],
        )
        for name, (flow, says) in FLOWS.items()
    ]
    for deployment in made:  # what people set in the UI stands: unset fields are not sent when one is registered again
        deployment.model_fields_set.difference_update({"schedules", "paused"})
    return made


def triggers(min_rows: int | None, min_drift: float | None) -> list[Any]:
    """The automations of `retrain`: each hands its threshold on, and the flow compares it with the lake."""
    asked = (
        ("enough new curated rows", "min_rows", min_rows),
        ("difficulty has drifted", "min_drift", min_drift),
    )
    return [
        DeploymentEventTrigger(
            name=f"retrain: {why}",
            description=f"Starts retrain on the rows that {CURATED} tells of, with {name} = {threshold}.",
            expect={CURATED},
            parameters={**SAME_ROWS, name: threshold},
        )
        for why, name, threshold in asked
        if threshold is not None
    ]


def register_deployments(served: list[RunnerDeployment]) -> list[str]:
    """Make the deployments known to the server; returns their names."""
    with get_client(sync_client=True) as client:
        names = []
        for deployment in served:
            identifier = cast(UUID, deployment.apply())  # a coroutine only where an event loop runs
            found = client.read_deployment(identifier)
            names.append(f"{deployment.flow_name}/{found.name}")
    return names


def limit_gpus(slots: int) -> None:
    """Let so many stages that hold a model run at a time, over all runs that share the server."""
    with get_client(sync_client=True) as client:
        client.create_concurrency_limit(tag=GPU, concurrency_limit=slots)


def serve_deployments(served: list[RunnerDeployment]) -> None:
    """Register, then run what the UI asks for until interrupted; schedules go on when it is started again."""
    prefect_serve(*served, pause_on_shutdown=False)


def show_pages(folder: Path, host: str, port: int) -> None:
    """Serve the pages of a folder from a thread of this process, and nothing outside it."""
    folder.mkdir(parents=True, exist_ok=True)
    server = ThreadingHTTPServer((host, port), partial(_Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name it has there
        """Say nothing: the terminal is Prefect's."""
