"""What a report counts. Everything is counted by DuckDB over all rows; only groups come back, never the rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flows.report.source import Source
from flows.results import FUNNEL, PAIRS, Comparison, compare
from pipelines.intervals import wilson

CHOSEN = "(SELECT round, sample_id, split FROM curated WHERE arm = 'curated') c"

QUERIES: dict[str, str] = {
    "samples": "SELECT task, dial, count(*) AS samples FROM samples GROUP BY ALL ORDER BY ALL",
    "rejects": (
        "SELECT stage, reason, count(*) AS rows, min(value) AS least, median(value) AS median, max(value) AS most,"
        " min(threshold) AS threshold FROM rejects GROUP BY ALL ORDER BY rows DESC, stage, reason"
    ),
    "failures": (
        "SELECT stage, kind AS reason, count(*) AS rows, min_by(message, row_id) AS message FROM failures"
        " GROUP BY ALL ORDER BY rows DESC, stage, reason"
    ),
    "difficulty": (
        "SELECT d.round, s.task, coalesce(d.k, 0) AS k, coalesce(d.n, 0) AS n,"
        " CASE WHEN d.n > 0 THEN least(floor(10 * d.k / d.n), 9) END AS tenth,"
        " coalesce(c.split, 'none') AS split, count(*) AS samples FROM difficulty d JOIN samples s USING (sample_id)"
        f" LEFT JOIN {CHOSEN} ON c.sample_id = d.sample_id AND c.round = d.round GROUP BY ALL ORDER BY ALL"
    ),
    "solved": (
        "SELECT d.round, pow(2, ceil(log2(d.iterations)))::BIGINT AS within, coalesce(c.split, 'none') AS split,"
        f" count(*) AS samples FROM difficulty d LEFT JOIN {CHOSEN} ON c.sample_id = d.sample_id AND c.round = d.round"
        " GROUP BY ALL ORDER BY ALL"
    ),
    "measured": (
        "SELECT d.round, d.policy, s.task, count(*) AS samples, sum(d.n)::BIGINT AS asked, sum(d.k)::BIGINT AS right,"
        " count(*) FILTER (d.iterations IS NULL) AS unsolved, count(*) FILTER (d.suspicion = 'label') AS suspect,"
        " count(*) FILTER (d.blind_solvable) AS blind, count(d.blind_rate) AS blinded, avg(d.zero_variance) AS flat,"
        " avg(d.zero_variance) FILTER (c.split = 'rl') AS flat_chosen"
        f" FROM difficulty d JOIN samples s USING (sample_id) LEFT JOIN {CHOSEN} ON c.sample_id = d.sample_id"
        " AND c.round = d.round GROUP BY d.round, d.policy, ROLLUP (s.task) ORDER BY d.round, grouping(s.task), s.task"
    ),
    "curated": (
        "SELECT round, arm, split, count(*) AS rows, count(DISTINCT sample_id) AS samples FROM curated"
        " GROUP BY ALL ORDER BY ALL"
    ),
    "accuracy": (
        "SELECT round, arm, bank, count(*) AS n, count(*) FILTER (WHERE correct) AS k FROM evals"
        " WHERE correct IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ),
    "cost": (
        "SELECT stage_key, stage, sum(seconds) AS seconds, coalesce(sum(requests), 0) AS requests,"
        " coalesce(sum(prompt_tokens), 0) AS prompt_tokens, coalesce(sum(completion_tokens), 0) AS completion_tokens,"
        " coalesce(sum(cached), 0) AS cached, coalesce(sum(retries), 0) AS retries FROM cost GROUP BY ALL ORDER BY ALL"
    ),
}
"""The questions behind the page, by section, as a user would ask the catalog."""

EXAMPLES = 3
"""How many rows are shown for a rule."""

RULES = 40
"""For how many rules rows are shown; all are counted."""

APART = frozenset({"banks", "sft", "grpo", "evaluate"})
"""Stages that read something other than the pool of samples."""


def totals(source: Source) -> dict[str, int]:
    """How many rows the run's largest tables hold."""
    names = ("images", "samples", "traces", "rollouts", "rejects", "failures", "difficulty", "evals")
    return {name: int(source.one(f"SELECT count(*) FROM {name}")) for name in names}


