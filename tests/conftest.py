"""What every test stands on: one thread, no telemetry, no network, temporary homes, the same drawn examples always.

The environment is set when this file is imported, which is before any test imports a library that reads it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

HOME = Path(tempfile.mkdtemp(prefix="evolens-tests-"))

os.environ.update(
    {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HOME": str(HOME / "huggingface"),
        "PREFECT_HOME": str(HOME / "prefect"),
        "EVOLENS_CACHE": str(HOME / "cache"),
    }
)

settings.register_profile(
    "evolens",
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("evolens")


def require(name: str) -> None:
    """Skip the test when the module or program `name` is missing; with EVOLENS_CI=1, where nothing may be, fail it."""
    if importlib.util.find_spec(name) is not None or shutil.which(name) is not None:
        return
    if os.environ.get("EVOLENS_CI") == "1":
        pytest.fail(f"{name} is missing, and EVOLENS_CI=1 allows nothing to be", pytrace=False)
    pytest.skip(f"{name} is not installed")


@pytest.fixture(name="require")
def require_fixture() -> Callable[[str], None]:
    """`require` for tests that would rather not import from here."""
    return require


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """Refuse every connection that leaves this machine: tests need no network, and none may start to."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = str(address[0]) if isinstance(address, tuple) else ""
        if isinstance(address, tuple) and not (host.startswith("127.") or host in {"localhost", "::1", "0.0.0.0"}):
            raise PermissionError(f"a test tried to reach {host}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` where there is none."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(HOME, ignore_errors=True)
