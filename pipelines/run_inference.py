"""A worker as the model of Beam's `RunInference`, for pipelines of your own. Our stages do not use it.

An element is a request (`schemas.requests`), its answer a `PredictionResult` whose `inference` is our `Result`: what
goes wrong with one element is its own `Failed`, and never an exception that would cost the batch. So a pipeline reads

    requests | RunInference(Ask("local:seedling")) | beam.Map(lambda answered: answered.inference)

and whatever Beam puts around a handler goes around this one: `KeyedModelHandler`, `with_preprocess_fn` (rows of yours
to requests), `with_postprocess_fn`. Counters in the namespace `evolens` say what table `cost` says of our stages.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics.metric import Metrics
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from pipelines import waves, workers
from pipelines.lake.decode import decode
from pipelines.runner.meter import Meter, Shared
from schemas.requests import Failed, Request, Result, Worker

if TYPE_CHECKING:
    from PIL import Image

NAMESPACE = "evolens"


def read_bytes(path: str) -> bytes:
    """The bytes of a file that Beam can open: a local path, or `gs://`, `s3://`, `hdfs://` with Beam's extras."""
    with FileSystems.open(path) as file:
        return bytes(file.read())


def read_picture(path: str) -> Image.Image:
    """The RGB pixels of a picture file, as ingest sees them. Raises `BadPicture`, and what opening a file raises."""
    return decode(read_bytes(path))


class Loaded:
    """A worker that the threads of a process share, or, where Beam is told so (`large_model`), its processes."""

    def __init__(self, worker: Worker) -> None:
        self._shared = Shared(worker, threading.Lock())

    def answer(self, elements: Sequence[Any]) -> tuple[list[Result], dict[str, int]]:
        """A result for each element, in their order, and what they took: requests, tokens, cache hits, retries."""
        meter = Meter(self._shared)
        asked = [element for element in elements if isinstance(element, Request)]
        answers = iter(waves.answer(meter, asked))
        return [next(answers) if isinstance(each, Request) else _no_request(each) for each in elements], meter.usage


def _no_request(element: object) -> Failed:
    return Failed("bad_request", f"an element is a request (schemas.requests), not {type(element).__name__}")


class Ask(ModelHandler[Request, PredictionResult, "Loaded"]):
    """Any worker that `pipelines.workers.connect` opens, by its URL, revision and options.

    `load_image` gives the pixels of what requests call `image_id`; by default that is a path. `load_bytes`, where there
    is one, gives the original file, which servers are then sent. `batching` goes to Beam (`min_batch_size`,
    `max_batch_size`, `large_model` …): a batch is what `local:` answers in one wave.

    Raises `ValueError` or `FileNotFoundError` at once for a URL or option that cannot be.
    """

    def __init__(
        self,
        url: str,
        *,
        revision: str | None = None,
        options: Mapping[str, str | int | float] | None = None,
        load_image: Callable[[str], Image.Image] = read_picture,
        load_bytes: Callable[[str], bytes] | None = None,
        **batching: Any,
    ) -> None:
        super().__init__(**batching)
        self._spec = workers.WorkerSpec(url, revision, tuple(sorted((options or {}).items())))
        self._identity = workers.identity_of(self._spec)
        self._load_image, self._load_bytes = load_image, load_bytes

    def load_model(self) -> Loaded:
        """The worker; Beam calls this once for each process."""
        return Loaded(workers.connect(self._spec, self._load_image, self._load_bytes))

    def run_inference(
        self, batch: Sequence[Request], model: Loaded, inference_args: dict[str, Any] | None = None
    ) -> Iterator[PredictionResult]:
        """One result per element, in their order."""
        results, usage = model.answer(list(batch))
        for name, count in usage.items():
            Metrics.counter(NAMESPACE, name).inc(count)
        for request, result in zip(batch, results, strict=True):
            yield PredictionResult(request, result, self._identity.name)

    def validate_inference_args(self, inference_args: dict[str, Any] | None) -> None:
        """Raise `ValueError` where there are any: a request says itself how it is to be answered."""
        if inference_args:
            raise ValueError(f"inference_args {sorted(inference_args)}: say it in the requests (schemas.requests)")
