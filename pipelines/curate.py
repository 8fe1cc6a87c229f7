"""Curate: one SELECT of the recipe decides which samples are taught, how, and in which order.

Why: everything that is known about a sample (difficulty, influence, checks, clusters, injections) is a table, so a
selection policy is a query, and the query stands in the lake beside what it chose. Next to it stands a control: as many
samples for each split, drawn at random from the same pool, so that a gain can be told from luck.

Reads `samples`, `traces`, `checks`, `difficulty`, `necessity`, `influence`, `clusters`, `injections`, `captions`. The
recipe's SELECT sees those names, plus `pool`: the samples that have a cluster and meet `eligible`, with `cluster_id`,
`trace_id` and `trace_origin` of the verified trace, `influence`, `needs_interaction`, and the columns of difficulty. It
returns `sample_id` and `split` (`sft` or `rl`),
in the order in which they are to be taught. What should be taught to nobody belongs into `eligible` and not into the
SELECT, or the control has to take what the selection passes over, and a selection that knows nothing beats it.

Writes `curated`, one row per sample and arm. No cluster and no pair is in both splits of one arm: the first row in the
query's order decides, the later are dropped as `other_split`. Further drops: `not_eligible`, `not_selected`,
`no_verified_trace`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.near import Groups
from pipelines.stage import Context, Stage
from schemas.arrow import TABLES
from schemas.ids import content_id
from schemas.outcome import Drop, Keep, Outcome
from schemas.rows import Origin

VERSION = 3

SPLITS = ("sft", "rl")
DEALS = 32

DEFAULT_ELIGIBLE = "pass_rate IS DISTINCT FROM 1"
"""All but what the policy always gets right."""

DEFAULT_SQL = """
WITH turns AS (SELECT *, dense_rank() OVER (ORDER BY cluster_id) % 3 AS turn FROM pool)
SELECT sample_id, CASE turn WHEN 0 THEN 'rl' ELSE 'sft' END AS split
FROM turns
WHERE CASE turn WHEN 0 THEN zero_variance < 0.75 ELSE trace_id IS NOT NULL END
ORDER BY influence DESC NULLS LAST, sample_id
"""
"""Two clusters of three for imitation; the third for reinforcement, where the policy is right now and then, so that the
rewards of a group differ. The most helpful come first."""

POOL = """
CREATE TABLE pool AS
SELECT s.*, c.cluster_id, c.image_cluster, d.* EXCLUDE (sample_id), v.trace_id, v.trace_origin, i.influence,
    n.needs_interaction
FROM (SELECT DISTINCT ON (sample_id) * FROM samples ORDER BY sample_id) s
JOIN (SELECT DISTINCT ON (sample_id) * FROM clusters ORDER BY sample_id) c USING (sample_id)
LEFT JOIN (SELECT DISTINCT ON (sample_id) * FROM difficulty ORDER BY sample_id) d USING (sample_id)
LEFT JOIN (
    SELECT DISTINCT ON (sample_id) sample_id, trace_id, origin AS trace_origin
    FROM checks WHERE list_contains($traces, origin)
    ORDER BY sample_id, list_position($traces, origin), trace_id
) v USING (sample_id)
LEFT JOIN (
    SELECT sample_id, bool_or(needs_interaction) AS needs_interaction FROM necessity GROUP BY sample_id
) n USING (sample_id)
LEFT JOIN (SELECT sample_id, max(score) AS influence FROM influence GROUP BY sample_id) i USING (sample_id)
ORDER BY sample_id
"""


class Parameters(BaseModel):
    """The selection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    eligible: str = Field(
        DEFAULT_ELIGIBLE,
        description="An SQL condition over `pool`: who may be chosen at all, by the selection and by the control.",
    )
    sql: str = Field(
        DEFAULT_SQL, description="SELECT sample_id, split … ORDER BY …; a DuckDB query over the tables above."
    )
    traces: tuple[Origin, ...] = Field(
        ("oracle", "policy", "reflection"),
        min_length=1,
        description="Whose verified traces may teach a sample, in the selection and in the control: the first that has "
        "one does.",
    )
    seed: int = Field(0, ge=0, description="Seed of the random control.")
    control: bool = Field(True, description="Whether to draw the random control.")


