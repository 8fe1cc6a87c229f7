"""Curate: one SELECT of the recipe decides which samples are taught, how, and in which order.

Why: everything that is known about a sample (difficulty, influence, checks, clusters, injections) is a table, so a
selection policy is a query, and the query stands in the lake beside what it chose. Next to it stands a control: as many
samples for each split, drawn at random from the same pool, so that a gain can be told from luck.

Reads `samples`, `traces`, `checks`, `difficulty`, `influence`, `clusters`, `injections`, `captions`; the pool is the
samples that have a cluster. The recipe's SELECT sees those names, plus `pool` (the samples with `cluster_id`,
`trace_id` of the verified trace, and the columns of difficulty). It returns `sample_id` and `split` (`sft` or `rl`), in
the order in which they are to be taught.

Writes `curated`, one row per sample and arm. No cluster and no pair is in both splits of one arm: the first row in the
query's order decides, the later are dropped as `other_split`. Further drops: `not_selected`, `no_verified_trace`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.stage import Context, Stage
from schemas.arrow import TABLES
from schemas.ids import content_id
from schemas.outcome import Drop, Keep, Outcome

VERSION = 1

SPLITS = ("sft", "rl")

DEFAULT_SQL = """
WITH turns AS (SELECT *, dense_rank() OVER (ORDER BY cluster_id) % 3 AS turn FROM pool)
SELECT sample_id, CASE turn WHEN 0 THEN 'rl' ELSE 'sft' END AS split
FROM turns
WHERE CASE turn WHEN 0 THEN zero_variance < 0.75 ELSE trace_id IS NOT NULL AND pass_rate < 1 END
ORDER BY influence DESC NULLS LAST, sample_id
"""
"""Two clusters of three for imitation, of what the policy does not always get right; the third for reinforcement, where
it is right now and then, so that the rewards of a group differ. The most helpful come first."""

POOL = """
CREATE TABLE pool AS
SELECT s.*, c.cluster_id, c.image_cluster, d.* EXCLUDE (sample_id), v.trace_id, v.trace_origin, i.influence
FROM (SELECT DISTINCT ON (sample_id) * FROM samples ORDER BY sample_id) s
JOIN (SELECT DISTINCT ON (sample_id) * FROM clusters ORDER BY sample_id) c USING (sample_id)
LEFT JOIN (SELECT DISTINCT ON (sample_id) * FROM difficulty ORDER BY sample_id) d USING (sample_id)
LEFT JOIN (
    SELECT DISTINCT ON (sample_id) sample_id, trace_id, origin AS trace_origin
    FROM checks ORDER BY sample_id, origin, trace_id
) v USING (sample_id)
LEFT JOIN (SELECT sample_id, max(score) AS influence FROM influence GROUP BY sample_id) i USING (sample_id)
ORDER BY sample_id
"""


class Parameters(BaseModel):
    """The selection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sql: str = Field(
        DEFAULT_SQL, description="SELECT sample_id, split … ORDER BY …; a DuckDB query over the tables above."
    )
    seed: int = Field(0, ge=0, description="Seed of the random control.")
    control: bool = Field(True, description="Whether to draw the random control.")


class SelectionError(ValueError):
    """The recipe's SELECT cannot be used; one line says why and what would be right."""


@dataclass(frozen=True)
class Candidate:
    """What a choice must know of a sample. `trace_id` is a verified trace, or None."""

    sample_id: str
    cluster_id: str
    pair_id: str | None
    trace_id: str | None

    @property
    def groups(self) -> tuple[str, ...]:
        """What no split may share: the cluster, and the pair where there is one."""
        return (f"cluster:{self.cluster_id}", *((f"pair:{self.pair_id}",) if self.pair_id else ()))


