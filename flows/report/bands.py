"""Samples by how hard the policy of a round found them: the bands of the recipe, and ten rows of each to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from flows.report.gallery import plain, stored
from flows.report.pictures import Shown, shown
from flows.report.source import THESE, Source
from pipelines.personal import HELD_BACK

EXAMPLES = 10
"""How many rows of a band are shown."""

SIDE = 176
"""The longest side of their pictures, in pixels."""

SAID = 3
"""How many of the wrong answers."""

EDGES = (0.2, 0.8)
"""Where a recipe states no bands."""

UNSOLVED = "Not one of the attempts that count was right. They are kept: the hardest often teach most."

SUSPICIONS = {"label": "label suspected", "blind": "solved without the picture"}
WITNESSES = {
    "program": "its program gives",
    "stronger": "the stronger model says",
    "agreement": "the attempts agree on",
}
"""Who speaks against a label, see `pipelines.suspicion`."""


@dataclass(frozen=True)
class Example:
    """One row of a band: `measured` is its row of `difficulty`, `said` the commonest wrong answers and how often."""

    sample: dict[str, Any]
    picture: Shown | None
    measured: dict[str, Any]
    said: list[tuple[str, int]]


@dataclass(frozen=True)
class Band:
    """Samples whose share of right answers lies between two edges, or that were never solved; `share` is of all that
    were measured.
    """

    name: str
    says: str
    samples: int
    share: float
    examples: list[Example]


def edges(source: Source, number: int) -> tuple[float, ...]:
    """The band edges that the difficulty of a round was measured for, or `EDGES`."""
    for node, manifest in source.manifests.items():
        if manifest.stage == "difficulty" and source.run.nodes[node].round == number:
            stated = manifest.parameters.get("bands") if isinstance(manifest.parameters, dict) else None
            return tuple(map(float, stated)) if isinstance(stated, list) and stated else EDGES
    return EDGES


def place(cuts: Sequence[float]) -> str:
    """SQL: the band of row `d` of `difficulty`: -1 where it is unsolved, else how many edges its share has reached.

    Null where only a search was made, and found a solution.
    """
    reached = " + ".join(f"(d.k / d.n >= {edge!r})::INT" for edge in cuts)
    return f"CASE WHEN d.iterations IS NULL THEN -1 WHEN d.n > 0 THEN {reached} END"


def names(cuts: Sequence[float]) -> list[str]:
    """What the bands are called, hardest first; the first is of those that were never solved."""
    shares = [f"{100 * edge:g}" for edge in cuts]
    between = [f"{low} to {high} % right" for low, high in pairwise(shares)]
    return ["unsolved", f"under {shares[0]} % right", *between, f"{shares[-1]} % right or more"]


def bands(source: Source, number: int) -> list[Band]:
    """Every band of a round that holds a sample, hardest first."""
    cuts = edges(source, number)
    counted = source.rows(
        f"SELECT {place(cuts)} AS band, count(*) AS samples FROM difficulty d WHERE d.round = ? GROUP BY ALL", number
    )
    total = sum(row["samples"] for row in counted)
    samples = {row["band"]: row["samples"] for row in counted}
    drawn = _examples(source, number, cuts)
    return [
        Band(name, "" if band >= 0 else UNSOLVED, samples[band], samples[band] / total, drawn.get(band, []))
        for band, name in enumerate(names(cuts), start=-1)
        if band in samples
    ]


def _examples(source: Source, number: int, cuts: Sequence[float]) -> dict[int, list[Example]]:
    """Band → its rows, evenly over tasks. Ids are hashes, so the first by id are as good as drawn."""
    drawn = source.rows(
        f"WITH placed AS (SELECT d.sample_id, s.task, {place(cuts)} AS band FROM difficulty d JOIN samples s"
        f" USING (sample_id) WHERE d.round = ? AND d.sample_id NOT IN ({HELD_BACK})), turns AS (SELECT *,"
        " row_number() OVER (PARTITION BY band, task ORDER BY sample_id) AS turn FROM placed WHERE band IS NOT NULL)"
        " SELECT band, sample_id FROM turns QUALIFY row_number() OVER (PARTITION BY band ORDER BY turn, task)"
        f" <= {EXAMPLES} ORDER BY band, turn, task",
        number,
    )
    ids = [row["sample_id"] for row in drawn]
    samples = source.about(f"SELECT sample_id, task, question, answer, image_ids FROM samples WHERE {THESE}", ids)
    measured = source.about(f"SELECT * FROM difficulty WHERE round = {number} AND {THESE}", ids)
    said = source.about(
        "SELECT sample_id, answer, count(*) AS times FROM rollouts WHERE purpose IN ('difficulty', 'mcts')"
        f" AND NOT correct AND stage_key IN (SELECT stage_key FROM difficulty WHERE round = {number}) AND {THESE}"
        " GROUP BY sample_id, answer QUALIFY row_number() OVER (PARTITION BY sample_id ORDER BY times DESC, answer)"
        f" <= {SAID} ORDER BY times DESC, answer",
        ids,
    )
    found: dict[int, list[Example]] = {}
    for row in drawn:
        name = row["sample_id"]
        sample = samples[name][0]
        image = stored(source, sample["image_ids"][0]) if sample["image_ids"] else None
        example = Example(
            sample={**sample, "answer": plain(sample["answer"])},
            picture=shown(image, SIDE) if image else None,
            measured=measured[name][0],
            said=[(plain(each["answer"]), each["times"]) for each in said.get(name, [])],
        )
        found.setdefault(row["band"], []).append(example)
    return found


def solved(row: dict[str, Any]) -> str:
    """When a row of `difficulty` was solved, for people."""
    if row["iterations"] is None:
        return f"unsolved after {row['censored_at']} attempts"
    return f"solved at attempt {row['iterations']}"


def suspected(row: dict[str, Any]) -> str:
    """What a row of `difficulty` is suspected of, and why; empty where it is not."""
    said = SUSPICIONS.get(row["suspicion"] or "", "")
    witness = WITNESSES.get(row["evidence"] or "")
    return f"{said}: {witness} {plain(row['suggested'])}" if witness and row["suspicion"] == "label" else said
