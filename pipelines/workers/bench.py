"""How fast a worker is: requests drawn from the task families, with answers of heavy-tailed lengths, all asked at once.

Lengths are log-normal. At a high temperature a model seldom ends by itself, so the limit of a request decides how long
its answer is, whichever model answers.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.tasks import FAMILIES
from schemas.ids import image_id
from schemas.messages import Message, Picture, Text
from schemas.requests import Failed, Generate, Generated, Request, Result, Sampling, Worker

if TYPE_CHECKING:
    from PIL import Image

MEDIAN_TOKENS, SPREAD, LONGEST = 32, 1.2, 1024
"""Half of the answers are shorter than the first; the second is the standard deviation of the logarithm."""
QUESTIONS = 256
"""Distinct questions and pictures: each is asked several times, as for rollouts."""
TEMPERATURE = 2.0


class Drawn:
    """Requests and their pictures, the same for the same seed. `median` is that of the answers' lengths, in tokens."""

    def __init__(self, count: int, seed: int = 0, median: int = MEDIAN_TOKENS, longest: int = LONGEST) -> None:
        self.pictures: dict[str, Image.Image] = {}
        self._questions: dict[int, Message] = {}
        self.requests = [self._request(number, seed, median, longest) for number in range(count)]

    def _request(self, number: int, seed: int, median: int, longest: int) -> Generate:
        draw = random.Random(f"bench:{seed}:{number}")
        tokens = min(longest, max(4, round(draw.lognormvariate(0.0, SPREAD) * median)))
        sampling = Sampling(tokens, TEMPERATURE)
        return Generate(
            f"bench-{seed}-{number}", (self._question(number % QUESTIONS),), sampling, draw.randrange(2**31)
        )

    def _question(self, number: int) -> Message:
        if number not in self._questions:
            draw = random.Random(f"bench:{number}")
            made = draw.choice(list(FAMILIES.values())).make(draw.randrange(10**9), 0)
            shown = []
            for picture in (image.convert("RGB") for image in made.images):
                key = image_id(*picture.size, picture.tobytes())
                self.pictures[key] = picture
                shown.append(Picture(key))
            self._questions[number] = Message("user", (*shown, Text(made.question)))
        return self._questions[number]


@dataclass(frozen=True)
class Pace:
    """What asking came to. Latencies are in seconds from first sending to answer, None where a worker does not say."""

    requests: int
    failed: int
    seconds: float
    tokens: int
    latency_median: float | None
    latency_p95: float | None

    @property
    def requests_per_second(self) -> float:
        return (self.requests - self.failed) / self.seconds

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds


def pace(ask: Callable[[Sequence[Request]], Sequence[Result]], requests: Sequence[Request]) -> Pace:
    """Ask, and take the time."""
    began = time.perf_counter()
    results = ask(requests)
    seconds = time.perf_counter() - began
    said = [result for result in results if isinstance(result, Generated)]
    waits = sorted(result.seconds for result in said if result.seconds)
    return Pace(
        requests=len(requests),
        failed=sum(isinstance(result, Failed) for result in results),
        seconds=seconds,
        tokens=sum(result.completion_tokens for result in said),
        latency_median=statistics.median(waits) if waits else None,
        latency_p95=waits[int(0.95 * (len(waits) - 1))] if waits else None,
    )


def in_batches(worker: Worker, size: int) -> Callable[[Sequence[Request]], list[Result]]:
    """Ask so many at a time and wait for all of them before the next: what a gather for each batch comes to."""

    def ask(requests: Sequence[Request]) -> list[Result]:
        starts = range(0, len(requests), size)
        return [result for start in starts for result in worker.answer(requests[start : start + size])]

    return ask
