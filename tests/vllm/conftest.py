"""A real vLLM server with the seedling, started once for all these tests: `make test-vllm`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.workers import WorkerSpec
from pipelines.workers.local import LocalWorker
from pipelines.workers.slots import stop
from pipelines.workers.vllm import VLLMWorker
from tests.pipelines.workers.conftest import Album

ROOT = Path(__file__).resolve().parents[2]
SPEC = WorkerSpec("vllm:seedling", options=(("server_python", str(ROOT / ".venv-vllm")),))


@pytest.fixture(scope="session")
def album() -> Album:
    return Album()


@pytest.fixture(scope="session")
def served(album: Album) -> Iterator[VLLMWorker]:
    """The seedling behind a server; fails where `make vllm` was not run."""
    worker = VLLMWorker.open(SPEC, album)
    yield worker
    stop(worker.slot.folder)


@pytest.fixture(scope="session")
def local(album: Album) -> LocalWorker:
    """The seedling in this process."""
    return LocalWorker.open(WorkerSpec("local:seedling", options=(("device", "cpu"),)), album)
