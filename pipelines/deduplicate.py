"""Deduplicate: one of each, and nothing that a bank holds.

Why: copies waste training steps, and a sample that stands in a bank makes the bank's figure worthless. Pictures are
near when their perceptual hashes AND their embeddings are near, or when their embeddings are all but equal; an image
cluster is a connected component of near pictures. Two samples are duplicates only when image cluster, normalised
question and answer all agree, so that two questions about one picture, and the two answers to an edited pair, all stay.
Members of a pair stand or fall together.

Without an embedder the hashes alone decide, and no picture is opened: `images` holds the hash of each.

Reads `samples` (all that may be taught), `images` and `fingerprints` (of all banks). Writes `clusters`, and
`embeddings` of the samples' pictures. Drops: `in_bank:<name>`, `duplicate`, `pair` (its mate was dropped); the first in
id order stays. Samples that share an image cluster or a pair have one `cluster_id`, and `curate` never cuts such a
group in two.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.near import Groups, near_pairs, perceptual_hash
from pipelines.stage import Context, Stage
from pipelines.waves import answer
from schemas.ids import content_id
from schemas.outcome import Drop, Fail, Keep, Outcome, Row
from schemas.requests import Embed, Failed, Vector

VERSION = 3

SQL = "SELECT sample_id, image_ids, question, answer, state_id, pair_id FROM samples"

Key = tuple[tuple[str, ...], str, str]
"""Image cluster of every picture, normalised question, normalised answer: what duplicates have in common."""


class Parameters(BaseModel):
    """When two pictures are near."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phash_distance: int = Field(4, ge=0, le=32, description="Largest Hamming distance of two 64-bit perceptual hashes.")
    cosine: float = Field(0.95, ge=-1, le=1, description="Smallest cosine of two embeddings whose hashes are near.")
    cosine_alone: float = Field(
        0.99, ge=-1, description="Smallest cosine that suffices whatever the hashes say; above 1 none does."
    )
    wave: int = Field(256, ge=1, description="Pictures per call of the embedder.")


@dataclass(frozen=True)
class Candidate:
    """What the rule looks at. `out` is a reason that is already known."""

    sample_id: str
    pair_id: str | None
    key: Key
    out: str | None = None


def normal(text: str) -> str:
    """A text as it is compared: NFKC, case folded, one space between words, no full stop or question mark at the end.

    Signs inside stay: `x < 3` and `x > 3` are two questions.
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(" .?!:")


def decide(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Reason by sample, for those that are dropped. The order of `candidates` does not matter."""
    units: dict[str, list[Candidate]] = {}
    for candidate in sorted(candidates, key=lambda each: each.sample_id):
        units.setdefault(candidate.pair_id or candidate.sample_id, []).append(candidate)
    taken: set[Key] = set()
    reasons: dict[str, str] = {}
    for unit in units.values():
        own: dict[str, str] = {}
        keys: set[Key] = set()
        for member in unit:
            if member.out or member.key in taken | keys:
                own[member.sample_id] = member.out or "duplicate"
            keys.add(member.key)
        if own:
            reasons |= {member.sample_id: own.get(member.sample_id, "pair") for member in unit}
        else:
            taken |= keys
    return reasons


