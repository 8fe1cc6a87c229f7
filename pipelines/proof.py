"""Proof: a trace that lies in a lake still says what it said, and all that it says happens again.

Why: `verify` judges a trace when it is made. Data are read later, elsewhere, by other versions of what draws. So here
nothing is taken over from the making: seals are broken open, every action is carried out again, and each picture that
a tool made is compared byte by byte with the one that the lake holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.lake import Lake
from pipelines.lake.images import MissingPicture
from pipelines.seals import broken_seal
from pipelines.tools.replay import replay

if TYPE_CHECKING:
    import pyarrow as pa

SQL = """
SELECT t AS trace, s AS sample
FROM checks c JOIN traces t ON t.trace_id = c.trace_id JOIN samples s ON s.sample_id = t.sample_id
"""
"""Every kept trace with its sample, over the views of a lake."""


@dataclass(frozen=True)
class Proof:
    """What came of one trace. `fault` says what is wrong (None: nothing), `pictures` how many stored ones agree."""

    trace_id: str
    fault: str | None
    pictures: int = 0


def prove(lake: Lake, trace: Mapping[str, Any], sample: Mapping[str, Any]) -> Proof:
    """Carry out a trace again over the pictures of the lake; `trace` and `sample` are rows of their tables."""
    name = trace["trace_id"]
    pictures = [lake.image(image) for image in sample["image_ids"]]
    if altered := broken_seal(trace, sample, pictures):
        return Proof(name, altered)
    again = replay(pictures, trace["steps"])
    if again.mismatches:
        return Proof(name, f"step {again.mismatches[0].step}: {again.mismatches[0].reason}")
    agreed = 0
    for image, drawn in zip(again.ids[len(pictures) :], again.images[len(pictures) :], strict=True):
        try:
            stored = lake.image(image)
        except MissingPicture:
            if trace["origin"] != "oracle":
                continue  # what a policy's tools made is not stored: it can be made again, as it just was
            raise
        if (stored.size, stored.tobytes()) != (drawn.size, drawn.tobytes()):
            return Proof(name, f"picture {image} is stored with other pixels than its tool makes", agreed)
        agreed += 1
    return Proof(name, None, agreed)


def prove_batch(root: Path, batch: pa.RecordBatch) -> list[Proof]:
    """The proofs of rows of `SQL`. An accident is that row's fault and costs no other."""
    return list(_proofs(Lake(root), batch))


def _proofs(lake: Lake, batch: pa.RecordBatch) -> Iterator[Proof]:
    for row in batch.to_pylist():
        try:
            yield prove(lake, row["trace"], row["sample"])
        except Exception as error:
            yield Proof(row["trace"]["trace_id"], f"{type(error).__name__}: {error}")
