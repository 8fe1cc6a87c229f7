"""What a family made, as rows: the one place where a `Made` becomes a sample, an oracle trace and a caption.

Synthesize and the banks write the same columns, so a training sample and a bank sample differ in nothing but their
seed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from pipelines.prompts import step
from pipelines.tasks.made import Made, state_id
from pipelines.tools.replay import replay, with_observations
from schemas.ids import canonical_json, content_id
from schemas.rows import SampleRow, StepRow, TraceRow

SOURCE = "evolens"
LICENSE = "CC0-1.0"
"""Pictures and texts drawn by a program are given away."""

LICENSES = {"charts": "BSD-3-Clause", "documents": "BSD-3-Clause"}
"""Families that draw from data of others carry the licence of those data: the tables of vega_datasets."""


def sample_row(task: str, dial: int, made: Made, image_ids: Sequence[str]) -> dict[str, Any]:
    """Columns of table `samples`."""
    return SampleRow(
        image_ids=tuple(image_ids),
        question=made.question,
        options=made.options,
        answer=made.answer,
        answer_type=made.answer_type,
        task=task,
        relation=made.relation,
        dial=dial,
        domain="synthetic",
        source=SOURCE,
        license=LICENSES.get(task, LICENSE),
        program=dict(made.program),
        state_id=state_id(made),
        region=[{"label": region.label, "box": list(region.box)} for region in made.region] or None,
        checklist=[
            {"question": fact.question, "answer": fact.answer, "answer_type": fact.answer_type}
            for fact in made.checklist
        ],
        verifier=dict(made.verifier),
    ).row()


def oracle_steps(made: Made) -> tuple[list[dict[str, Any]], tuple[Image.Image, ...]]:
    """The oracle's steps with their observations, and the pictures that its tools made, in order.

    Raises `pipelines.tools.CallError` where a family wrote a call that cannot be carried out.
    """
    steps = [step(item.kind, item.text or None, item.tool, item.arguments) for item in made.steps]
    whole = with_observations(made.images, steps)
    return whole, replay(made.images, whole).images[len(made.images) :]


def trace_row(sample: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], version: int) -> dict[str, Any]:
    """Columns of table `traces` for the oracle's steps; `version` is the family's."""
    return TraceRow(
        sample_id=sample["sample_id"],
        origin="oracle",
        steps=[StepRow.of(item) for item in steps],
        answer=json.loads(sample["answer"]),
        producer={"engine": "oracle", "task": sample["task"], "version": version},
    ).row()


def caption_row(task: str, made: Made, image_id: str, sample_id: str) -> dict[str, Any] | None:
    """Columns of table `captions`, or None where the family wrote none."""
    if made.caption is None:
        return None
    return {
        "caption_id": content_id("caption", [image_id, made.caption.text]),
        "image_id": image_id,
        "sample_id": sample_id,
        "text": made.caption.text,
        "clauses": [
            {
                "text": clause.text,
                "start": clause.start,
                "end": clause.end,
                "kind": clause.kind,
                "fact": canonical_json(clause.fact),
            }
            for clause in made.caption.clauses
        ],
        "source": "program",
        "license": LICENSES.get(task, LICENSE),
        "task": task,
        "domain": "synthetic",
    }
