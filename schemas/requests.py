"""What a worker is asked and what it answers (design §5). An error is never an answer: it is a `Failed`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from schemas.ids import Json
from schemas.messages import Message


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. `temperature` 0 is greedy; `top_p` is in (0, 1]."""

    max_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        return {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "stop": list(self.stop),
        }


@dataclass(frozen=True)
class Generate:
    """Continue the conversation with one assistant turn."""

    request_id: str
    messages: tuple[Message, ...]
    sampling: Sampling
    seed: int


@dataclass(frozen=True)
class Score:
    """Log-probabilities of the tokens of the last (assistant) message, given what stands before it."""

    request_id: str
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Embed:
    """A unit vector for one picture."""

    request_id: str
    image_id: str


@dataclass(frozen=True)
class Gradients:
    """The loss gradient of the assistant turns, projected to `dimension` by a seeded random projection."""

    request_id: str
    messages: tuple[Message, ...]
    dimension: int
    seed: int


Request: TypeAlias = Generate | Score | Embed | Gradients


@dataclass(frozen=True)
class Generated:
    """`finish` is `stop` (the model ended, or a stop string came) or `length` (cut at `max_tokens`)."""

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Scored:
    """One natural-log probability per token of the scored message."""

    logprobs: tuple[float, ...]
    prompt_tokens: int


@dataclass(frozen=True)
class Vector:
    """An embedding or a projected gradient; `loss` is the mean token loss in nats where there is one."""

    values: tuple[float, ...]
    loss: float | None = None


@dataclass(frozen=True)
class Failed:
    """The request has no answer. `transient` says whether the same request may succeed later."""

    kind: str
    message: str
    transient: bool = False
    attempts: int = 1


Result: TypeAlias = Generated | Scored | Vector | Failed


TRAINED = "trained"
"""The model name of a policy that a stage of ours trained; its revision is that stage's key (design §3)."""


@dataclass(frozen=True)
class WorkerIdentity:
    """Who answers, and never where: equal identities promise equal weights."""

    engine: str
    model: str
    revision: str | None = None
    weights: str | None = None

    @property
    def pinned(self) -> bool:
        """Whether the weights behind the name are known: by their hash or by a stated revision."""
        return self.weights is not None or self.revision is not None

    @property
    def name(self) -> str:
        """What column `policy` says: readable, equal for equal weights (`seedling@1f0c…`, `<stage key>` for ours)."""
        if self.model == TRAINED and self.revision:
            return self.revision
        return f"{self.model}@{(self.revision or self.weights or 'unpinned')[:12]}"

    def as_json(self) -> dict[str, Json]:
        return {"engine": self.engine, "model": self.model, "revision": self.revision, "weights": self.weights}


class Worker(Protocol):
    """Anything that answers requests, in their order. `in_waves` says that a batch is repeated whole or not at all."""

    @property
    def identity(self) -> WorkerIdentity: ...

    @property
    def in_waves(self) -> bool: ...

    def answer(self, requests: Sequence[Request]) -> list[Result]: ...
