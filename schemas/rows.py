"""Rows at the rim: what ingest, recipes and worker output must look like before they become Arrow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from schemas.answers import ANSWER_TYPES, canonical_answer
from schemas.ids import Json, canonical_json, content_id, sample_id

UNKNOWN_LICENSE = "unknown"

Origin: TypeAlias = Literal["oracle", "policy", "reflection", "tree", "backtracking", "critic"]
"""Who made a trace: the family's program, a policy's right attempt, a wrong and a right one of it; lines of its search
tree, a right one alone and a right one that leaves a wrong one; the program's again, which looks for a false phrase.
"""
ORIGINS: tuple[Origin, ...] = get_args(Origin)


class Strict(BaseModel):
    """Frozen, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SampleRow(Strict):
    """One question about one or more pictures; `row()` gives the columns of table `samples`."""

    image_ids: tuple[str, ...] = Field(min_length=1)
    question: str = Field(min_length=1)
    options: tuple[str, ...] = ()
    answer: Any
    answer_type: str = "text"
    task: str
    relation: str | None = None
    dial: int | None = None
    domain: str = "natural"
    source: str
    license: str = UNKNOWN_LICENSE
    program: dict[str, Any] | None = None
    state_id: str | None = None
    region: list[dict[str, Any]] | None = None
    checklist: list[dict[str, Any]] | None = None
    verifier: dict[str, Any] | None = None
    parents: tuple[str, ...] = ()
    pair_id: str | None = None

    @field_validator("answer_type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        if value not in ANSWER_TYPES:
            raise ValueError(f"{value!r} is not one of {', '.join(ANSWER_TYPES)}")
        return value

    @property
    def sample_id(self) -> str:
        answer = canonical_answer(self.answer, self.answer_type)
        return sample_id(self.image_ids, self.question, self.options, answer, self.answer_type)

    def row(self) -> dict[str, Any]:
        """Columns of table `samples`. Raises `schemas.answers.BadAnswer`."""
        answer = canonical_answer(self.answer, self.answer_type)
        return {
            "sample_id": self.sample_id,
            "image_ids": list(self.image_ids),
            "question": self.question,
            "options": list(self.options),
            "answer": canonical_json(answer),
            "answer_type": self.answer_type,
            "task": self.task,
            "relation": self.relation,
            "dial": self.dial,
            "domain": self.domain,
            "source": self.source,
            "license": self.license,
            "program": _text(self.program),
            "state_id": self.state_id,
            "region": _text(self.region),
            "checklist": _text(self.checklist),
            "verifier": _text(self.verifier),
            "parents": list(self.parents),
            "pair_id": self.pair_id,
        }


class StepRow(Strict):
    """One step of a trace."""

    kind: str = Field(pattern="^(thought|action|observation|answer)$")
    text: str | None = None
    tool: str | None = None
    arguments: dict[str, Any] | None = None
    image_id: str | None = None

    @classmethod
    def of(cls, step: Mapping[str, Any]) -> StepRow:
        """A step as tables hold it, with its arguments as JSON text."""
        return cls(**{**step, "arguments": json.loads(step["arguments"]) if step["arguments"] else None})

    def row(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "text": self.text,
            "tool": self.tool,
            "arguments": _text(self.arguments),
            "image_id": self.image_id,
        }


class TraceRow(Strict):
    """A reasoning trace; its id covers the sample, the steps (observations by their pixels) and the answer.

    A reflection begins with a wrong attempt: its first `wrong_steps` steps, which came to `wrong_answer`. In
    backtracking the first `shared_steps` of those belong to the right attempt as well.
    """

    sample_id: str
    origin: Origin
    steps: Sequence[StepRow]
    answer: Any
    producer: dict[str, Any]
    wrong_steps: int | None = None
    wrong_answer: Any = None
    shared_steps: int | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> TraceRow:
        """A row of table `traces`; `.row()` gives it the id of its content. Raises `ValueError` where it is none."""
        texts = {name: json.loads(row[name]) for name in ("answer", "producer", "wrong_answer") if row.get(name)}
        plain = {name: row[name] for name in ("sample_id", "origin", "wrong_steps", "shared_steps") if name in row}
        return cls(**plain, **texts, steps=[StepRow.of(step) for step in row["steps"]])

    def row(self) -> dict[str, Any]:
        """Columns of table `traces`."""
        steps = [step.row() for step in self.steps]
        answer = canonical_json(self.answer)
        producer = canonical_json(self.producer)
        identity: list[Json] = [self.sample_id, self.origin, steps, answer, producer]
        wrong = None
        if self.wrong_steps is not None:
            wrong = canonical_json(self.wrong_answer)
            identity += [self.wrong_steps, wrong]
        if self.shared_steps is not None:
            identity.append(self.shared_steps)
        return {
            "trace_id": content_id("trace", identity),
            "sample_id": self.sample_id,
            "origin": self.origin,
            "steps": steps,
            "answer": answer,
            "producer": producer,
            "wrong_steps": self.wrong_steps,
            "wrong_answer": wrong,
            "shared_steps": self.shared_steps,
        }


def rollout_id(sample: str, policy: str, purpose: str, prompt_hash: str, sampling: Json, seed: int) -> str:
    """Id of one VLM answer: which sample, which policy, which prompt, how it was drawn."""
    return content_id("rollout", [sample, policy, purpose, prompt_hash, sampling, seed])


def lineage(child: str, parent: str, relation: str, stage: str) -> dict[str, Any]:
    """One edge of table `lineage`."""
    return {"child_id": child, "parent_id": parent, "relation": relation, "stage": stage}


def _text(value: Json) -> str | None:
    return None if value is None else canonical_json(value)
