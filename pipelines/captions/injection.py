"""One false phrase in a true caption, or none: the question that a swap becomes, and that of an unchanged caption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.captions.swaps import Swap, token_span
from pipelines.prompts import step
from schemas.ids import canonical_json, content_id
from schemas.outcome import Row
from schemas.rows import SampleRow, StepRow, TraceRow

ASK = "One phrase of this description is wrong for the picture. Which one?"
ASK_WHETHER = (
    "At most one phrase of this description is wrong for the picture. Which one? If all of it is right, answer: {}."
)
NO_ERROR = "no error"
"""The answer to an unchanged caption."""
UNCHANGED = "none"
"""The kind of an unchanged caption."""


@dataclass(frozen=True)
class Asked:
    """How the question is put, and how its answer is paid.

    `whether`: captions without an error are among the questions, so every question says that there may be none.
    `extra_words` and `partial` are the verifier's (`pipelines.verifiers.rules`).
    """

    whether: bool = False
    extra_words: int = 0
    partial: bool = False

    @property
    def text(self) -> str:
        """What stands before the description."""
        return ASK_WHETHER.format(NO_ERROR) if self.whether else ASK


PLAIN = Asked()


@dataclass(frozen=True)
class Injection:
    """Rows of `injections`, `samples` and `traces` for one swap, or for none."""

    row: Row
    sample: Row
    trace: Row


def inject(caption: Row, sample: Row, swap: Swap, asked: Asked = PLAIN) -> Injection:
    """The false caption as a question. `caption` and `sample` are rows of their tables."""
    text = swap.applied(caption["text"])
    end = swap.start + len(swap.replacement)
    was = proven(swap.proof)
    thought = f"The description says {swap.replacement}, the picture shows {swap.original}."
    question = _question(caption, sample, asked, text, swap.replacement, swap.kind, was)
    original_tokens = token_span(caption["text"], swap.start, swap.end)
    tokens = token_span(text, swap.start, end)
    row = {
        **_named(caption, question, [caption["caption_id"], swap.start, swap.original, swap.replacement]),
        "kind": swap.kind,
        "original": swap.original,
        "replacement": swap.replacement,
        "original_start": swap.start,
        "original_end": swap.end,
        "start": swap.start,
        "end": end,
        "original_token_start": original_tokens[0],
        "original_token_end": original_tokens[1],
        "token_start": tokens[0],
        "token_end": tokens[1],
        "text": text,
        "injector": swap.injector,
        "distance": swap.distance,
        "size": swap.size,
        "position": round(swap.start / len(caption["text"]), 4),
        "proof": canonical_json(was),
    }
    return Injection(row, question, _trace(question, thought, swap.replacement))


def unchanged(caption: Row, sample: Row, asked: Asked) -> Injection:
    """The true caption as a question whose answer is that nothing is wrong."""
    question = _question(caption, sample, asked, caption["text"], NO_ERROR, UNCHANGED, {})
    row = {
        **_named(caption, question, [caption["caption_id"], UNCHANGED]),
        "kind": UNCHANGED,
        "original": "",
        "replacement": "",
        "text": caption["text"],
        "injector": "none",
        "proof": canonical_json({}),
    }
    return Injection(row, question, _trace(question, "Every phrase of the description fits the picture.", NO_ERROR))


def proven(proof: Mapping[str, Any]) -> dict[str, Any]:
    """A proof as JSON holds it."""
    return {name: dict(part) if isinstance(part, Mapping) else part for name, part in proof.items()}


def _named(caption: Row, question: Row, identity: list[Any]) -> Row:
    return {
        "injection_id": content_id("injection", identity),
        "caption_id": caption["caption_id"],
        "image_id": caption["image_id"],
        "sample_id": question["sample_id"],
    }


def _question(
    caption: Row, sample: Row, asked: Asked, text: str, answer: str, kind: str, proof: Mapping[str, Any]
) -> Row:
    graded = asked.extra_words or asked.partial
    return SampleRow(
        image_ids=(caption["image_id"],),
        question=f"{asked.text}\n{text}",
        answer=answer,
        answer_type="span",
        task="vicrit",
        relation=kind,
        dial=sample["dial"],
        domain=caption["domain"],
        source=sample["source"] or caption["source"],
        license=caption["license"],
        program={"caption": caption["caption_id"], "family": sample["task"], **proof},
        state_id=sample["state_id"],
        verifier={"context": text, "extra_words": asked.extra_words, "partial": asked.partial} if graded else None,
        parents=(sample["sample_id"],) if sample["sample_id"] else (),
    ).row()


def _trace(question: Row, thought: str, answer: str) -> Row:
    return TraceRow(
        sample_id=question["sample_id"],
        origin="oracle",
        steps=[StepRow.of(step("thought", thought)), StepRow.of(step("answer", answer))],
        answer=answer,
        producer={"engine": "oracle", "task": "vicrit", "version": 1},
    ).row()
