"""Workers answer requests (schemas.requests) with a vision-language model: `connect` opens the one that a URL names.

Models load inside `connect`, so importing this package costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.workers.identity import WorkerSpec, identity_of
from schemas.requests import Worker

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["WorkerSpec", "connect", "identity_of"]


def connect(
    spec: WorkerSpec,
    load_image: Callable[[str], Image.Image],
    load_bytes: Callable[[str], bytes] | None = None,
) -> Worker:
    """Open a worker. `load_image` gives the RGB pixels of an image id and `load_bytes` its original file, where it is
    kept.

    Raises `ValueError` or `FileNotFoundError` with one clear line when the worker cannot be what the spec says.
    """
    if spec.scheme == "openai":
        from pipelines.workers.cache import cached
        from pipelines.workers.server.worker import ServerWorker

        worker = ServerWorker.open(spec, load_image, load_bytes)
        return cached(worker, address=spec.target, switch=spec.switch("cache"))
    if spec.scheme == "vllm":
        from pipelines.workers.cache import cached
        from pipelines.workers.vllm import VLLMWorker

        served = VLLMWorker.open(spec, load_image, load_bytes)
        return cached(served, address=spec.target, switch=spec.switch("cache"))
    if spec.scheme == "embed":
        from pipelines.workers.features import EmbedWorker

        return EmbedWorker.open(spec, load_image)
    from pipelines.workers.local import LocalWorker

    return LocalWorker.open(spec, load_image)
