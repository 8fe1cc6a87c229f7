"""What a worker is asked and what it answers (design §5). An error is never an answer: it is a `Failed`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from schemas.ids import Json
from schemas.messages import Message


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. `temperature` 0 is greedy; `top_p` is in (0, 1]; `top_k` keeps that many tokens, 0 all.

    `n` samples are drawn of one prompt, the first as if it were alone; greedy samples would all be the same, so they
    are refused. `json_schema` is the canonical JSON text of a schema that the text must fulfil. `logprobs` and
    `prompt_logprobs` ask for the log-probabilities of what is said and of what was read, with so many alternatives for
    each token (0: none beside the token itself). Raises `ValueError` for what cannot be.
    """

    max_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    top_k: int = 0
    n: int = 1
    json_schema: str | None = None
    logprobs: int | None = None
    prompt_logprobs: int | None = None

    def __post_init__(self) -> None:
        if self.n < 1 or (self.n > 1 and self.temperature == 0):
            raise ValueError(f"n={self.n} at temperature {self.temperature:g}: only one greedy sample can be asked for")
        if min(self.top_k, self.logprobs or 0, self.prompt_logprobs or 0) < 0:
            raise ValueError("top_k, logprobs and prompt_logprobs count tokens, so they are not negative")

    def as_json(self) -> dict[str, Json]:
        """What ids and caches are computed from: what came later than the first four says nothing at its default."""
        said: dict[str, Json] = {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "stop": list(self.stop),
        }
        later = {"top_k": 0, "n": 1, "json_schema": None, "logprobs": None, "prompt_logprobs": None}
        return said | {name: getattr(self, name) for name, usual in later.items() if getattr(self, name) != usual}


@dataclass(frozen=True)
class Generate:
    """Continue the conversation with one assistant turn.

    `priority` says who is asked first where requests wait for a server, the lower the sooner; no id depends on it.
    `stronger` means the second worker of a stage that has two.
    """

    request_id: str
    messages: tuple[Message, ...]
    sampling: Sampling
    seed: int
    priority: int = 0
    stronger: bool = False


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
class TokenLogprob:
    """A token's text and its natural-log probability; None for the first token of a prompt, which nothing precedes.

    `top` holds the likeliest tokens at its place, best first, as many as were asked for.
    """

    token: str
    logprob: float | None
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Generated:
    """`finish` is `stop` (the model ended, or a stop string came) or `length` (cut at `max_tokens`).

    Where several samples were asked for, `others` holds all but the first. Tokens are counted once for the whole
    request, so those of `others` are 0. `visual_tokens` are those of the prompt that stand for pictures, and `pixels`
    what the model saw of them; 0 where nobody counted. `attempts`, `cached` and `seconds` (from the first sending to
    the answer) say what it took. Two equal answers may differ in all of these.
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    logprobs: tuple[TokenLogprob, ...] | None = None
    prompt_logprobs: tuple[TokenLogprob, ...] | None = None
    others: tuple[Generated, ...] = ()
    pixels: int = field(default=0, compare=False)
    visual_tokens: int = field(default=0, compare=False)
    attempts: int = field(default=1, compare=False)
    cached: bool = field(default=False, compare=False)
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Scored:
    """One natural-log probability per token of the scored message; the last three as in `Generated`."""

    logprobs: tuple[float, ...]
    prompt_tokens: int
    attempts: int = field(default=1, compare=False)
    cached: bool = field(default=False, compare=False)
    seconds: float = field(default=0.0, compare=False)


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


Ok: TypeAlias = Generated | Scored | Vector
Result: TypeAlias = Ok | Failed


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


@runtime_checkable
class Server(Worker, Protocol):
    """A worker that is not `in_waves`: requests come and go one by one, and no request waits for another."""

    def submit(self, request: Request) -> Future[Result]:
        """Ask without waiting. The future never raises: what goes wrong is a `Failed`. It may be cancelled."""
