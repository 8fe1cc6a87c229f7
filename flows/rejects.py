"""Why rows were turned away, counted by stage and rule; and what another threshold would have kept.

A drop stores the value that its rule saw and the threshold that the value missed, so which side passes can be read from
the rows, and another threshold can be tried on them without running anything again. What the answer cannot know is said
beside it: what later rules would make of the rows that then pass, and which kept rows a stricter threshold would cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from schemas.ids import Json
from schemas.recipe import did_you_mean

if TYPE_CHECKING:
    import duckdb

    from pipelines.lake import Lake
    from pipelines.lake.runs import Run

FAILED = "failed: "
"""Failures are listed beside rules, as `failed: <kind>`."""

_AWAY = f"""
CREATE OR REPLACE TEMP VIEW away AS
WITH every AS (
    SELECT run_id, round, stage_key, stage, row_id, parent_id, reason AS rule, value, threshold, payload,
        NULL AS message FROM all_rejects
    UNION ALL
    SELECT run_id, round, stage_key, stage, row_id, parent_id, '{FAILED}' || kind, NULL, NULL, payload, message
    FROM all_failures
)
SELECT * FROM every
SEMI JOIN (SELECT min(run_id) AS run_id, stage_key FROM runs WHERE run_id IN ($scope) GROUP BY stage_key)
USING (run_id, stage_key)
"""
"""Each stage key once, however many runs it served. A view, for payloads are long and few questions need them."""

_EXAMPLE = """
coalesce(
    message, payload ->> '$.question', payload ->> '$.text', payload ->> '$.file' || ', row ' || (payload ->> '$.row'),
    row_id
)
"""
"""What a reader knows a row by."""

_SEEN = """
SELECT stage, sum("read") AS "read", sum(children) AS children FROM (
    SELECT DISTINCT stage, stage_key, "read", children FROM runs WHERE run_id IN (SELECT unnest($scope::VARCHAR[]))
) GROUP BY stage
"""

_BY_RULE = f"""
WITH counted AS (
    SELECT a.stage, a.rule, count(*) AS "rows", CASE WHEN a.parent_id IS NULL THEN s."read" ELSE s.children END AS "of",
        count(*) / nullif("of", 0) AS share, min(a.value) AS least, max(a.value) AS most,
        list(DISTINCT a.threshold ORDER BY a.threshold) FILTER (a.threshold IS NOT NULL) AS thresholds,
        min(a.row_id) AS row_id
    FROM away a LEFT JOIN ({_SEEN}) s USING (stage)
    WHERE ($stage IS NULL OR a.stage = $stage)
    GROUP BY a.stage, a.rule, a.parent_id IS NULL, s."read", s.children, "of"
),
shown AS (
    SELECT stage, rule, row_id, any_value({_EXAMPLE}) AS example
    FROM away SEMI JOIN counted USING (stage, rule, row_id) GROUP BY stage, rule, row_id
)
SELECT * FROM counted JOIN shown USING (stage, rule, row_id) ORDER BY stage, "rows" DESC, rule
"""

_SIDES = """
SELECT stage, count(*) AS dropped, count(value) FILTER (isfinite(value)) AS valued,
    count(*) FILTER (isfinite(value) AND value < threshold) AS below,
    count(*) FILTER (isfinite(value) AND value > threshold) AS above,
    count(*) FILTER (isfinite(value) AND value = threshold) AS level,
    count(*) FILTER (isfinite(value) AND threshold IS NOT NULL AND value >= $x) AS at_least,
    count(*) FILTER (isfinite(value) AND threshold IS NOT NULL AND value > $x) AS more,
    count(*) FILTER (isfinite(value) AND threshold IS NOT NULL AND value <= $x) AS at_most,
    count(*) FILTER (isfinite(value) AND threshold IS NOT NULL AND value < $x) AS less,
    min(value) AS least, max(value) AS most,
    list(DISTINCT threshold ORDER BY threshold) FILTER (threshold IS NOT NULL) AS thresholds
