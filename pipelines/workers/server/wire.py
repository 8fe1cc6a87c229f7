"""Requests and answers as OpenAI's chat completions say them, with vLLM's additions. Nothing here sends anything.

Two conventions differ from `local:` on the wire, not in what the model reads. A tool's turn travels as a user turn
between `<tool_response>` marks, because the protocol's tool role carries neither pictures nor calls written as text;
Qwen's template renders both alike. Servers cut stop strings off: one that the server names (vLLM's `stop_reason`) is
put back, and so is a closing tag whose opening tag stands in the text. Whether any other stop string ended a text only
the server knows; where it does not say, the request fails, because half a turn must not be taken for a whole one. So
tree search, which stops at `;`, needs a server that has `stop_reason`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from schemas.messages import Message, Text
from schemas.requests import Failed, Generate, Generated, Result, Sampling, Score, TokenLogprob

Body: TypeAlias = dict[str, Any]
PartOf: TypeAlias = Callable[[str], Mapping[str, Any]]
"""An image id as the part of a message that shows the picture."""

SCORING = Sampling(max_tokens=1, prompt_logprobs=0)
"""How a score is asked for: a server must say something, and what it says is not looked at."""

_TOOL_OPENS, _TOOL_CLOSES = "<tool_response>\n", "\n</tool_response>"


def body_of(request: Generate | Score, model: str, part_of: PartOf) -> Body:
    """What is posted to `/chat/completions`; for a score, the whole conversation with its last turn ended. Raises what
    `part_of` raises, and `ValueError` for a schema that is no JSON.
    """
    sampling = request.sampling if isinstance(request, Generate) else SCORING
    body: Body = {
        "model": model,
        "messages": chat(request.messages, part_of),
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": request.seed % 2**63 if isinstance(request, Generate) else 0,
    }
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if sampling.n > 1:
        body["n"] = sampling.n
    if sampling.json_schema is not None:
        schema = {"name": "answer", "strict": True, "schema": json.loads(sampling.json_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if sampling.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": sampling.logprobs}
    if sampling.prompt_logprobs is not None:
        body["prompt_logprobs"] = sampling.prompt_logprobs
    if isinstance(request, Score):
        body["add_generation_prompt"] = False
    elif request.messages[-1].role == "assistant":  # vLLM's way to say: go on with this turn
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return body


def chat(messages: Sequence[Message], part_of: PartOf) -> list[Body]:
    """The conversation; what the assistant said is text alone, any other turn may show pictures among its words."""
    turns: list[Body] = []
    for message in messages:
        if message.role in ("system", "assistant"):
            turns.append({"role": message.role, "content": message.text})
            continue
        parts = [_text(part.text) if isinstance(part, Text) else dict(part_of(part.image_id)) for part in message.parts]
        if message.role == "tool":
            parts = [_text(_TOOL_OPENS), *parts, _text(_TOOL_CLOSES)]
        turns.append({"role": "user", "content": parts})
    return turns


def _text(text: str) -> Body:
    return {"type": "text", "text": text}


def read(data: bytes, request: Generate | Score) -> Result:
    """The answer in the body of a 200. One that does not hold what the protocol promises is a failure, not an empty
    text; it is transient where the body may have been cut on its way. Of a score only `prompt_logprobs` matter.
    """
    sampling = request.sampling if isinstance(request, Generate) else SCORING
    try:
        body = json.loads(data)
        choices = sorted(body["choices"], key=lambda choice: int(choice.get("index", 0)))
        usage = body.get("usage") or {}
        counts = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
        said = [_logprobs(choice) if sampling.logprobs is not None else None for choice in choices]
        asked = sampling.prompt_logprobs
        if asked is not None and body.get("prompt_logprobs") is None:
            return Failed(
                "unsupported", "the server gives no log-probabilities of prompts (`prompt_logprobs`); vLLM does"
            )
        before = None if asked is None else tuple(_place(place, asked) for place in body["prompt_logprobs"])
        turns = [(choice["message"]["content"], choice["finish_reason"]) for choice in choices]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        shown = data[:300].decode(errors="replace")
        return Failed("malformed", f"{type(error).__name__}: {error} in {shown}", transient=True)
    if len(choices) != sampling.n:
        return Failed("malformed", f"{len(choices)} choices, and {sampling.n} were asked for")
    samples: list[Generated] = []
    for choice, (text, reason), logprobs in zip(choices, turns, said, strict=True):
        whole = _whole_turn(text, reason, choice, sampling.stop)
        if isinstance(whole, Failed):
            return whole
        samples.append(Generated(whole, reason, 0, 0, logprobs))
    first, *others = samples
    return Generated(first.text, first.finish, *counts, first.logprobs, before, tuple(others))


def _whole_turn(text: Any, reason: Any, choice: Body, stops: Sequence[str]) -> str | Failed:
    """The text with the stop string that ended it."""
    if not isinstance(text, str) or reason not in ("stop", "length"):
        return Failed("malformed", f"finish_reason {reason!r}, content {text!r}"[:500])
    if reason == "length":
        return text
    unsure = [stop for stop in stops if not stop.startswith("</") and not text.endswith(stop)]
    if unsure and "stop_reason" not in choice:
        message = f"the server does not say (`stop_reason`) whether the text was cut at one of {unsure}; vLLM does"
        return Failed("silent_stop", message)
    return text + _stop_string(text, choice.get("stop_reason"), stops)


def _stop_string(text: str, named: object, stops: Sequence[str]) -> str:
    """The stop string that ended `text` and that the server cut off; empty where the model ended by itself."""
    if isinstance(named, str) and named in stops:
        return "" if text.endswith(named) else named
    for stop in stops:
        if stop.startswith("</") and text.rfind(stop.replace("</", "<", 1)) > text.rfind(stop):
            return stop
    return ""


def _logprobs(choice: Body) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(
            str(place["token"]),
            float(place["logprob"]),
            tuple((str(other["token"]), float(other["logprob"])) for other in place.get("top_logprobs") or ()),
        )
        for place in choice["logprobs"]["content"]
    )


def _place(place: Mapping[str, Body] | None, alternatives: int) -> TokenLogprob:
    """A token of the prompt: vLLM names the token that stands there first, then the likeliest ones with their ranks."""
    if place is None:
        return TokenLogprob("", None)
    found = list(place.values())
    ranked = sorted((each for each in found if each["rank"] <= alternatives), key=lambda each: int(each["rank"]))
    top = tuple((str(each["decoded_token"]), float(each["logprob"])) for each in ranked)
    return TokenLogprob(str(found[0]["decoded_token"]), float(found[0]["logprob"]), top)
