"""What reviews come to: how many, how far people agree, and the precision of each stage."""

from __future__ import annotations

from typing import Any

from flows.report.source import Source
from pipelines.intervals import wilson
from pipelines.lake.macros import REVIEWED

COUNTS = (
    "SELECT queue, reviewer, count(*) AS rows, count(*) FILTER (label = 'right') AS right,"
    " count(*) FILTER (label = 'wrong') AS wrong, count(*) FILTER (label = 'unsure') AS unsure"
    " FROM reviews WHERE sample_id IN (SELECT sample_id FROM samples) GROUP BY ALL ORDER BY ALL"
)
AGREEMENT = (
    "SELECT a.reviewer AS one, b.reviewer AS other, count(*) AS rows, count(*) FILTER (a.label = b.label) AS alike"
    " FROM reviews a JOIN reviews b ON a.queue = b.queue AND a.sample_id = b.sample_id"
    " AND a.shown_id IS NOT DISTINCT FROM b.shown_id AND a.reviewer < b.reviewer"
    " WHERE a.label IS NOT NULL AND b.label IS NOT NULL AND a.sample_id IN (SELECT sample_id FROM samples)"
    " GROUP BY ALL ORDER BY ALL"
)


def counts(source: Source) -> list[dict[str, Any]]:
    """Verdicts on the stored answers, by queue and person."""
    return source.rows(COUNTS)


def agreement(source: Source) -> list[dict[str, Any]]:
    """For each two people, how many rows both judged, and of how many they said the same."""
    return source.rows(AGREEMENT)


def precision(source: Source) -> list[dict[str, Any]]:
    """`pipelines.lake.macros.REVIEWED` of the run, each share with Wilson's 95 % interval."""
    return [
        {**row, "precision": row["k"] / row["n"] if row["n"] else None, "low": low, "high": high}
        for row in source.rows(REVIEWED)
        for low, high in [wilson(row["k"], row["n"])]
    ]
