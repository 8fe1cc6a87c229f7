"""What tests of jobs share: upstream tables as literal rows, workers that follow a script, stages run to manifests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from PIL import Image
from pydantic import BaseModel

from pipelines.lake import Lake, Manifest
from pipelines.runner import run_stage
from pipelines.stage import Context, Stage, StageCall, WorkerSpec
from pipelines.tools import picture_id
from schemas.arrow import TABLES
from schemas.ids import content_id
from schemas.outcome import Expansion, Row, check_law
from schemas.requests import Embed, Failed, Generate, Generated, Request, Result, Vector, WorkerIdentity
from schemas.rows import SampleRow

IDENTITY = WorkerIdentity("script", "scripted", "1")


class Content(BaseModel):
    """The key of given rows is the key of their content."""

    digest: str


def given(lake: Lake, *images: Image.Image, **tables: list[Row]) -> str:
    """A finished stage that left these pictures and rows; returns its key."""

    def leave(row: Row, p: Content, ctx: Context) -> Expansion:
        for image in images:
            ctx.store(image, origin="given", license="CC0-1.0")
        return Expansion((), tables)

    sides = tuple(name for name in TABLES if name != "images")
    stage = Stage(
        "given", 1, "expand", Content, "n", "samples", leave, source=lambda p: [{"n": "0"}], side_tables=sides
    )
    digest = content_id("given", [repr(sorted(tables.items())), [picture_id(image) for image in images]])
    return run_stage(lake, StageCall(stage, Content(digest=digest))).key


class Scripted:
    """Answers each request by a function of it; remembers the requests."""

    in_waves = True
    identity = IDENTITY

    def __init__(self, script: Callable[[Any], Result]) -> None:
        self.script, self.asked = script, list[Request]()

    def answer(self, requests: Sequence[Request]) -> list[Result]:
        self.asked += requests
        return [self.script(request) for request in requests]


SCRIPTS: list[Callable[[Any], Result]] = []
"""A worker is named by what can be pickled: the place of its script here."""


def scripted(place: int, *_loaders: object) -> Scripted:
    return Scripted(SCRIPTS[place])


def run(
    lake: Lake,
    stage: Stage,
    parameters: BaseModel,
    *inputs: str,
    script: Callable[[Any], Result] | None = None,
    max_failed: float = 1.0,
    **options: Any,
) -> Manifest:
    """The stage's manifest; the law holds, and a second call runs nothing."""
    if script:
        SCRIPTS.append(script)
    worker = WorkerSpec(IDENTITY, partial(scripted, len(SCRIPTS) - 1)) if script else None
    call = StageCall(stage, parameters, inputs, worker, max_failed=max_failed, **options)
    manifest = run_stage(lake, call)
    check_law(stage.name, manifest.counts)
    assert run_stage(lake, call) == manifest
    return manifest


def rows(lake: Lake, manifest: Manifest, table: str) -> list[Row]:
    found: list[Row] = lake.read(manifest.key, table).to_pylist()
    return found


def reasons(lake: Lake, manifest: Manifest) -> dict[str, str]:
    """Reason or failure kind by row id."""
    dropped = {row["row_id"]: row["reason"] for row in rows(lake, manifest, "rejects")}
    return dropped | {row["row_id"]: row["kind"] for row in rows(lake, manifest, "failures")}


def said(text: str) -> Generated:
    return Generated(text, "stop", 10, 5)


def colour_vector(load: Callable[[str], Image.Image]) -> Callable[[Embed], Result]:
    """An embedder: the picture shrunk to 4x4, as a vector."""

    def embed(request: Embed) -> Result:
        small = np.asarray(load(request.image_id).resize((4, 4)), dtype=float).ravel() - 128
        return Vector(tuple(small.tolist()))

    return embed


def sample(image: Image.Image | str, question: str = "What colour?", answer: Any = "red", **fields: Any) -> Row:
    """A row of table `samples`."""
    image = image if isinstance(image, str) else picture_id(image)
    known = {"answer_type": "text", "task": "toy", "source": "toy", "license": "CC0-1.0"}
    return SampleRow(image_ids=(image,), question=question, answer=answer, **{**known, **fields}).row()


def picture(seed: int, size: int = 64) -> Image.Image:
    """A picture of smooth random blobs: far from every other one by hash and by colour."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC)


__all__ = ["Failed", "Generate", "given", "picture", "reasons", "rows", "run", "said", "sample"]