def rounds(source: Source) -> list[int]:
    """The numbers of the run's rounds; what all rounds share stands under 0 and is not one."""
    return sorted({node.round for node in source.run.nodes.values() if node.round > 0})


def names(source: Source) -> dict[str, str]:
    """Node → what the page calls it: without its round where there is but one."""
    whole = len(rounds(source)) > 1
    return {name: name if whole else name.split("/")[-1] for name in source.manifests}


def funnel(source: Source) -> list[dict[str, Any]]:
    """One row per finished node, in the order of the plan. `pool` says whether it read the pool of samples."""
    called = names(source)
    return [
        {
            "name": called[node],
            "pool": manifest.stage not in APART,
            **{way: getattr(manifest.counts, way) for way in FUNNEL},
        }
        for node, manifest in source.manifests.items()
    ]


def accuracies(source: Source) -> list[dict[str, Any]]:
    """Accuracy per round, arm and bank, with Wilson's 95 % interval."""
    return [
        {**row, "accuracy": row["k"] / row["n"], "low": low, "high": high}
        for row in source.rows(QUERIES["accuracy"])
        for low, high in [wilson(row["k"], row["n"])]
    ]


def tasks(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `QUERIES["difficulty"]` summed per task: samples, answers asked, and answers right."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        task = found.setdefault(row["task"], {"task": row["task"], "samples": 0, "asked": 0, "right": 0})
        task["samples"] += row["samples"]
        task["asked"] += row["samples"] * row["n"]
        task["right"] += row["samples"] * row["k"]
    return list(found.values())


def drift(source: Source, before: int, after: int) -> list[dict[str, Any]]:
    """How the pass rate moved from one round to another, by task and in all (`pipelines.lake.macros`)."""
    return source.rows(f"FROM drift({before}, {after})")


def comparisons(source: Source, number: int) -> list[Comparison]:
    """Every pair of arms of one round on every bank, question by question."""
    scores: dict[str, dict[str, dict[str, float]]] = {}
    asked = "SELECT arm, bank, sample_id, correct FROM evals WHERE round = ? AND correct IS NOT NULL"
    for row in source.rows(asked, number):
        scores.setdefault(row["arm"], {}).setdefault(row["bank"], {})[row["sample_id"]] = float(row["correct"])
    return [row for before, after in PAIRS for row in compare(scores, number, before, after)]


def curves(source: Source, points: int = 120) -> list[dict[str, Any]]:
    """What the trainers logged: round, trainer, arm and `steps`, at most `points`, each a mean over its span."""
    rows = source.rows("SELECT round, trainer, arm, curve FROM policies ORDER BY round, trainer DESC, arm")
    return [
        {**{name: row[name] for name in ("round", "trainer", "arm")}, "steps": thin(json.loads(row["curve"]), points)}
        for row in rows
        if row["curve"]
    ]


def thin(steps: list[dict[str, float]], points: int) -> list[dict[str, float]]:
    """At most `points` steps: neighbours are averaged, key by key."""
    span = -(-len(steps) // points) if steps else 1
    groups = [steps[start : start + span] for start in range(0, len(steps), span)]
    return [
        {
            key: sum(values) / len(values)
            for key in group[0]
            if (values := [step[key] for step in group if isinstance(step.get(key), int | float)])
        }
        for group in groups
    ]


def costs(source: Source, kept: int) -> list[dict[str, Any]]:
    """Seconds, requests, tokens, cache hits and retries per node, in the order of the plan; `per_kept` divides the
    seconds by `kept`.
    """
    found = {row["stage_key"]: row for row in source.rows(QUERIES["cost"])}
    called = names(source)
    shown = []
    for node, manifest in source.manifests.items():
        if row := found.get(manifest.key):
            per = row["seconds"] / kept if kept and row["seconds"] is not None else None
            shown.append({"name": called[node], **row, "pool": manifest.stage not in APART, "per_kept": per})
    return shown
