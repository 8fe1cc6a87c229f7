"""Scores from a server: the log-probabilities that vLLM gives of a whole prompt, and where its last turn begins.

The conversation is sent twice, with its last turn and without: the second prompt, opened for the assistant, is as many
tokens long as there are before the turn. Behind the turn's end some templates write a line break, which nobody says. A
turn that begins with a line break may become one token with the break before it, which no model would say like that;
then there is no score.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeAlias

from schemas.requests import Failed, Generate, Generated, Result, Sampling, Score, Scored

UNREADABLE = "\N{REPLACEMENT CHARACTER}"
"""What stands for a token that is a part of a character only."""

Submit: TypeAlias = Callable[[Generate | Score], Future[Result]]


def scored(request: Score, submit: Submit) -> Future[Result]:
    """Ask both, and tell the score when both are answered. `submit` answers a `Score` by a `Generated` whose
    `prompt_logprobs` are those of the whole conversation.
    """
    told: Future[Result] = Future()
    roles = [message.role for message in request.messages[-2:]]
    if roles[-1:] != ["assistant"]:
        told.set_result(Failed("bad_request", "the last message is not the assistant's"))
        return told
    if len(roles) < 2 or roles[0] == "assistant":
        told.set_result(Failed("bad_request", "nobody speaks before the turn that is to be scored"))
        return told
    parts = [
        submit(Generate(request.request_id, request.messages[:-1], Sampling(max_tokens=1), seed=0)),
        submit(request),
    ]
    missing, lock = [2], threading.Lock()

    def heard(_: Future[Result]) -> None:
        with lock:
            missing[0] -= 1
            last = not missing[0]
        if last and told.set_running_or_notify_cancel():
            told.set_result(score(request.messages[-1].text, *(part.result() for part in parts)))

    for part in parts:
        part.add_done_callback(heard)
    return told


def score(text: str, before: Result, whole: Result) -> Result:
    """The score of a last turn that says `text`, of the answers to the conversation without that turn and with it."""
    for each in (before, whole):
        if isinstance(each, Failed):
            return each
    assert isinstance(before, Generated) and isinstance(whole, Generated) and whole.prompt_logprobs is not None
    said = list(whole.prompt_logprobs[before.prompt_tokens :])
    while said and not said[-1].token.strip():
        said.pop()
    logprobs = tuple(place.logprob for place in said if place.logprob is not None)
    if not said or len(logprobs) < len(said):
        message = f"{len(whole.prompt_logprobs)} tokens with the turn, {before.prompt_tokens} without it"
        return Failed("malformed", message)
    first = said[0].token
    if text and not text.startswith(first) and UNREADABLE not in first:
        message = f"the server reads the first token of {text[:20]!r} together with what stands before it"
        return Failed("unsupported", message)
    attempts, seconds = max(before.attempts, whole.attempts), max(before.seconds, whole.seconds)
    return Scored(logprobs, before.prompt_tokens, attempts, seconds=seconds)
