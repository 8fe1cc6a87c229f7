"""Two workers as one: the policy that a stage measures, and a stronger one for what the policy never gets right.

It is known by the policy's identity. Who is meant stands in the request. Where one of the two answers in waves, both
do.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from schemas.requests import Generate, Request, Result, Server, Worker, WorkerIdentity

if TYPE_CHECKING:
    from PIL import Image

T = TypeVar("T")
Connect: TypeAlias = "Callable[[Callable[[str], Image.Image], Callable[[str], bytes]], Worker]"


@dataclass(frozen=True)
class Pair:
    """Both, connected."""

    policy: Worker
    stronger: Worker

    @property
    def identity(self) -> WorkerIdentity:
        return self.policy.identity

    @property
    def in_waves(self) -> bool:
        return self.policy.in_waves or self.stronger.in_waves

    def answer(self, requests: Sequence[Request]) -> list[Result]:
        answers: dict[int, Result] = {}
        for worker in (self.policy, self.stronger):
            places = [place for place, request in enumerate(requests) if self._meant(request) is worker]
            if places:
                answers.update(zip(places, worker.answer([requests[place] for place in places]), strict=True))
        return [answers[place] for place in range(len(requests))]

    def submit(self, request: Request) -> Future[Result]:
        worker = self._meant(request)
        assert isinstance(worker, Server)
        return worker.submit(request)

    def _meant(self, request: Request) -> Worker:
        return self.stronger if isinstance(request, Generate) and request.stronger else self.policy


def connect_both(
    policy: Connect, stronger: Connect, load_image: Callable[[str], Image.Image], load_bytes: Callable[[str], bytes]
) -> Worker:
    """What `pipelines.stage.WorkerSpec.connect` is for a pair."""
    return Pair(policy(load_image, load_bytes), stronger(load_image, load_bytes))


def to_stronger(asking: Generator[list[Request], list[Result], T]) -> Generator[list[Request], list[Result], T]:
    """The same conversation, with the stronger worker."""
    try:
        requests = next(asking)
        while True:
            meant = [replace(each, stronger=True) if isinstance(each, Generate) else each for each in requests]
            requests = asking.send((yield meant))
    except StopIteration as ended:
        said: T = ended.value
        return said
