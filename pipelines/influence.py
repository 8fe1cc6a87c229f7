"""Influence: how much a step on this sample would help with what the recipe wants to get better at.

Why: a training step moves the weights along a sample's gradient; where that points the same way as the gradient of a
target bank, the step lowers the bank's loss (first order; LESS, arXiv 2402.04333). Gradients are projected to a few
hundred dimensions by a seeded random projection, which keeps cosines up to about 1/sqrt(dimension). Every target's
gradient has length 1 before the mean is taken, so no single target decides, and a cosine does not favour short texts.

Reads `samples` that have a cluster, their verified `traces` (by `checks`; without one, the bare answer), and `banks` of
role `influence` with their oracle traces; evaluation banks are refused. Writes `influence`, per sample and target.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipelines.prompts import Style, conversation, step
from pipelines.stage import Context, Stage
from pipelines.verifiers import written
from pipelines.waves import answer
from schemas.outcome import Fail, Keep, Outcome, Row
from schemas.requests import Failed, Gradients, Vector

VERSION = 3

SQL = """
SELECT s.*, v.steps
FROM samples s JOIN clusters c ON c.sample_id = s.sample_id
LEFT JOIN (
    SELECT DISTINCT ON (t.sample_id) t.sample_id, t.steps
    FROM traces t JOIN checks k ON k.trace_id = t.trace_id
    ORDER BY t.sample_id, t.wrong_steps IS NOT NULL, t.origin, t.trace_id
) v ON v.sample_id = s.sample_id
"""

Floats: TypeAlias = NDArray[np.float64]


class Parameters(BaseModel):
    """The projection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimension: int = Field(512, ge=8, multiple_of=8, description="Dimensions that a gradient is projected to.")
    seed: int = Field(0, ge=0, description="Seed of the projection.")
    wave: int = Field(64, ge=1, description="Gradients per call of the worker.")
    style: Style = Field("plain", description="`plain`, or `described`: a system turn that explains tools and format.")


def steps_of(sample: Row) -> Sequence[Row]:
    """The verified trace of a sample row, or the bare answer."""
    return sample["steps"] or [step("answer", written(json.loads(sample["answer"])))]


def gradients(samples: Sequence[Row], p: Parameters, ctx: Context) -> Iterator[Vector | Failed]:
    """The projected gradient of each sample's trace, in order; the worker is asked wave by wave."""
    for start in range(0, len(samples), p.wave):
        requests = [
            Gradients(row["sample_id"], conversation(row, steps_of(row), style=p.style), p.dimension, p.seed)
            for row in samples[start : start + p.wave]
        ]
        for result in answer(ctx.worker, list(requests)):
            yield result if isinstance(result, Vector | Failed) else Failed("protocol", "the worker sent no vector")


def unit(vector: Floats) -> Floats:
    """A vector scaled to length 1; a null vector stays null."""
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector


def target_means(tables: Mapping[str, pa.Table], p: Parameters, ctx: Context) -> dict[str, Floats]:
    """The mean of the unit gradients of each influence-target bank, as a unit vector.

    Raises `ValueError` where an evaluation bank is offered or no target is, `RuntimeError` where a gradient fails.
    """
    banks = tables["banks"].to_pylist()
    foreign = [row["bank"] for row in banks if row["role"] != "influence"]
    if foreign:
        raise ValueError(f"bank {foreign[0]!r} is not an influence target; only `evaluate` reads evaluation banks")
    if not banks:
        raise ValueError("influence needs at least one target bank")
    traces = tables["traces"]
    wanted = pa.array([row["sample_id"] for row in banks])
    oracle = traces.filter(pc.is_in(traces["sample_id"], value_set=wanted)).to_pylist()
    steps = {row["sample_id"]: row["steps"] for row in oracle}
    rows = sorted(banks, key=lambda row: (row["bank"], row["sample_id"]))
    found: dict[str, list[Floats]] = {}
    with_steps = [{**row, "steps": steps.get(row["sample_id"])} for row in rows]
    for row, result in zip(rows, gradients(with_steps, p, ctx), strict=True):
        if isinstance(result, Failed):
            raise RuntimeError(f"target {row['bank']}, sample {row['sample_id']}: {result.kind}: {result.message}")
        found.setdefault(row["bank"], []).append(unit(np.asarray(result.values)))
    return {bank: unit(np.mean(vectors, axis=0)) for bank, vectors in found.items()}


def run(tables: Mapping[str, pa.Table], p: Parameters, ctx: Context) -> Iterator[tuple[str, Outcome]]:
    """Every sample → its cosine to every target."""
    samples = tables["input"].to_pylist()
    if not samples:
        return
    means = target_means(tables, p, ctx)
    for row, result in zip(samples, gradients(samples, p, ctx), strict=True):
        sample = row["sample_id"]
        if isinstance(result, Failed):
            yield sample, Fail(result.kind, result.message, result.transient)
            continue
        values = np.asarray(result.values)
        first, *others = [
            _row(sample, target, float(unit(values) @ mean), result.loss, float(np.linalg.norm(values)), p, ctx)
            for target, mean in means.items()
        ]
        yield sample, Keep(first, {"influence": others})


def _row(sample: str, target: str, score: float, loss: float | None, norm: float, p: Parameters, ctx: Context) -> Row:
    return {
        "sample_id": sample,
        "target": target,
        "score": score,
        "checkpoint": ctx.worker.identity.name,
        "projection_seed": p.seed,
        "dimension": p.dimension,
        "loss": loss,
        "norm": norm,
    }


STAGE = Stage(
    name="influence",
    version=VERSION,
    kind="whole",
    parameters=Parameters,
    sql=SQL,
    id_column="sample_id",
    table="influence",
    run=run,
)
