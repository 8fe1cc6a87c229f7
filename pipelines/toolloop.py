"""A conversation in which the model may call tools, as a generator of worker requests.

It asks for one turn at a time and never for more than it needs, so thousands can be in flight in an Ask stage:
``episode = yield from converse(…)``, or several of one row at once with `together`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from PIL import Image

from pipelines.prompts import Style, conversation, parse_assistant, step, untagged
from pipelines.tools import CallError
from pipelines.tools.replay import LIMIT, observation, outcome
from pipelines.verifiers.extract import extract
from schemas.ids import seed_of
from schemas.requests import Failed, Generate, Generated, Request, Result, Sampling

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
) -> Asking[Episode]:
    """One episode of a sample row.

    `images` are the pictures shown (those of `image_ids`, or the sample's own); `add_image` makes a tool's picture
    visible to the worker under the id that it returns. Requests are named ``sample:purpose:index:turn`` and seeded
    from `seed` and that name. At `max_images` pictures a call is answered by a sentence instead.
    """
    shown, steps = list(images), list[dict[str, Any]]()
    texts: list[str] = []
    prompt_tokens = completion_tokens = 0
    for turn in range(max_turns):
        name = f"{sample['sample_id']}:{purpose}:{index}:{turn}"
        messages = conversation(sample, steps, image_ids, style)
        (result,) = yield [Generate(name, messages, sampling, seed_of("turn", seed, name))]
        if not isinstance(result, Generated):
            failed = result if isinstance(result, Failed) else Failed("protocol", "the worker sent no text")
            return Episode(tuple(steps), tuple(texts), None, "failed", prompt_tokens, completion_tokens, failed)
        prompt_tokens += result.prompt_tokens
        completion_tokens += result.completion_tokens
        texts.append(result.text)
        said = parse_assistant(result.text)
        steps += said
        if not said or said[-1]["kind"] != "action":
            answer = extract(result.text, pattern)
            if answer is not None:  # boxed, tagged or found by the pattern: the trace holds what verifiers read
                if said and said[-1]["kind"] == "answer":
                    steps.pop()
                steps.append(step("answer", untagged(answer)))
            finish = "answer" if answer is not None else "length" if result.finish == "length" else "silent"
            return Episode(tuple(steps), tuple(texts), answer, finish, prompt_tokens, completion_tokens)
        if len(shown) >= max_images:
            steps.append(observation(text=LIMIT))
            continue
        made_now = outcome(shown, said[-1])
        if isinstance(made_now, CallError):
            steps.append(observation(text=str(made_now)))
        else:
            shown.append(made_now)
            steps.append(observation(image_id=add_image(made_now)))
    return Episode(tuple(steps), tuple(texts), None, "turns", prompt_tokens, completion_tokens)


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
