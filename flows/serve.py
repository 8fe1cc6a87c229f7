"""The deployments that people find in the Prefect UI."""

from __future__ import annotations

from pathlib import Path
from typing import cast
from uuid import UUID

from prefect import serve as prefect_serve
from prefect.client.orchestration import get_client
from prefect.deployments.runner import RunnerDeployment

from flows.flywheel import flywheel
from flows.run_round import run_round


def deployments(lake: Path) -> list[RunnerDeployment]:
    """One deployment per flow; the lake is a default that the form lets people change."""
    parameters = {"lake": str(lake)}
    return [
        RunnerDeployment.from_flow(
            flywheel,
            name="flywheel",
            parameters=parameters,
            description="Run a recipe to its end: every round, then the card. What is already made is not made again.",
            tags=["evolens"],
            concurrency_limit=1,
        ),
        RunnerDeployment.from_flow(
            run_round,
            name="round",
            parameters=parameters,
            description="Run one round of a recipe.",
            tags=["evolens"],
            concurrency_limit=1,
        ),
    ]


def register_deployments(lake: Path) -> list[str]:
    """Make the deployments known to the server; returns their names."""
    with get_client(sync_client=True) as client:
        names = []
        for deployment in deployments(lake):
            identifier = cast(UUID, deployment.apply())  # a coroutine only where an event loop runs
            found = client.read_deployment(identifier)
            names.append(f"{deployment.flow_name}/{found.name}")
    return names


def serve_deployments(lake: Path) -> None:
    """Register, then run what the UI asks for until interrupted."""
    prefect_serve(*deployments(lake), pause_on_shutdown=False)
