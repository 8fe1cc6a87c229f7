"""What a card counts, as SQL over the tables of one run: each figure can be asked again in any DuckDB shell."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flows.report.measures import comparisons, rounds
from flows.report.source import Source
from flows.results import FUNNEL
from flows.review.measures import precision

_CHOSEN = (
    "(SELECT c.split, c.trace_id, s.* EXCLUDE (split) FROM curated c JOIN samples s USING (sample_id)"
    " WHERE c.arm = '<arm>' AND c.round = (SELECT max(round) FROM curated))"
)
"""The rows that the run gives away, of one arm."""

_TAUGHT = "t.steps.list_transform(lambda step: length(coalesce(step.text, ''))).list_sum()"

TALLIES = {
    "samples": "SELECT task, dial, count(*) AS samples FROM samples GROUP BY ALL ORDER BY ALL",
    "sources": f"SELECT source, license, task, count(*) AS rows FROM {_CHOSEN} GROUP BY ALL ORDER BY ALL",
    "curated": "SELECT round, arm, split, count(*) AS rows FROM curated GROUP BY ALL ORDER BY ALL",
    "verified": (
        "SELECT CASE WHEN trace_id IS NOT NULL THEN 'its trace was carried out again: same pictures, same answer'"
        " WHEN task = 'vicrit' THEN 'the changed words are proved against the facts of the caption'"
        " WHEN state_id IS NOT NULL THEN 'the answer was computed before the picture was drawn'"
        " ELSE 'as its source says; nobody checked it' END AS how, task, count(*) AS rows"
        f" FROM {_CHOSEN} GROUP BY ALL ORDER BY ALL"
    ),
    "checks": (
        "SELECT origin, tier, correct, count(*) AS traces, sum(actions)::BIGINT AS tool_calls,"
        " sum(replayed)::BIGINT AS repeated FROM checks GROUP BY ALL ORDER BY ALL"
    ),
    "difficulty": (
        "SELECT d.round, task, dial, count(*) AS samples, avg(pass_rate) AS pass_rate,"
        " count(*) FILTER (iterations IS NULL) AS unsolved, count(*) FILTER (suspicion = 'label') AS suspect,"
        " count(*) FILTER (blind_solvable) AS blind_solvable, avg(zero_variance) AS no_contrast"
        " FROM difficulty d JOIN samples USING (sample_id) GROUP BY ALL ORDER BY ALL"
    ),
    "banks": (
        "SELECT role, bank, count(DISTINCT sample_id) AS questions, count(DISTINCT image_id) AS pictures"
        " FROM fingerprints GROUP BY ALL ORDER BY ALL"
    ),
    "overlaps": (
        "SELECT reason, count(*) AS rows FROM rejects WHERE reason LIKE 'in_bank:%' GROUP BY ALL ORDER BY ALL"
    ),
    "rejects": "SELECT stage, reason, count(*) AS rows FROM rejects GROUP BY ALL ORDER BY ALL",
    "failures": "SELECT stage, kind, count(*) AS rows FROM failures GROUP BY ALL ORDER BY ALL",
    "licenses": (
        "SELECT license, count(*) AS images FROM images WHERE image_id IN"
        f" (SELECT unnest(image_ids) FROM {_CHOSEN}) GROUP BY ALL ORDER BY ALL"
    ),
    "tokens": (
        "SELECT stage, sum(prompt_tokens)::BIGINT AS prompt, sum(completion_tokens)::BIGINT AS completion FROM cost"
        " GROUP BY ALL HAVING sum(requests) > 0 ORDER BY ALL"
    ),
}
"""Each table of the dataset card."""

DRAWN = {
    "difficulty": (
        "SELECT floor(10 * least(pass_rate, 0.99)) / 10 AS least, count(*) AS samples FROM difficulty"
        " WHERE pass_rate IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ),
    "lengths": (
        f"SELECT pow(2, floor(log2(greatest(length(question) + coalesce({_TAUGHT}, length(answer)), 1))))::BIGINT"
        f" AS least, count(*) AS samples FROM {_CHOSEN} r"
        " LEFT JOIN (SELECT DISTINCT ON (trace_id) trace_id, steps FROM traces ORDER BY trace_id) t USING (trace_id)"
        " GROUP BY ALL ORDER BY ALL"
    ),
}
"""Each plot: samples by the lower end of their bin."""


def tallies(source: Source, arm: str = "curated") -> dict[str, list[dict[str, Any]]]:
    """The rows of `TALLIES`, the funnel, what people found, and the paired comparisons of every round, by name.

    `arm`: whose rows are meant where the card tells of those that are given away.
    """
    compared = [asdict(row) for number in rounds(source) for row in comparisons(source, number)]
    ways = [{"stage": name, **_ways(source, name)} for name in source.manifests]
    return {
        "funnel": ways,
        **{name: source.rows(sql.replace("<arm>", arm)) for name, sql in TALLIES.items()},
        "reviewed": precision(source),
        "comparisons": compared,
    }


def _ways(source: Source, node: str) -> dict[str, int]:
    counts = source.manifests[node].counts
    return {way: getattr(counts, way) for way in FUNNEL}


def drawn(source: Source, name: str, arm: str = "curated") -> list[dict[str, Any]]:
    """The bins of one plot of `DRAWN`."""
    return source.rows(DRAWN[name].replace("<arm>", arm))
