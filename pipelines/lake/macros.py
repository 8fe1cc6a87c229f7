"""Questions that everybody asks, as macros that live in the catalog: `FROM funnel()`, `FROM band(0.2, 0.8)`.

A macro is SQL over the catalog's own views, so every program that opens the file has it. docs/queries.md shows
them at work.
"""

from __future__ import annotations

from dataclasses import dataclass

WILSON = """
CASE WHEN coalesce(n, 0) = 0 THEN {none}
     ELSE ((k / n + 3.8414588206941236 / (2 * n)) {sign} 1.959963984540054
           * sqrt(k / n * (1 - k / n) / n + 3.8414588206941236 / (4 * n * n))) / (1 + 3.8414588206941236 / n) END
"""
"""`pipelines.intervals.wilson` in SQL, 95 %."""

_VOTES = """
SELECT {row}, sum(CASE {said} WHEN 'right' THEN 1 WHEN 'wrong' THEN -1 END) AS balance
FROM (SELECT DISTINCT ON ({row}, reviewer) {row}, {said} FROM reviews
      WHERE {said} IS NOT NULL AND queue IN ({queues}) ORDER BY {row}, reviewer, reviewed_at DESC, review_id)
GROUP BY {row}
"""
"""Rows with the sum of one voice for each person."""

REVIEWED = f"""
WITH drawn AS ({_VOTES.format(row="sample_id", said="label", queues="'random'")}),
suspected AS ({_VOTES.format(row="sample_id", said="label", queues="'random', 'suspect'")}),
steps AS ({_VOTES.format(row="shown_id", said="shown", queues="'random'")}),
judged AS ({_VOTES.format(row="shown_id", said="shown", queues="'judge'")}),
votes AS (
    SELECT 1 AS place, 'samples' AS stage, 'the stored answer is right' AS claim, balance FROM drawn
        WHERE sample_id IN (SELECT sample_id FROM samples)
    UNION ALL SELECT 2, 'verify', 'the steps of a proven trace hold', balance FROM steps
        WHERE shown_id IN (SELECT trace_id FROM checks WHERE correct)
    UNION ALL SELECT 3, 'deduplicate', 'the answer of a row it kept is right', balance FROM drawn
        WHERE sample_id IN (SELECT sample_id FROM clusters)
    UNION ALL SELECT 4, 'difficulty', 'a label it suspects is wrong', -balance FROM suspected
        WHERE sample_id IN (SELECT sample_id FROM difficulty WHERE suspicion = 'label')
    UNION ALL SELECT 5, 'curate', 'the answer of a chosen row is right', balance FROM drawn
        WHERE sample_id IN (SELECT sample_id FROM curated WHERE arm = 'curated')
    UNION ALL SELECT 6, 'judge', 'the judge decided a contested answer rightly',
        CASE WHEN correct THEN balance ELSE -balance END
        FROM judged JOIN (SELECT rollout_id, any_value(correct) AS correct FROM rollouts GROUP BY 1)
            ON rollout_id = shown_id WHERE correct IS NOT NULL
)
SELECT stage, claim, count(*) FILTER (balance > 0) AS k, count(*) FILTER (balance <> 0) AS n,
    count(*) FILTER (coalesce(balance, 0) = 0) AS undecided
FROM votes GROUP BY place, stage, claim ORDER BY place
"""
"""What people found of each stage's claim: of `n` rows that they decided, `k` bear it out; the rest stayed undecided.

Each row has one voice: the majority of its reviewers. Only rows drawn at random count, but for the stages whose own
suspicion or verdict was put to people.
"""


DRIFT = """
WITH sides AS ({sides})
SELECT coalesce(task, 'all') AS task, count(before) AS n1, count(after) AS n2, avg(before) AS rate1,
    avg(after) AS rate2, avg(after) - avg(before) AS drift,
    count(*) FILTER (before IS NOT NULL AND after IS NOT NULL) AS paired, avg(after - before) AS paired_drift
FROM sides GROUP BY ROLLUP (task) ORDER BY grouping(task), 1
"""
"""How a pass rate differs between two sides, by task and in all. `sides` has a row for each sample, with `before` and
`after`, either null where that side did not measure it.
"""

ROUNDS = """
SELECT s.task, d.sample_id, any_value(d.pass_rate) FILTER (d.round = r1) AS before,
    any_value(d.pass_rate) FILTER (d.round = r2) AS after
FROM difficulty d JOIN samples s USING (run_id, sample_id) GROUP BY ALL
"""

