"""`local:PATH`: a transformers vision-language model inside this process, driven in waves.

A batch is composed by what the requests ask, never by their order, so permuting the requests permutes the answers. A
request that cannot be encoded fails alone. Stop strings stay in the text: a parser sees `</tool_call>`, a tree search
sees its delimiter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pipelines.workers import features
from pipelines.workers.encoding import Encoded, Encoder
from pipelines.workers.generation import Speaker
from pipelines.workers.identity import WorkerSpec, folder_of, identity_of
from pipelines.workers.reader import Reader
from schemas.ids import content_id
from schemas.messages import Message, as_json
from schemas.requests import (
    Embed,
    Failed,
    Generate,
    Gradients,
    Request,
    Result,
    Score,
    Scored,
    Vector,
    WorkerIdentity,
)

if TYPE_CHECKING:
    from PIL import Image

BUCKET = 32  # prompts whose lengths share a multiple of this many tokens are neighbours


@dataclass(frozen=True)
class _Job:
    """One distinct question to the model; equal requests share it."""

    request: Generate | Score | Gradients
    encoded: Encoded
    content: str

    @property
    def order(self) -> tuple[int, tuple[int, ...], tuple[str, ...], str]:
        """Neighbours in length, and those that continue one prompt side by side: a batch reads it once."""
        return (-(len(self.encoded.ids) // BUCKET), self.encoded.ids, self.encoded.pictures, self.content)


class LocalWorker:
    """Answers all four kinds of request with one model."""

    in_waves = True

    def __init__(
        self,
        model: Any,
        processor: Any,
        load_image: Callable[[str], Image.Image],
        identity: WorkerIdentity,
        *,
        max_batch: int | None = None,
        max_context: int | None = None,
    ) -> None:
        self.identity = identity
        self.encoder = Encoder(processor, load_image)
        self._reader = Reader(model, self.encoder)
        small = sum(parameter.numel() for parameter in model.parameters()) < 1e8
        self._max_batch = max_batch or (256 if small else 32)
        text = model.config.get_text_config()
        self._context = min(max_context or 2**31, int(getattr(text, "max_position_embeddings", 2**31)))
        self._speaker = Speaker(self._reader, self._context)

    @classmethod
    def open(cls, spec: WorkerSpec, load_image: Callable[[str], Image.Image]) -> LocalWorker:
        """Load the model of a `local:` spec; float32 on the CPU, and on CUDA where there is one (option `device`)."""
        folder = folder_of(spec)
        model, processor = load(folder, str(spec.option("device", "auto")))
        context = spec.option("max_context", 0)
        return cls(
            model,
            processor,
            load_image,
            identity_of(spec),
            max_batch=int(spec.option("max_batch", 0)) or None,
            max_context=int(context) or None,
        )

    def answer(self, requests: Sequence[Request]) -> list[Result]:
        """One result per request, in their order."""
        results: list[Result | None] = [None] * len(requests)
        jobs: dict[str, _Job] = {}
        asked: dict[str, list[int]] = {}
        known: dict[tuple[tuple[Message, ...], bool], Encoded] = {}
        for index, request in enumerate(requests):
            if isinstance(request, Embed):
                continue
            prepared = self._prepare(request, known)
            if isinstance(prepared, Failed):
                results[index] = prepared
            else:
                jobs[prepared.content] = prepared
                asked.setdefault(prepared.content, []).append(index)
        for kind, run in ((Generate, self._generate), (Score, self._score), (Gradients, self._gradients)):
            chosen = sorted((job for job in jobs.values() if isinstance(job.request, kind)), key=lambda job: job.order)
            for batch in _batches(chosen, self._max_batch):
                for job, result in zip(batch, _alone_if_need_be(run, batch), strict=True):
                    for index in asked[job.content]:
                        results[index] = result
        embeds = [(index, request) for index, request in enumerate(requests) if isinstance(request, Embed)]
        found = features.embed_all([request.image_id for _, request in embeds], self._embed)
        for (index, _), result in zip(embeds, found, strict=True):
            results[index] = result
        assert all(result is not None for result in results)
        return [result for result in results if result is not None]

    def _prepare(
        self, request: Generate | Score | Gradients, known: dict[tuple[tuple[Message, ...], bool], Encoded]
    ) -> _Job | Failed:
        """`known` holds what was encoded in this call: one conversation is asked many times."""
        generates = isinstance(request, Generate)
        try:
            if isinstance(request, Generate):
                self._speaker.check(request)
            encoded = known.get((request.messages, generates))
            if encoded is None:
                encoded = self.encoder.encode(request.messages, opened=generates)
                for image_id in encoded.pictures:
                    self._reader.see(image_id)
                known[request.messages, generates] = encoded
        except ValueError as error:
            return Failed("bad_request", str(error))
        except Exception as error:  # whatever a picture loader raises costs its own request only
            return Failed("bad_picture", f"{type(error).__name__}: {error}")
        if len(encoded.ids) + generates > self._context:
            return Failed("too_long", f"{len(encoded.ids)} tokens, and the model reads {self._context}")
        if not generates and not encoded.turns:
            return Failed("bad_request", "the conversation has no assistant turn")
        if isinstance(request, Score) and request.messages[-1].role != "assistant":
            return Failed("bad_request", "the last message is not the assistant's")
        return _Job(request, encoded, _content(request))

    def _generate(self, jobs: Sequence[_Job]) -> list[Result]:
        asked = [(job.request, job.encoded) for job in jobs if isinstance(job.request, Generate)]
        return list(self._speaker.say(asked))

    def _score(self, jobs: Sequence[_Job]) -> list[Result]:
        rows = [job.encoded for job in jobs]
        scored = features.token_logprobs(self._reader, rows, last_turn_only=True)
        return [Scored(tuple(values), row.turns[-1]) for row, values in zip(rows, scored, strict=True)]

    def _gradients(self, jobs: Sequence[_Job]) -> list[Result]:
        results: dict[str, Result] = {}
        kinds = sorted(
            {(job.request.seed, job.request.dimension) for job in jobs if isinstance(job.request, Gradients)}
        )
        for seed, dimension in kinds:
            chosen = [
                job
                for job in jobs
                if isinstance(job.request, Gradients) and (job.request.seed, job.request.dimension) == (seed, dimension)
            ]
            rows = [job.encoded for job in chosen]
            found = features.projected_gradients(self._reader, rows, seed=seed, dimension=dimension)
            for job, (values, loss) in zip(chosen, found, strict=True):
                results[job.content] = Vector(tuple(values), loss)
        return [results[job.content] for job in jobs]

    def _embed(self, image_id: str) -> list[float]:
        return features.picture_vector(self._reader, image_id)


def load(folder: Path, device: str = "auto") -> tuple[Any, Any]:
    """Model (float32 on the CPU, its own precision on CUDA) and processor of a transformers folder; reads nothing
    from the network.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor

    device = device_of(device)
    kind: Any = torch.float32 if device == "cpu" else "auto"
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=kind, local_files_only=True).to(device)
    return model, AutoProcessor.from_pretrained(folder, local_files_only=True)