def select(tables: Mapping[str, pa.Table], sql: str) -> tuple[dict[str, Candidate], list[tuple[str, str]]]:
    """The pool, and the (sample_id, split) rows of the SELECT in its order. Raises `SelectionError`."""
    import duckdb

    with duckdb.connect(":memory:", config={"threads": 1, "python_enable_replacements": False}) as database:
        for name in TABLES:
            if re.search(rf"\b{name}\b", f"{POOL} {sql}"):
                database.register("arrow_rows", tables[name])
                database.execute(f'CREATE TABLE "{name}" AS FROM arrow_rows')
                database.unregister("arrow_rows")
        database.execute(POOL)
        # The query comes from a recipe: it may read these tables, and no file or network.
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        found = database.execute("SELECT sample_id, cluster_id, pair_id, trace_id FROM pool").fetchall()
        pool = {row[0]: Candidate(*row) for row in found}
        try:
            chosen: pa.Table = database.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise SelectionError(f"curate.sql: {' '.join(str(error).split())}") from error
    missing = {"sample_id", "split"} - set(chosen.column_names)
    if missing:
        raise SelectionError(
            f"curate.sql must return a column {sorted(missing)[0]!r}; it returns {', '.join(chosen.column_names)}"
        )
    rows = list(zip(chosen["sample_id"].to_pylist(), chosen["split"].to_pylist(), strict=True))
    for sample, split in rows:
        if split not in SPLITS:
            raise SelectionError(f"curate.sql: split {split!r} of sample {sample} is neither 'sft' nor 'rl'")
        if sample not in pool:
            raise SelectionError(f"curate.sql returns sample {sample!r}, which is not in the pool")
    if len({sample for sample, _ in rows}) < len(rows):
        raise SelectionError("curate.sql returns a sample more than once; each sample has one split")
    return pool, rows


def split_apart(wanted: Sequence[tuple[Candidate, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """(sample → split, sample → reason it was dropped): no cluster or pair in two splits; the first row decides."""
    owner: dict[str, str] = {}
    chosen, dropped = dict[str, str](), dict[str, str]()
    for sample, split in wanted:
        if split == "sft" and sample.trace_id is None:
            dropped[sample.sample_id] = "no_verified_trace"
        elif any(owner.get(group, split) != split for group in sample.groups):
            dropped[sample.sample_id] = "other_split"
        else:
            chosen[sample.sample_id] = split
            owner.update(dict.fromkeys(sample.groups, split))
    return chosen, dropped


def control(pool: Sequence[Candidate], sizes: Mapping[str, int], seed: int) -> dict[str, str]:
    """A random choice with the same number per split, under the same rules; fewer where the pool has no more."""
    order = sorted(pool, key=lambda sample: sample.sample_id)
    random.Random(f"control:{seed}").shuffle(order)
    owner: dict[str, str] = {}
    left = dict(sizes)
    chosen = dict[str, str]()
    # A sample without a verified trace can only be rl, so sft is served first from those that have one.
    for split in SPLITS:
        for sample in order:
            if not left.get(split) or sample.sample_id in chosen or (split == "sft" and sample.trace_id is None):
                continue
            if all(owner.get(group, split) == split for group in sample.groups):
                owner.update(dict.fromkeys(sample.groups, split))
                chosen[sample.sample_id] = split
                left[split] -= 1
    return chosen


def run(tables: Mapping[str, pa.Table], p: Parameters, ctx: Context) -> Iterator[tuple[str, Outcome]]:
    """Every sample of the pool: chosen in one arm or both, or dropped."""
    del ctx
    pool, rows = select(tables, p.sql)
    curated, dropped = split_apart([(pool[sample], split) for sample, split in rows])
    sizes = {split: list(curated.values()).count(split) for split in SPLITS}
    random_arm = control(list(pool.values()), sizes, p.seed) if p.control else {}
    selection = content_id("selection", p.sql)
    places: dict[str, list[dict[str, Any]]] = {}
    for arm, chosen in (("curated", curated), ("random", random_arm)):
        position = dict.fromkeys(SPLITS, 0)
        for sample, split in chosen.items():
            row = {
                "sample_id": sample,
                "trace_id": pool[sample].trace_id if split == "sft" else None,
                "arm": arm,
                "split": split,
                "position": position[split],
                "selection": selection if arm == "curated" else f"random:{p.seed}",
                "cluster_id": pool[sample].cluster_id,
                "pair_id": pool[sample].pair_id,
            }
            position[split] += 1
            places.setdefault(sample, []).append(row)
    for sample in tables["input"]["sample_id"].to_pylist():
        found = places.get(sample, [])
        if found:
            yield sample, Keep(found[0], {"curated": found[1:]})
        else:
            yield sample, Drop(dropped.get(sample, "not_selected"))


STAGE = Stage(
    name="curate",
    version=VERSION,
    kind="whole",
    parameters=Parameters,
    sql="SELECT sample_id FROM clusters",
    id_column="sample_id",
    table="curated",
    run=run,
)