def run(tables: Mapping[str, pa.Table], p: Parameters, ctx: Context) -> Iterator[tuple[str, Outcome]]:
    """Every sample to its cluster, or out. Raises `RuntimeError` where a bank's picture has no embedding."""
    samples, marks = tables["input"].to_pylist(), tables["fingerprints"].to_pylist()
    pool = sorted({image for row in samples for image in row["image_ids"]})
    held = sorted({mark["image_id"] for mark in marks})
    looked = sorted({*pool, *held})
    vectors, broken = embedded(looked, p.wave, ctx) if ctx.has_worker else ({}, {})
    lost = [image for image in held if image in broken]
    if lost:
        raise RuntimeError(f"bank picture {lost[0]} has no embedding: {broken[lost[0]].message}")
    sound = [image for image in looked if image not in broken]
    hashes = hashed(sound, [*marks, *tables["images"].select(["image_id", "phash"]).to_pylist()], ctx)
    matrix = np.stack([vectors[image] for image in sound]) if vectors else None
    near = [
        (sound[i], sound[j])
        for i, j in near_pairs([hashes[image] for image in sound], matrix, p.phash_distance, p.cosine, p.cosine_alone)
    ]
    pictures, inside = Groups(), set(pool)
    for first, second in near:
        if first in inside and second in inside:
            pictures.join(first, second)
    overlap = in_bank(samples, marks, near)
    lame = {row["sample_id"]: broken[image] for row in samples for image in row["image_ids"] if image in broken}
    reasons = decide(
        [
            Candidate(
                row["sample_id"],
                row["pair_id"],
                (tuple(map(pictures.find, row["image_ids"])), normal(row["question"]), normal(row["answer"])),
                "failed" if row["sample_id"] in lame else overlap.get(row["sample_id"]),
            )
            for row in samples
        ]
    )
    kept = [row for row in samples if row["sample_id"] not in reasons]
    groups = split_groups(kept, pictures)
    sizes = Counter(groups.values())
    embedder = ctx.worker.identity.name if ctx.has_worker else "phash"
    for row in samples:
        sample, also = row["sample_id"], {"embeddings": list[Row]()}
        for image in row["image_ids"]:
            if image in vectors:
                also["embeddings"].append(
                    {
                        "image_id": image,
                        "embedder": embedder,
                        "phash": hashes[image],
                        "vector": vectors.pop(image).tolist(),
                    }
                )
        if sample in lame:
            yield sample, Fail(lame[sample].kind, lame[sample].message, lame[sample].transient, also)
        elif sample in reasons:
            yield sample, Drop(reasons[sample], also=also)
        else:
            clusters = [pictures.find(image) for image in row["image_ids"]]
            cluster = clusters[0] if len(clusters) == 1 else content_id("image_cluster", clusters)
            group = groups[sample]
            place = {"image_cluster": cluster, "cluster_id": group, "size": sizes[group], "embedder": embedder}
            yield sample, Keep({"sample_id": sample, **place}, also)


def embedded(
    images: Sequence[str], wave: int, ctx: Context
) -> tuple[dict[str, np.ndarray[Any, np.dtype[np.float32]]], dict[str, Failed]]:
    """Unit embedding of each picture, and what went wrong with those that have none."""
    vectors, broken = {}, {}
    for start in range(0, len(images), wave):
        block = images[start : start + wave]
        for image, result in zip(block, answer(ctx.worker, [Embed(image, image) for image in block]), strict=True):
            if isinstance(result, Vector):
                vector = np.asarray(result.values, dtype=np.float32)
                vectors[image] = vector / max(float(np.linalg.norm(vector)), 1e-12)
            else:
                broken[image] = (
                    result if isinstance(result, Failed) else Failed("protocol", "the worker sent no vector")
                )
    return vectors, broken


def hashed(images: Sequence[str], known: Sequence[Row], ctx: Context) -> dict[str, str]:
    """Perceptual hash of each picture: as a row of `known` tells, or looked at where none does."""
    told = {row["image_id"]: row["phash"] for row in known if row["phash"]}
    return {image: told.get(image) or perceptual_hash(ctx.image(image)) for image in images}


def in_bank(samples: Sequence[Row], marks: Sequence[Row], near: Sequence[tuple[str, str]]) -> dict[str, str]:
    """`in_bank:<name>` for every sample that shows a bank's picture, one near it, or a bank's latent state."""
    by_image = {mark["image_id"]: mark["bank"] for mark in marks}
    by_state = {mark["state_id"]: mark["bank"] for mark in marks if mark["state_id"]}
    touched = dict(by_image)
    for first, second in near:
        for mine, theirs in ((first, second), (second, first)):
            if theirs in by_image:
                touched.setdefault(mine, by_image[theirs])
    found = {}
    for row in samples:
        banks = [touched[image] for image in row["image_ids"] if image in touched]
        banks += [by_state[row["state_id"]]] if row["state_id"] in by_state else []
        if banks:
            found[row["sample_id"]] = f"in_bank:{banks[0]}"
    return found


def split_groups(samples: Sequence[Row], pictures: Groups) -> dict[str, str]:
    """The group of each sample: all that share an image cluster or a pair, directly or through others."""
    groups = Groups()
    first: dict[str, str] = {}
    for row in samples:
        for mark in [*map(pictures.find, row["image_ids"]), *([row["pair_id"]] if row["pair_id"] else [])]:
            groups.join(row["sample_id"], first.setdefault(mark, row["sample_id"]))
    return {row["sample_id"]: groups.find(row["sample_id"]) for row in samples}


STAGE = Stage(
    name="deduplicate",
    version=VERSION,
    kind="whole",
    parameters=Parameters,
    sql=SQL,
    id_column="sample_id",
    table="clusters",
    side_tables=("embeddings",),
    run=run,
)
