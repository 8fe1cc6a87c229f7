"""Two runs side by side: which curated rows came, which went and by which rule, and which scores changed.

A row is a sample of the arm `curated`, named by its content, so the same picture and question are the same row in both
runs. Everything is asked in SQL of the files that the two manifests list; runs may be of any recipe, but of one lake.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flows.changes import differences
from pipelines.lake import tables

if TYPE_CHECKING:
    import duckdb

    from pipelines.lake import Lake
    from pipelines.lake.runs import Run

TABLES = ("samples", "clusters", "curated", "difficulty", "influence", "rejects", "failures", "lineage")

_SIDE = """
CREATE TABLE {s}_chosen AS
SELECT sample_id, any_value(split) AS split, any_value(position) AS position
FROM {s}_curated WHERE arm = 'curated' GROUP BY sample_id;
CREATE TABLE {s}_scores AS
SELECT sample_id, d.pass_rate, d.iterations, i.influence
FROM (SELECT sample_id, any_value(pass_rate) AS pass_rate, any_value(iterations) AS iterations
      FROM {s}_difficulty GROUP BY sample_id) d
FULL JOIN (SELECT sample_id, max(score) AS influence FROM {s}_influence GROUP BY sample_id) i USING (sample_id);
CREATE TABLE {s}_away AS
WITH away AS (
    SELECT stage, row_id, parent_id, reason AS rule, value, threshold FROM {s}_rejects
    UNION ALL SELECT stage, row_id, parent_id, 'failed: ' || kind, NULL, NULL FROM {s}_failures
)
SELECT stage, row_id, rule, value, threshold FROM away
UNION ALL SELECT stage, parent_id, rule, value, threshold FROM away WHERE parent_id IS NOT NULL;
"""

_MOVED = """
WITH gone AS (SELECT sample_id, split FROM {has}_chosen ANTI JOIN {lacks}_chosen USING (sample_id)),
known AS (SELECT sample_id, question, image_ids FROM {has}_samples SEMI JOIN gone USING (sample_id)),
names AS (  -- the sample, its pictures, and the record, the caption or the state that it was made of
    SELECT sample_id, sample_id AS row_id FROM gone
    UNION SELECT sample_id, unnest(image_ids) FROM known
    UNION SELECT child_id, parent_id FROM {has}_lineage WHERE child_id IN (SELECT sample_id FROM gone)
),
away AS (  -- what turned one of them away: the last stage that saw it decided
    SELECT n.sample_id, arg_max(struct_pack(stage, rule, value, threshold), (o.place, w.rule)) AS by_rule
    FROM names n
    JOIN {lacks}_away w USING (row_id)
    JOIN {lacks}_order o USING (stage)
    WHERE o.stage = 'curate' OR n.sample_id NOT IN (SELECT sample_id FROM {lacks}_clusters)
    GROUP BY n.sample_id
)
SELECT gone.sample_id, gone.split, known.question,
    coalesce(by_rule.stage, CASE WHEN l.sample_id IS NULL THEN m.stage ELSE 'curate' END, '') AS stage,
    coalesce(by_rule.rule, CASE WHEN l.sample_id IS NULL THEN 'not_made' ELSE 'only_in_control' END) AS rule,
    by_rule.value AS value, by_rule.threshold AS threshold
FROM gone
LEFT JOIN known USING (sample_id)
LEFT JOIN away USING (sample_id)
LEFT JOIN (SELECT sample_id FROM {lacks}_samples) l USING (sample_id)
LEFT JOIN {has}_makers m USING (sample_id)
ORDER BY stage, rule, gone.sample_id
"""
"""`not_made`: no such sample came to be in that run, by no rule; the stage is the one that made it in the other.
`only_in_control`: the selection passed it over, and the random control drew it, so `curate` kept it."""

_CHANGED = """
SELECT sample_id, a.split AS split_a, b.split AS split_b, x.pass_rate AS pass_rate_a, y.pass_rate AS pass_rate_b,
    x.iterations AS iterations_a, y.iterations AS iterations_b, x.influence AS influence_a, y.influence AS influence_b
FROM a_chosen a JOIN b_chosen b USING (sample_id)
LEFT JOIN a_scores x USING (sample_id) LEFT JOIN b_scores y USING (sample_id)
WHERE split_a IS DISTINCT FROM split_b OR pass_rate_a IS DISTINCT FROM pass_rate_b
    OR iterations_a IS DISTINCT FROM iterations_b OR influence_a IS DISTINCT FROM influence_b
ORDER BY abs(coalesce(pass_rate_a, 0) - coalesce(pass_rate_b, 0)) DESC,
    abs(coalesce(influence_a, 0) - coalesce(influence_b, 0)) DESC, sample_id
"""

_COUNTS = """
SELECT (SELECT count(*) FROM a_chosen) AS a, (SELECT count(*) FROM b_chosen) AS b,
    (SELECT count(*) FROM a_chosen SEMI JOIN b_chosen USING (sample_id)) AS "both",
    (SELECT count(*) FROM (SELECT DISTINCT sample_id FROM a_samples) SEMI JOIN b_samples USING (sample_id))
        AS samples_in_both