FROM away WHERE rule = $rule AND ($stage IS NULL OR stage = $stage) GROUP BY stage ORDER BY stage
"""


class NoRule(LookupError):
    """No row was turned away by this rule; the message says which rules there are."""


@dataclass(frozen=True)
class Meets:
    """A later stage: of the rows that it read in these runs, so many were dropped or failed there."""

    stage: str
    read: int
    turned_away: int


@dataclass(frozen=True)
class WhatIf:
    """What another threshold makes of one rule of one stage.

    `dropped` rows were dropped by the rule, and exactly `would_pass` of them pass it under the new threshold. `passes`
    says which side that is; both are None where the stored values cannot answer. `note` says why, and what else the
    figures do not show. `then` are the stages that these rows would still have to pass.
    """

    stage: str
    rule: str
    dropped: int
    would_pass: int | None
    passes: str | None
    thresholds: tuple[float, ...]
    least: float | None
    most: float | None
    note: str
    then: tuple[Meets, ...]

    def as_json(self) -> dict[str, Json]:
        return asdict(self)


def open_away(connection: duckdb.DuckDBPyConnection, scope: Sequence[str]) -> None:
    """Show what these runs turned away as a temporary view, which the functions below read."""
    from pipelines.lake.tables import quote

    connection.execute(_AWAY.replace("$scope", ", ".join(map(quote, scope))))


def by_rule(
    connection: duckdb.DuckDBPyConnection, scope: Sequence[str], stage: str | None = None
) -> list[dict[str, Any]]:
    """One row per stage and rule: `rows` `of` all that the stage read (of its candidate children, where the rule judges
    those), the values and thresholds that it stated, and one example. Raises `NoRule` for a stage that never ran.
    """
    known = {row["stage"] for row in _dicts(connection, _SEEN, {"scope": list(scope)})}
    if stage is not None and stage not in known:
        raise NoRule(f"{stage}: no such stage ran{did_you_mean(stage, sorted(known))}")
    return _dicts(connection, _BY_RULE, {"scope": list(scope), "stage": stage})


def rows_of(
    connection: duckdb.DuckDBPyConnection, rule: str, stage: str | None, limit: int
) -> tuple[int, list[dict[str, Any]]]:
    """How many rows a rule turned away, and the first of them, those nearest to their threshold first.

    Raises `NoRule`.
    """
    given = {"rule": rule, "stage": stage}
    where = "FROM away WHERE rule = $rule AND ($stage IS NULL OR stage = $stage)"
    (count,) = connection.execute(f"SELECT count(*) {where}", given).fetchone() or (0,)
    if not count:
        raise _no_rule(connection, rule, stage)
    order = "ORDER BY stage, abs(value - threshold) NULLS LAST, row_id"
    named = f"run_id, round, stage, row_id, rule, value, threshold, {_EXAMPLE} AS example, payload"
    return count, _dicts(connection, f"SELECT {named} {where} {order} LIMIT {limit:d}", given)


def what_if(
    connection: duckdb.DuckDBPyConnection, lake: Lake, found: Sequence[Run], rule: str, stage: str | None, x: float
) -> list[WhatIf]:
    """The rule under the threshold `x`, stage by stage. Raises `NoRule`."""
    answers = _dicts(connection, _SIDES, {"rule": rule, "stage": stage, "x": x})
    if not answers:
        raise _no_rule(connection, rule, stage)
    return [_answer(row, rule, x, later(lake, found, row["stage"])) for row in answers]


def later(lake: Lake, found: Sequence[Run], stage: str) -> tuple[Meets, ...]:
    """Stages that read what `stage` made, directly or through others, in the order of the runs."""
    counts: dict[str, list[int]] = {}
    seen: set[str] = set()
    for run in found:
        nodes = [(node, lake.find(node.key)) for node in run.nodes.values()]
        reached = {node.key for node in run.nodes.values() if node.stage == stage}
        for node, manifest in nodes:
            if manifest is None or not reached & set(manifest.inputs):
                continue
            reached.add(node.key)
            if node.key not in seen and node.stage != stage:
                seen.add(node.key)
                way = manifest.counts
                total = counts.setdefault(node.stage, [0, 0])
                total[0] += way.read
                total[1] += way.rejected + way.failed
    return tuple(Meets(name, *total) for name, total in counts.items() if total[1])


def _answer(row: dict[str, Any], rule: str, x: float, then: tuple[Meets, ...]) -> WhatIf:
    notes: list[str] = []
    passes, would_pass = None, None
    below, above, level = row["below"], row["above"], row["level"]
    judged = below + above + level
    thresholds = tuple(row["thresholds"] or ())
    if rule.startswith(FAILED):
        notes.append("a failure is an accident and no decision: it has no threshold")
    elif not row["valued"]:
        notes.append("this rule states no number, so no threshold can be tried on it")
    elif not judged:
        notes.append("this rule states the value that it saw, but no threshold, so which side passes is not known")
    elif below and above:
        notes.append("this rule drops on both sides of its threshold: one number cannot answer for it")
    elif level == judged:
        notes.append("every value stands exactly at its threshold, so which side passes is not known")
    else:
        # A value at its threshold that was dropped shows that the rule wants more than the threshold, or less than it.
        sign, column = (">", "more") if level else (">=", "at_least")
        if above:
            sign, column = ("<", "less") if level else ("<=", "at_most")
        passes, would_pass = f"value {sign} {x:g}", row[column]
        stricter = [old for old in thresholds if (old < x if below else old > x)]
        if stricter:
            notes.append(
                f"{x:g} is stricter than the {', '.join(f'{old:g}' for old in stricter)} of the run: which kept rows it"
                " would have dropped is not stored"
            )
        if judged < row["dropped"]:
            notes.append(f"{row['dropped'] - judged} of the rows state no value and are counted as dropped")
    return WhatIf(
        row["stage"],
        rule,
        row["dropped"],
        would_pass,
        passes,
        thresholds,
        row["least"],
        row["most"],
        "; ".join(notes),
        then,
    )


def _no_rule(connection: duckdb.DuckDBPyConnection, rule: str, stage: str | None) -> NoRule:
    found = connection.execute("SELECT DISTINCT rule FROM away WHERE $1 IS NULL OR stage = $1", [stage]).fetchall()
    where = f" in stage {stage}" if stage else ""
    if not found:
        return NoRule(f"{rule}: no row was turned away{where}")
    return NoRule(f"{rule}: no row was turned away by it{where}{did_you_mean(rule, [row[0] for row in found])}")


def _dicts(connection: duckdb.DuckDBPyConnection, sql: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    result = connection.execute(sql, given)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
