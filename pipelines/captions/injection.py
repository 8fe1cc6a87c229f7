"""One false phrase in a true caption: what may be swapped, and the question that a swap becomes.

A swap is offered only where the fact behind the clause is proven true of the program and the new one proven false, the
phrase stands once in the caption, its replacement nowhere in it, and the words around it fit both (`a` and `an`, one
and many). Nothing but the phrase changes, so the spans before and after are exact.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pipelines.captions.truth import holds, swaps
from pipelines.prompts import step
from schemas.ids import canonical_json, content_id
from schemas.outcome import Row
from schemas.rows import SampleRow, StepRow, TraceRow

Kind = Literal["attribute", "count", "object", "relation"]
"""What a swapped phrase says."""
KINDS: tuple[Kind, ...] = get_args(Kind)

_KIND_OF_CLAUSE: Mapping[str, Kind] = {
    "colour": "attribute",
    "value": "count",
    "count": "count",
    "object": "object",
    "relation": "relation",
}

ASK = "One phrase of this description is wrong for the picture. Which one?"


@dataclass(frozen=True)
class Swap:
    """`original` at `start` may become `replacement`; the facts are the clause's own and the false one."""

    kind: Kind
    original: str
    replacement: str
    start: int
    fact: Mapping[str, Any]
    false: Mapping[str, Any]


@dataclass(frozen=True)
class Injection:
    """Rows of `injections`, `samples` and `traces` for one swap."""

    row: Row
    sample: Row
    trace: Row


def offers(text: str, clauses: Sequence[Mapping[str, Any]], program: Mapping[str, Any]) -> list[Swap]:
    """Every swap that can be proven, in the order of the clauses."""
    found = []
    for clause in clauses:
        fact = json.loads(clause["fact"])
        phrase, start = clause["text"], clause["start"]
        if text[start : clause["end"]] != phrase or times(phrase, text) != 1 or not holds(fact, program):
            continue
        for replacement, false in swaps(fact, program):
            if times(replacement, text) == 0 and fits(text[:start], phrase, replacement):
                found.append(Swap(_KIND_OF_CLAUSE[clause["kind"]], phrase, replacement, start, fact, false))
    return found


def times(phrase: str, text: str) -> int:
    """How often a phrase stands in a text as whole words, whatever its case."""
    return len(re.findall(rf"(?<!\w){re.escape(phrase)}(?!\w)", text, re.IGNORECASE))


def fits(before: str, phrase: str, replacement: str) -> bool:
    """Whether the words around the phrase fit its replacement: the article before it, and one or many after it."""
    article = before.rstrip().rpartition(" ")[2].lower()
    if article in ("a", "an") and (replacement[0].lower() in "aeiou") != (article == "an"):
        return False
    return (phrase.lower() in ("one", "1")) == (replacement.lower() in ("one", "1"))


def inject(caption: Row, sample: Row, swap: Swap) -> Injection:
    """The false caption as a question. `caption` and `sample` are rows of their tables."""
    end = swap.start + len(swap.original)
    text = caption["text"][: swap.start] + swap.replacement + caption["text"][end:]
    proof = {"true": dict(swap.fact), "false": dict(swap.false)}
    asked = SampleRow(
        image_ids=(caption["image_id"],),
        question=f"{ASK}\n{text}",
        answer=swap.replacement,
        answer_type="span",
        task="vicrit",
        relation=swap.kind,
        dial=sample["dial"],
        domain=caption["domain"],
        source=sample["source"],
        license=caption["license"],
        program={"caption": caption["caption_id"], "family": sample["task"], **proof},
        state_id=sample["state_id"],
        parents=(sample["sample_id"],),
    ).row()
    thought = f"The description says {swap.replacement}, the picture shows {swap.original}."
    trace = TraceRow(
        sample_id=asked["sample_id"],
        origin="oracle",
        steps=[StepRow.of(step("thought", thought)), StepRow.of(step("answer", swap.replacement))],
        answer=swap.replacement,
        producer={"engine": "oracle", "task": "vicrit", "version": 1},
    ).row()
    row = {
        "injection_id": content_id("injection", [caption["caption_id"], swap.start, swap.replacement]),
        "caption_id": caption["caption_id"],
        "image_id": caption["image_id"],
        "sample_id": asked["sample_id"],
        "kind": swap.kind,
        "original": swap.original,
        "replacement": swap.replacement,
        "original_start": swap.start,
        "original_end": end,
        "start": swap.start,
        "end": swap.start + len(swap.replacement),
        "text": text,
        "proof": canonical_json(proof),
    }
    return Injection(row, asked, trace)
