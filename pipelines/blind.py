"""Blind: what a reader finds without the picture goes no further.

Why: a false phrase that the words give away teaches nobody to look. Three detectors choose the false phrase among the
phrases of each caption from the text alone (`pipelines.textonly`). An injection is dropped with the odds at which the
keenest of them is better than a guess: where it gives the false phrase r times the chance of a guess, one in r stays.
What stays is then no more likely to be false for looking so.

Nobody judges what it learnt from. Pictures are parted by their ids into `first`, `second` and `held`. Detectors fitted
on one of the first two judge the other; fitted on both they judge `held` (`before_*`). Then they are fitted again, on
what is left of the first two, and tried on what is left of `held`, on which no filter was fitted (`after_*`).

Questions of `vicrit` banks are judged as `held` is, and stay in their banks: how far a policy is above a reader who
sees nothing is what its accuracy there is worth.

Reads `injections` with `captions`, `samples`, `traces`, `checks`, `proposals`, and `banks`. Writes `detectability`;
hands on `injections`, `samples`, `traces` and `checks` of what stays. Unchanged captions pass. Drops:
`given_away:<detector>` (value: r, threshold: the r that this injection could have had), `one_candidate` (there was
nothing to choose).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.stage import Context, Stage
from pipelines.textonly.audit import DETECTORS, Seen, Trial
from pipelines.textonly.candidates import Puzzle, puzzle
from schemas.ids import seed_of
from schemas.outcome import Drop, Keep, Outcome, Row

VERSION = 2

SQL = """
WITH proposed AS (
    SELECT caption_id, list(DISTINCT {'start': start, 'end': start + length(original)}) AS spans
    FROM proposals GROUP BY caption_id
)
SELECT i.injection_id, i.image_id, i AS injection, s AS sample, t AS trace, k AS "check", c.text AS caption,
       coalesce(p.spans, []) || [{'start': x.start, 'end': x."end"} FOR x IN c.clauses] AS spans, NULL AS answer
FROM injections i JOIN captions c USING (caption_id) JOIN samples s ON s.sample_id = i.sample_id
JOIN traces t ON t.sample_id = i.sample_id JOIN checks k ON k.trace_id = t.trace_id
LEFT JOIN proposed p USING (caption_id)
UNION ALL
SELECT b.sample_id, b.image_ids[1], NULL, NULL, NULL, NULL, b.question,
       [{'start': x[1], 'end': x[2]} FOR x IN (b.program->'phrases')::BIGINT[][]], b.answer
FROM banks b WHERE b.role = 'evaluation' AND (b.program->'phrases') IS NOT NULL
"""

PARTS = ("first", "second", "held")
BANK = "bank"
READS = {"first": "second", "second": "first", "held": "first", BANK: "first"}
"""The true captions that a detector has read when it looks at a part: those of another."""


class Parameters(BaseModel):
    """How much may be given away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ratio: float = Field(1.0, ge=1, description="A false phrase that looks at most so many times as likely stays.")
    seed: int = Field(0, ge=0, description="Another seed parts pictures otherwise and drops others at the same odds.")


def run(tables: Mapping[str, pa.Table], p: Parameters, ctx: Context) -> Iterator[tuple[str, Outcome]]:
    """Every injection → kept or dropped, with what the detectors made of it."""
    del ctx
    rows = {row["injection_id"]: row for row in tables["input"].to_pylist()}
    parts: dict[str, list[Puzzle]] = {part: [] for part in READS}
    for name, row in rows.items():
        phrases = [(span["start"], span["end"]) for span in row["spans"]]
        if row["injection"] is None:
            parts[BANK].append(question(name, row, phrases))
        elif row["injection"]["start"] is None:  # an unchanged caption
            yield name, Keep({**_named(row), "kept": True}, _handed(row))
        elif found := puzzle(row["injection"], row["caption"], phrases):
            parts[PARTS[seed_of("blind", p.seed, found.group) % len(PARTS)]].append(found)
        else:
            yield name, Drop("one_candidate", 1, 2)
    puzzles = [each for part in parts.values() for each in part]
    where = [part for part, inside in parts.items() for _ in inside]
    blocks = [(sorted({each.learn for each in parts[READS[part]]}), parts[part]) for part in READS]
    trials = {name: Trial(features(blocks), puzzles) for name, features in DETECTORS.items()}
    before = {name: judged(trial, where) for name, trial in trials.items()}
    drops = [
        None if part == BANK else decide(each.name, {name: seen[at].ratio for name, seen in before.items()}, p)
        for at, (each, part) in enumerate(zip(puzzles, where, strict=True))
    ]
    after = {name: again(trial, where, drops) for name, trial in trials.items()}
    for at, each in enumerate(puzzles):
        told: Row = {**_named(rows[each.name]), "part": where[at], "candidates": len(each.spans)}
        for name in DETECTORS:
            told |= {f"before_{name}": before[name][at].share, f"after_{name}": after[name].get(at)}
        drop = drops[at]
        if drop:
            yield each.name, Drop(drop.reason, drop.value, drop.threshold, {STAGE.table: [{**told, "kept": False}]})
        else:
            yield each.name, Keep({**told, "kept": True}, _handed(rows[each.name]))


def judged(trial: Trial, where: Sequence[str]) -> list[Seen]:
    """What a detector makes of each puzzle, fitted on none of its part: on the other of the first two, or on both."""
    first, second, held, bank = ([at for at, own in enumerate(where) if own == part] for part in READS)
    both = first + second
    return [*trial(second, first), *trial(first, second), *trial(both, held), *trial(both, bank)]


def again(trial: Trial, where: Sequence[str], drops: Sequence[Drop | None]) -> dict[int, float]:
    """What the detector makes of the puzzles that are left of `held` and of the banks, fitted on what is left of the
    others.
    """
    left = [at for at, drop in enumerate(drops) if drop is None]
    tried = [at for at in left if where[at] in ("held", BANK)]
    seen = trial([at for at in left if where[at] in ("first", "second")], tried)
    return {at: each.share for at, each in zip(tried, seen, strict=True)}


def question(name: str, row: Row, phrases: Sequence[tuple[int, int]]) -> Puzzle:
    """A question of a bank as a puzzle; nothing is learnt from it."""
    text = row["caption"].partition("\n")[2]
    said = [text[slice(*span)] for span in phrases]
    return Puzzle(name, row["image_id"], text, "", tuple(phrases), said.index(json.loads(row["answer"])))


def decide(name: str, ratios: Mapping[str, float], p: Parameters) -> Drop | None:
    """A drop by the keenest detector, or None. One in `ratio / p.ratio` stays, drawn by the injection's name."""
    keenest = max(ratios, key=ratios.__getitem__)
    could = p.ratio / max(seed_of("blind", p.seed, name) / 2**63, 2**-63)
    return Drop(f"given_away:{keenest}", ratios[keenest], could) if ratios[keenest] > could else None


def _named(row: Row) -> Row:
    if row["injection"] is None:
        return {"sample_id": row["injection_id"], "image_id": row["image_id"]}
    return {name: row["injection"][name] for name in ("injection_id", "sample_id", "image_id")}


def _handed(row: Row) -> dict[str, list[Row]]:
    if row["injection"] is None:
        return {}
    return {f"{name}s": [row[name]] for name in ("injection", "sample", "trace", "check")}


STAGE = Stage(
    name="blind",
    version=VERSION,
    kind="whole",
    parameters=Parameters,
    sql=SQL,
    id_column="injection_id",
    table="detectability",
    side_tables=("injections", "samples", "traces", "checks"),
    run=run,
)