"""


class NotComparable(ValueError):
    """A run that curated nothing; the message says what it did."""


@dataclass(frozen=True)
class Side:
    """One run in one round: the stages that its curation stands on, by name without the round, in running order."""

    run: Run
    round: int
    keys: dict[str, str]


@dataclass(frozen=True)
class Change:
    """What one stage was told differently in B."""

    stage: str
    change: str


@dataclass(frozen=True)
class Diff:
    """Counts are exact; `dropped` and `added` name stage and rule, `changed` both scores, the largest change first."""

    a: Side
    b: Side
    counts: dict[str, int]
    changes: list[Change]
    dropped: list[dict[str, Any]]
    added: list[dict[str, Any]]
    changed: list[dict[str, Any]]
    message: str = field(default="")

    def as_json(self) -> dict[str, Any]:
        named = {
            letter: {"run_id": side.run.run_id, "recipe": side.run.recipe, "round": side.round}
            for letter, side in (("a", self.a), ("b", self.b))
        }
        return {
            **named,
            "counts": self.counts,
            "changes": [vars(change) for change in self.changes],
            "dropped": self.dropped,
            "added": self.added,
            "changed": self.changed,
            "message": self.message,
        }


def open_side(lake: Lake, run: Run, number: int | None = None) -> Side:
    """The given round of a run, or the last that curated. Raises `NotComparable`."""
    chosen = [node for node in run.nodes.values() if node.stage == "curate" and lake.find(node.key)]
    wanted = [node for node in chosen if number in (None, node.round)]
    if not wanted:
        did = ", ".join(dict.fromkeys(node.stage for node in run.nodes.values() if lake.find(node.key))) or "nothing"
        which = "no round" if number is None else f"no round {number}"
        raise NotComparable(
            f"{run.run_id} ({run.recipe}) has {which} with a finished `curate`, and curated rows are what is compared;"
            f" it finished {did}" + (f", and curated in round {', '.join(str(n.round) for n in chosen)}" * bool(chosen))
        )
    node = max(wanted, key=lambda each: each.round)
    behind = _behind(lake, node.key)
    names = {each.key: each.name.partition("/")[2] or each.name for each in reversed(run.nodes.values())}
    order = [each.key for each in run.nodes.values() if each.key in behind]
    return Side(run, node.round, {names[key]: key for key in dict.fromkeys(order)})


def compare(lake: Lake, a: Side, b: Side) -> Diff:
    """What B made of A's curated rows, and what it added. Raises `pipelines.lake.Damaged` as reading does."""
    with _connect(lake, a, b) as connection:
        (counts,) = _dicts(connection, _COUNTS)
        dropped = _dicts(connection, _MOVED.format(has="a", lacks="b"))
        added = _dicts(connection, _MOVED.format(has="b", lacks="a"))
        changed = _dicts(connection, _CHANGED)
    moved = {
        "dropped": len(dropped),
        "added": len(added),
        "split": sum(row["split_a"] != row["split_b"] for row in changed),
        "difficulty": sum(
            (row["pass_rate_a"], row["iterations_a"]) != (row["pass_rate_b"], row["iterations_b"]) for row in changed
        ),
        "influence": sum(row["influence_a"] != row["influence_b"] for row in changed),
    }
    counts |= moved
    return Diff(a, b, counts, _changes(lake, a, b), dropped, added, changed, _message(counts, a.keys == b.keys))


def _message(counts: dict[str, int], same: bool) -> str:
    if same:
        return "Both are served by the same stages: there is nothing that could differ."
    if not counts["samples_in_both"]:
        return "The runs have nothing in common: no sample of one was made in the other."
    if not counts["both"]:
        return f"No row was curated in both, though {counts['samples_in_both']} samples were made in both."
    return ""


def _behind(lake: Lake, key: str) -> set[str]:
    """The stages that a stage stands on, and itself. A replay stands for the stage that it completed."""
    seen: set[str] = set()
    todo = [key]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += lake.manifest(name).inputs
    return seen


def _connect(lake: Lake, a: Side, b: Side) -> duckdb.DuckDBPyConnection:
    keys = {"a": list(a.keys.values()), "b": list(b.keys.values())}
    views = {f"{s}_{name}": tables.select(name, lake.parts(keys[s], name)) for s in keys for name in TABLES}
    connection = tables.connect(views)
    for s, own in keys.items():
        connection.execute(_SIDE.format(s=s))
        connection.execute(f"CREATE TABLE {s}_order (stage VARCHAR, place BIGINT)")
        connection.execute(f"CREATE TABLE {s}_makers (sample_id VARCHAR, stage VARCHAR)")
        stages = [lake.manifest(key).stage for key in own]
        connection.executemany(
            f"INSERT INTO {s}_order VALUES (?, ?)", [[name, place] for place, name in enumerate(dict.fromkeys(stages))]
        )
        for key, stage in zip(own, stages, strict=True):
            made = lake.parts([key], "samples")
            if made:
                connection.execute(
                    f"INSERT INTO {s}_makers SELECT DISTINCT sample_id, ? FROM ({tables.select('samples', made)})"
                    f" ANTI JOIN {s}_makers USING (sample_id)",
                    [stage],
                )
    return connection


def _changes(lake: Lake, a: Side, b: Side) -> list[Change]:
    found = []
    for name in dict.fromkeys([*a.keys, *b.keys]):
        if name not in a.keys or name not in b.keys:
            found.append(Change(name, "only in B" if name not in a.keys else "only in A"))
            continue
        old, new = lake.manifest(a.keys[name]), lake.manifest(b.keys[name])
        said = [f"code version {old.version} → {new.version}"] if old.version != new.version else []
        said += differences(old.parameters, new.parameters)
        said += ["another model"] if old.worker != new.worker else []
        said += ["another renderer"] if old.versions != new.versions else []
        if said:
            found.append(Change(name, "; ".join(said)))
    return found


def _dicts(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    result = connection.execute(sql)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