def device_of(asked: str) -> str:
    """The device that option `device` means; `auto` is CUDA where there is one."""
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return asked


def _content(request: Generate | Score | Gradients) -> str:
    asked: dict[str, Any] = {"messages": as_json(request.messages)}
    if isinstance(request, Generate):
        asked |= {"sampling": request.sampling.as_json(), "seed": request.seed}
    elif isinstance(request, Gradients):
        asked |= {"dimension": request.dimension, "seed": request.seed}
    return content_id(type(request).__name__, asked)


def _batches(jobs: Sequence[_Job], size: int) -> Iterator[Sequence[_Job]]:
    """Jobs of at most `size` rows together, one for each sample; a job is never cut."""
    batch: list[_Job] = []
    rows = 0
    for job in jobs:
        more = job.request.sampling.n if isinstance(job.request, Generate) else 1
        if batch and rows + more > size:
            yield batch
            batch, rows = [], 0
        batch.append(job)
        rows += more
    if batch:
        yield batch


def _alone_if_need_be(run: Callable[[Sequence[_Job]], list[Result]], batch: Sequence[_Job]) -> list[Result]:
    """The batch's results; if it raises, each row is tried by itself, so that only the culprit fails."""
    try:
        return run(batch)
    except Exception as error:
        if len(batch) == 1:
            return [Failed(f"exception:{type(error).__name__}", str(error))]
        return [result for job in batch for result in _alone_if_need_be(run, [job])]
