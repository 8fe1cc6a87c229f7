"""A conversation in which the model may call tools, as a generator of worker requests.

It asks for one turn at a time and never for more than it needs, so thousands can be in flight in an Ask stage:
``episode = yield from converse(…)``, or several of one row at once with `together`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from PIL import Image

from pipelines.prompts import Style, conversation, step, untagged
from pipelines.tools import OFFERED
from pipelines.tools.environment import Environment, LocalEnvironment, Lost, Rules
from pipelines.tools.replay import observation
from pipelines.verifiers.extract import extract
from schemas.ids import seed_of
from schemas.requests import Failed, Generate, Generated, Request, Result, Sampling

STEP_ENDS = (";", "\n")
"""Where a thought may be cut into steps: after these a tokenizer begins anew, so going on from there is natural."""

T = TypeVar("T")
Asking: TypeAlias = Generator[list[Request], list[Result], T]
"""Yields requests, is sent their results in the same order, and returns a `T`."""


@dataclass(frozen=True)
class Episode:
    """One attempt at a question.

    `steps` are rows of a trace; they rebuild the conversation exactly as the model saw it.
    `texts` are the model's own turns, word for word; `answer` is what tier 1 of the verifiers finds in the last one.
    `finish`: `answer`, `silent` (a last turn without one), `length` (cut off), `turns` (none left), `failed`.
    Tokens are summed over turns, so a prompt counts once for every turn that read it.
    """

    steps: tuple[dict[str, Any], ...]
    texts: tuple[str, ...]
    answer: str | None
    finish: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failed: Failed | None = None

    @property
    def text(self) -> str:
        """The last turn: what verifiers read."""
        return self.texts[-1] if self.texts else ""

    @property
    def turns(self) -> int:
        """How many turns the model took."""
        return len(self.texts)


def converse(
    sample: Mapping[str, Any],
    images: Sequence[Image.Image],
    add_image: Callable[[Image.Image], str],
    *,
    sampling: Sampling,
    seed: int,
    purpose: str,
    index: int = 0,
    max_turns: int = 4,
    max_images: int = 4,
    style: Style = "plain",
    image_ids: Sequence[str] | None = None,
    pattern: str | None = None,
    tools: Sequence[str] = OFFERED,
    environment: Environment | None = None,
) -> Asking[Episode]:
    """One episode of a sample row.

    `images` are the pictures shown (those of `image_ids`, or the sample's own); `add_image` makes a tool's picture
    visible to the worker under the id that it returns. Requests are named ``sample:purpose:index:turn`` and seeded
    from `seed` and that name. At `max_images` pictures a call for another is answered by a sentence instead. Tools
    are carried out in `environment`, which may be a server's; in this process where there is none.
    """
    place = environment or LocalEnvironment()
    trajectory = f"{sample['sample_id']}:{purpose}:{index}:{seed}"
    steps: list[dict[str, Any]] = []
    texts: list[str] = []
    prompt_tokens = completion_tokens = 0
    try:
        place.reset(trajectory, images, Rules(max_turns, max_images, tuple(tools)))
        for turn in range(max_turns):
            name = f"{sample['sample_id']}:{purpose}:{index}:{turn}"
            messages = conversation(sample, steps, image_ids, style, tools)
            (result,) = yield [Generate(name, messages, sampling, seed_of("turn", seed, name))]
            if not isinstance(result, Generated):
                failed = result if isinstance(result, Failed) else Failed("protocol", "the worker sent no text")
                return Episode(tuple(steps), tuple(texts), None, "failed", prompt_tokens, completion_tokens, failed)
            prompt_tokens += result.prompt_tokens
            completion_tokens += result.completion_tokens
            texts.append(result.text)
            came = place.step(trajectory, result.text)
            if came.seen is None:
                said, answer, finish = conclude(came.said, result.text, result.finish, pattern)
                steps += said
                return Episode(tuple(steps), tuple(texts), answer, finish, prompt_tokens, completion_tokens)
            made = came.seen.image
            steps += [*came.said, observation(None if made is None else add_image(made), came.seen.text)]
    except Lost as error:  # no fault of the model's: no attempt was made
        failed = Failed("tools", str(error), transient=True)
        return Episode(tuple(steps), tuple(texts), None, "failed", prompt_tokens, completion_tokens, failed)
    finally:  # also where the row fails and nobody asks for the rest
        place.release(trajectory)
    return Episode(tuple(steps), tuple(texts), None, "turns", prompt_tokens, completion_tokens)


def conclude(
    said: Sequence[dict[str, Any]], text: str, finish: str, pattern: str | None = None
) -> tuple[list[dict[str, Any]], str | None, str]:
    """The steps of a turn that called no tool, its answer where it gave one, and how the attempt ended
    (`Episode.finish`); `finish` is how the text did (`Generated.finish`).

    Boxed, tagged or found by the pattern: the steps hold what verifiers read.
    """
    answer = extract(text, pattern)
    if answer is None:
        return list(said), None, "length" if finish == "length" else "silent"
    kept = said[:-1] if said and said[-1]["kind"] == "answer" else said
    return [*kept, step("answer", untagged(answer))], answer, "answer"


def together(askings: Sequence[Asking[T]]) -> Asking[list[T]]:
    """Several generators as one: all pending requests at once, in the generators' order; returns all results."""
    pending: dict[int, list[Request]] = {}
    done: dict[int, T] = {}

    def advance(index: int, results: list[Result] | None) -> None:
        try:
            asking = askings[index]
            pending[index] = next(asking) if results is None else asking.send(results)
        except StopIteration as stop:
            pending.pop(index, None)
            done[index] = stop.value

    for index in range(len(askings)):
        advance(index, None)
    while pending:
        order = sorted(pending)
        results = yield [request for index in order for request in pending[index]]
        start = 0
        for index in order:
            count = len(pending[index])
            advance(index, results[start : start + count])
            start += count
    return [done[index] for index in range(len(askings))]
