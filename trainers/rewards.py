"""Rewards for GRPO: TRL functions f(completions, **columns) -> list[float | None] over the verifiers (design §6).

Laws, held by construction and tested with hypothesis on every function of `REWARDS` and on their sum:
a correct completion is never paid below a wrong one; accuracy is monotone in the verifier's score; bonuses are bounded
by `BONUS` and paid only to correct completions; silence is paid nothing, and nothing is paid less; where the verifier
cannot tell (`correct` is None) every reward is None, and TRL leaves the completion out of its group.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from pipelines.verifiers import Verdict, verify

BONUS = 0.1
"""The most that one bonus pays, beside an accuracy of at most 1."""

Completion: TypeAlias = Sequence[Mapping[str, Any]]
"""The messages that one rollout added: assistant turns and tool turns."""
Reward: TypeAlias = Callable[..., list[float | None]]

_FINISHED = re.compile(r"(?:(?!</?answer>).)*<answer>(?:(?!</?answer>).)+</answer>\s*", re.DOTALL)


def said(completion: Completion) -> str:
    """The text of the last turn when the model spoke it; "" when the rollout ended in a tool call or a tool turn."""
    if not completion or completion[-1].get("role") != "assistant" or completion[-1].get("tool_calls"):
        return ""
    content = completion[-1].get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def saw_tool_picture(completion: Completion) -> bool:
    """Whether a tool call came back with a picture."""
    return any(
        part.get("type") == "image"
        for message in completion
        if message.get("role") == "tool" and not isinstance(message.get("content"), str)
        for part in message.get("content") or []
    )


@lru_cache(maxsize=4096)
def _verdict(text: str, answer: str, answer_type: str, verifier: str | None, options: tuple[str, ...]) -> Verdict:
    return verify(text, json.loads(answer), answer_type, json.loads(verifier) if verifier else None, options)


def _verdicts(completions: Sequence[Completion], columns: Mapping[str, Sequence[Any]]) -> list[Verdict]:
    """One verdict per completion, by the sample's own verifier; each is computed once for all rewards."""
    names = ("answer", "answer_type", "verifier", "options")
    rows = zip(completions, *(columns[name] for name in names), strict=True)
    return [
        _verdict(said(completion), answer, answer_type, verifier, tuple(options or ()))
        for completion, answer, answer_type, verifier, options in rows
    ]


def accuracy(completions: Sequence[Completion], **columns: Any) -> list[float | None]:
    """Half for being correct and half for the verifier's score in [0, 1], so a graded miss never reaches a hit."""
    return [
        None if verdict.correct is None else 0.5 * verdict.correct + 0.5 * min(1.0, max(0.0, verdict.score))
        for verdict in _verdicts(completions, columns)
    ]


def well_formed(completions: Sequence[Completion], **columns: Any) -> list[float | None]:
    """`BONUS` to a correct completion whose last turn ends in its one and only <answer>…</answer>."""
    verdicts = _verdicts(completions, columns)
    return [
        None if verdict.correct is None else BONUS * (verdict.correct and bool(_FINISHED.fullmatch(said(completion))))
        for completion, verdict in zip(completions, verdicts, strict=True)
    ]


def looked(completions: Sequence[Completion], tools_help: Sequence[bool], **columns: Any) -> list[float | None]:
    """`BONUS` to a correct completion that got a picture from a tool, on samples whose proven trace used one.

    Samples without such a trace are not paid for tools: a needless call is no virtue.
    """
    verdicts = _verdicts(completions, columns)
    return [
        None if verdict.correct is None else BONUS * (verdict.correct and helps and saw_tool_picture(completion))
        for completion, verdict, helps in zip(completions, verdicts, tools_help, strict=True)
    ]


REWARDS: dict[str, Reward] = {"accuracy": accuracy, "well_formed": well_formed, "looked": looked}
