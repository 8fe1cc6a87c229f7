"""The tiers in their order."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.verifiers.extract import extract
from pipelines.verifiers.judge import tally
from pipelines.verifiers.rules import Rules
from pipelines.verifiers.symbolic import mathematical, same
from pipelines.verifiers.typed import compare, written
from pipelines.verifiers.words import unwrapped
from schemas.ids import Json

_OPERATION = re.compile(r"[\\^=√π+*/!]|\d\s*-")
"""What an unreadable number must hold to be worth computing."""

_FORMULA = re.compile(r"[\\^=√π]|[a-z]\s*[-+*/]|[-+*/]\s*[a-z]", re.IGNORECASE)
"""What makes a text a formula. A plain ``2-1`` may be a result, and ``1/2`` a date: those are compared as text."""


@dataclass(frozen=True)
class Verdict:
    """`tier` decided: extract, parse, compare, symbolic or judge.

    `correct` is None where nobody could decide (a judge that was not asked, failed or was unclear): such a row is
    masked, and its `score` means nothing. Otherwise `score` in 0–1 grades the answer: every right one scores above
    every wrong one of the same gold. `parsed` is the answer as its type reads it.
    """

    correct: bool | None
    score: float
    tier: str
    parsed: Json = None


def verify(
    response: str,
    gold: Json,
    answer_type: str,
    rules: Rules | Mapping[str, Any] | None = None,
    options: Sequence[str] = (),
    votes: Sequence[str | None] | None = None,
) -> Verdict:
    """Judge a response. `gold` is canonical (`schemas.answers`); `votes` are a judge's texts, None for a failed one,
    and count for `open` answers only. Raises only for `rules` that are wrong themselves.
    """
    checked = _rules(rules)
    answer = extract(response, checked.pattern)
    if answer is None:
        return Verdict(False, 0.0, "extract")
    return verify_answer(answer, gold, answer_type, checked, options, votes)


def verify_answer(
    answer: Json,
    gold: Json,
    answer_type: str,
    rules: Rules | Mapping[str, Any] | None = None,
    options: Sequence[str] = (),
    votes: Sequence[str | None] | None = None,
) -> Verdict:
    """Judge an answer that stands alone: extracted before, or a value such as 5 or [10, 20]."""
    checked = _rules(rules)
    text = written(answer)
    compared = compare(text, gold, answer_type, checked, options)
    if compared.correct:
        return Verdict(True, compared.score, "compare", compared.parsed)
    if answer_type == "open" and compared.parsed is not None:
        correct, share = tally(votes or ())
        return Verdict(correct, share, "judge", compared.parsed)
    unread = compared.parsed is None
    numeric = unread and answer_type in ("integer", "number") and _OPERATION.search(text)
    if checked.symbolic and (numeric or (answer_type == "text" and _FORMULA.search(written(gold)))):
        decided = _symbolic(text, written(gold))
        if decided is not None:
            return decided
    return Verdict(False, compared.score, "parse" if unread else "compare", compared.parsed)


def verify_row(response: str, sample: Mapping[str, Any], votes: Sequence[str | None] | None = None) -> Verdict:
    """Judge a response to a row of table `samples`, whose answer and verifier are JSON text."""
    rules = json.loads(sample["verifier"]) if sample.get("verifier") else None
    gold = json.loads(sample["answer"])
    return verify(response, gold, sample["answer_type"], rules, sample.get("options") or (), votes)


def _symbolic(answer: str, gold: str) -> Verdict | None:
    """A verdict of the symbolic tier; None where the two are not mathematics."""
    found, right = unwrapped(answer), unwrapped(gold)
    if not (mathematical(found) and mathematical(right)) or ("," in found) != ("," in right):
        return None
    decided = same(right, found)
    return Verdict(decided, float(decided or 0), "symbolic", found)


def _rules(rules: Rules | Mapping[str, Any] | None) -> Rules:
    return rules if isinstance(rules, Rules) else Rules.model_validate(rules or {})
