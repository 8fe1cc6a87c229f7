"""A Hub on loopback, and a client that may reach it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.push import hub as ours
from flows.push.parcel import Parcel, Wish, packed
from pipelines.lake import Lake
from pipelines.lake.runs import Run
from tests.hub.server import Hub, running
from tests.pipelines.export.lakes import lake_of, seeded, traced

TOKEN = "hf_canaryCanaryCANARYcanary0123456789"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A fresh Hub, which HF_TOKEN opens."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # Xet's protocol is another one
    monkeypatch.setattr(ours, "WAIT_S", 0.01)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with running(TOKEN) as server:
        yield server


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Run]:
    """A lake with one complete run; tests only read it."""
    return lake_of(tmp_path_factory.mktemp("pushed") / "lake", [traced(), *seeded()])


@pytest.fixture(scope="session")
def parcel(stored: tuple[Lake, Run]) -> Iterator[Parcel]:
    """That run, packed once for the tests that only send."""
    with packed(*stored, Wish()) as made:
        yield made


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Run]:
    """Another lake with one of those rows."""
    return lake_of(tmp_path_factory.mktemp("other") / "lake", [traced()])


def files_of(folder: Path) -> dict[str, bytes]:
    """Path → bytes of every file under a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