class SelectionError(ValueError):
    """The recipe's SELECT or condition cannot be used; one line says why and what would be right."""


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


def select(
    tables: Mapping[str, pa.Table], sql: str, eligible: str, traces: Sequence[str]
) -> tuple[dict[str, Candidate], list[tuple[str, str]]]:
    """The pool of the eligible, and the (sample_id, split) rows of the SELECT in its order. Raises `SelectionError`."""
    import duckdb

    with duckdb.connect(":memory:", config={"threads": 1, "python_enable_replacements": False}) as database:
        for name in TABLES:
            if re.search(rf"\b{name}\b", f"{POOL} {eligible} {sql}"):
                database.register("arrow_rows", tables[name])
                database.execute(f'CREATE TABLE "{name}" AS FROM arrow_rows')
                database.unregister("arrow_rows")
        database.execute(POOL, {"traces": list(traces)})
        # Condition and query come from a recipe: they may read these tables, and no file or network.
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        field = "eligible"
        try:
            database.execute(f"DELETE FROM pool WHERE ({eligible}\n) IS NOT TRUE")
            found = database.execute("SELECT sample_id, cluster_id, pair_id, trace_id FROM pool").fetchall()
            field = "sql"
            chosen: pa.Table = database.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise SelectionError(f"curate.{field}: {' '.join(str(error).split())}") from error
    pool = {row[0]: Candidate(*row) for row in found}
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
            raise SelectionError(
                f"curate.sql returns sample {sample!r}, which is not in the pool: select FROM pool, which holds "
                f"what has a cluster and meets curate.eligible ({' '.join(eligible.split())})"
            )
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
    """A random choice with the same number per split, under the same rules; fewer where no deal found as many.

    What may not be torn apart is dealt to the splits at random, to each in proportion to its size; each split then
    draws its rows from all that it was dealt. Where that leaves a split short, it is dealt again.
    """
    groups, units = Groups(), dict[str, list[Candidate]]()
    for sample in pool:
        groups.join(f"sample:{sample.sample_id}", f"cluster:{sample.cluster_id}")
        if sample.pair_id:
            groups.join(f"sample:{sample.sample_id}", f"pair:{sample.pair_id}")
    for sample in sorted(pool, key=lambda each: each.sample_id):
        units.setdefault(groups.find(f"sample:{sample.sample_id}"), []).append(sample)
    draw = random.Random(f"control:{seed}")
    best = dict[str, str]()
    for _ in range(DEALS):
        dealt = _deal(list(units.values()), sizes, draw)
        chosen = {
            sample.sample_id: split
            for split in SPLITS
            for sample in draw.sample(dealt[split], min(sizes.get(split, 0), len(dealt[split])))
        }
        best = max(best, chosen, key=len)
        if len(best) == sum(sizes.values()):
            break
    return best


def _deal(
    units: Sequence[Sequence[Candidate]], sizes: Mapping[str, int], draw: random.Random
) -> dict[str, list[Candidate]]:
    """The rows that each split may draw from: each unit, in random order, goes where the most is missing."""
    dealt: dict[str, list[Candidate]] = {split: [] for split in SPLITS}
    for unit in draw.sample(units, len(units)):
        usable = {"sft": [sample for sample in unit if sample.trace_id], "rl": unit}
        takers = [split for split in SPLITS if usable[split] and sizes.get(split)]
        if takers:
            neediest = min(takers, key=lambda split: len(dealt[split]) / sizes[split])
            dealt[neediest] += usable[neediest]
    return dealt


def run(tables: Mapping[str, pa.Table], p: Parameters, ctx: Context) -> Iterator[tuple[str, Outcome]]:
    """Every sample that has a cluster: chosen in one arm or both, or dropped."""
    del ctx
    pool, rows = select(tables, p.sql, p.eligible, p.traces)
    curated, dropped = split_apart([(pool[sample], split) for sample, split in rows])
    sizes = {split: list(curated.values()).count(split) for split in SPLITS}
    random_arm = control(list(pool.values()), sizes, p.seed) if p.control else {}
    selection = content_id("selection", [p.eligible, p.sql, list(p.traces)])
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
            yield sample, Drop(dropped.get(sample, "not_selected" if sample in pool else "not_eligible"))


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