POLICIES = """
SELECT s.task, d.sample_id, max_by(d.pass_rate, d.run_id) FILTER (starts_with(d.policy, p1)) AS before,
    max_by(d.pass_rate, d.run_id) FILTER (starts_with(d.policy, p2)) AS after
FROM all_difficulty d JOIN all_samples s USING (run_id, sample_id) GROUP BY ALL
"""

PIXELS = """
WITH chosen AS (
    SELECT c.run_id, c.round, c.sample_id, c.split, c.position, s.question, s.options, s.answer, s.task, s.license,
        s.image_ids
    FROM curated c JOIN (SELECT * EXCLUDE (round, stage_key, split) FROM samples) s USING (run_id, sample_id)
    WHERE c.arm = which
),
places AS (
    SELECT run_id, round, sample_id, split, unnest(image_ids) AS image_id,
        generate_subscripts(image_ids, 1) AS place
    FROM chosen
),
stored AS (
    SELECT image_id, first({'bytes': bytes, 'path': image_id || '.' || lower(format)}) AS picture
    FROM packs WHERE image_id IN (SELECT image_id FROM places) GROUP BY image_id
),
shown AS (
    SELECT run_id, round, sample_id, split, list(picture ORDER BY place) AS images
    FROM places JOIN stored USING (image_id) GROUP BY ALL
)
SELECT chosen.* EXCLUDE (image_ids), images FROM chosen JOIN shown USING (run_id, round, sample_id, split)
ORDER BY round, split, position
"""


@dataclass(frozen=True)
class Macro:
    """`sql` behind CREATE MACRO name(arguments) AS; `says` is what it is for."""

    arguments: str
    sql: str
    says: str


MACROS: dict[str, Macro] = {
    "wilson_low": Macro("k, n", WILSON.format(sign="-", none="0.0"), "lower end of a share's 95 % interval"),
    "wilson_high": Macro("k, n", WILSON.format(sign="+", none="1.0"), "upper end of a share's 95 % interval"),
    "funnel": Macro(
        "run := NULL",
        "TABLE SELECT node, round, stage, read, kept, expanded, rejected, failed, children, children_kept,"
        " round((kept + expanded) / nullif(read, 0), 4) AS passed FROM runs"
        " WHERE run_id = coalesce(run, (SELECT max(run_id) FROM runs WHERE status = 'complete')) ORDER BY rowid",
        "how many rows took each way out of each stage of a run (the newest complete one)",
    ),
    "band": Macro(
        "lo, hi",
        "TABLE SELECT d.run_id, d.round, d.sample_id, s.task, s.dial, d.k, d.n, d.pass_rate, d.low, d.high,"
        " d.iterations, d.suspicion, s.split, s.question, s.answer, s.image_ids"
        " FROM difficulty d JOIN samples s USING (run_id, sample_id)"
        " WHERE d.pass_rate BETWEEN lo AND hi ORDER BY d.pass_rate, d.sample_id, d.round",
        "samples whose pass rate lies in a band, ends included",
    ),
    "drift": Macro(
        "r1, r2",
        f"TABLE {DRIFT.format(sides=ROUNDS)}",
        "how the pass rate moved from one round to another, by task and in all, and on the rows of both rounds",
    ),
    "policy_drift": Macro(
        "p1, p2",
        f"TABLE {DRIFT.format(sides=POLICIES)}",
        "the same from one policy to another, named by how their names begin, over every run",
    ),
    "picture": Macro(
        "id",
        "TABLE SELECT image_id, format, bytes FROM packs WHERE image_id = id LIMIT 1",
        "the stored bytes of one picture",
    ),
    "pixels": Macro(
        "which := 'curated'",
        f"TABLE {PIXELS}",
        "curated rows with their pictures' bytes, as datasets and other readers of images want them",
    ),
    "reviewed": Macro(
        "",
        f"TABLE SELECT *, k / nullif(n, 0) AS precision, wilson_low(k, n) AS low, wilson_high(k, n) AS high"
        f" FROM ({REVIEWED})",
        "what people who reviewed rows found of each stage, with a 95 % interval",
    ),
}
"""In an order in which each needs only those before it."""


def create(name: str) -> str:
    """The statement that makes a macro."""
    macro = MACROS[name]
    return f'CREATE MACRO "{name}"({macro.arguments}) AS {macro.sql}'
