"""The lineage of one row: from what it was made of to the rewards it earned, link by link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flows.report.bands import solved, suspected
from flows.report.gallery import plain
from flows.report.source import Source

LONGEST = """
SELECT s.sample_id FROM samples s
LEFT JOIN (SELECT sample_id, avg(value) AS paid FROM rewards WHERE arm = 'curated' AND reward = 'accuracy' GROUP BY 1) r
  USING (sample_id)
LEFT JOIN (SELECT sample_id, bool_or(origin = 'policy') AS own, max(actions) AS acts FROM checks GROUP BY 1) c
  USING (sample_id)
ORDER BY (r.paid IS NOT NULL) DESC, (s.split IS NOT NULL) DESC, (c.acts > 0) DESC NULLS LAST, c.own DESC NULLS LAST,
         r.paid DESC NULLS LAST, c.acts DESC, s.sample_id
LIMIT 1
"""
"""The sample that came furthest: paid in training, its tool calls replayed, a trace of the policy's own among them."""


@dataclass(frozen=True)
class Link:
    """One place that the row passed: which table and stage, under which id, and what was found there.

    `aside` marks what happened to the row in the random control.
    """

    title: str
    stage: str
    id: str
    says: str
    facts: tuple[str, ...] = ()
    aside: bool = False


def longest(source: Source) -> str | None:
    """Id of the sample with most to tell; None in a run without samples."""
    found = source.one(LONGEST)
    return str(found) if found else None


def chain(source: Source, sample_id: str) -> list[Link]:
    """The links of one sample, first to last; what the run does not know is left out."""
    makers = (
        _ancestors,
        _image,
        _caption,
        _sample,
        _traces,
        _cluster,
        _difficulty,
        _influence,
        _curated,
        _rewards,
        _policy,
    )
    return [link for make in makers for link in make(source, sample_id)]


def _ancestors(source: Source, sample_id: str) -> list[Link]:
    rows = source.rows(
        "SELECT parent_id, relation, stage FROM lineage WHERE child_id = ? ORDER BY stage, parent_id LIMIT 3", sample_id
    )
    return [Link(_words(row["relation"]), row["stage"], row["parent_id"], "where it began") for row in rows]


def _image(source: Source, sample_id: str) -> list[Link]:
    rows = source.rows(
        "SELECT i.* FROM images i JOIN (SELECT unnest(image_ids) AS image_id FROM samples WHERE sample_id = ?)"
        " USING (image_id) LIMIT 3",
        sample_id,
    )
    return [
        Link(
            "picture",
            "images",
            row["image_id"],
            f"{row['width']} × {row['height']} {row['format']}",
            (str(row["origin"]), str(row["license"])),
        )
        for row in rows
    ]


def _caption(source: Source, sample_id: str) -> list[Link]:
    rows = source.rows("SELECT * FROM injections WHERE sample_id = ? LIMIT 1", sample_id)
    return [
        Link("planted error", "vicrit", row["injection_id"], f"“{row['original']}” became “{row['replacement']}”")
        for row in rows
    ]


def _sample(source: Source, sample_id: str) -> list[Link]:
    rows = source.rows("SELECT * FROM samples WHERE sample_id = ?", sample_id)
    return [
        Link(
            "sample",
            "samples",
            row["sample_id"],
            f"{row['question'].splitlines()[0]} → {plain(row['answer'])}",
            tuple(str(each) for each in (row["task"], row["relation"]) if each)
            + ((f"dial {row['dial']}",) if row["dial"] is not None else ()),
        )
        for row in rows
    ]


def _traces(source: Source, sample_id: str) -> list[Link]:
    rows = source.rows(
        "SELECT t.trace_id, t.origin, len(t.steps) AS steps, c.replayed, c.actions, c.tier, c.correct FROM traces t"
        " LEFT JOIN checks c USING (trace_id) WHERE t.sample_id = ? ORDER BY t.origin, t.trace_id LIMIT 3",
        sample_id,
    )
    links = []
    for row in rows:
        facts = []
        if row["actions"]:
            facts.append(f"{row['replayed']} of {row['actions']} tool pictures equal, pixel for pixel")
        if row["tier"]:
            facts.append(f"{'right' if row['correct'] else 'wrong'}, decided by {row['tier']}")
        links.append(Link(f"{row['origin']} trace", "verify", row["trace_id"], f"{row['steps']} steps", tuple(facts)))
    return links


def _cluster(source: Source, sample_id: str) -> list[Link]:
    rows = source.rows("SELECT cluster_id, size FROM clusters WHERE sample_id = ? LIMIT 1", sample_id)
    return [
        Link("cluster", "deduplicate", row["cluster_id"], f"one of {row['size']} about this picture") for row in rows
    ]


def _difficulty(source: Source, sample_id: str) -> list[Link]:
    links = []
    for row in source.rows("SELECT * FROM difficulty WHERE sample_id = ? ORDER BY round LIMIT 4", sample_id):
        share = f"{row['k']} of {row['n']} answers right" if row["n"] else "not asked"
        interval = (f"{100 * row['low']:.0f}–{100 * row['high']:.0f} %",) if row["n"] else ()
        doubt = (suspected(row),) if row["suspicion"] else ()
        links.append(Link("difficulty", "difficulty", row["policy"], share, (*interval, solved(row), *doubt)))
    return links


def _influence(source: Source, sample_id: str) -> list[Link]:
    rows = source.rows(
        "SELECT round, any_value(checkpoint) AS checkpoint, max(score) AS best, arg_max(target, score) AS target,"
        " count(*) AS targets FROM influence WHERE sample_id = ? GROUP BY round ORDER BY round LIMIT 4",
        sample_id,
    )
    return [
        Link(
            "influence",
            "influence",
            row["checkpoint"],
            f"teaches {row['target']} most",
            (f"{row['best']:+.3f}", f"{row['targets']} targets"),
        )
        for row in rows
    ]


def _curated(source: Source, sample_id: str) -> list[Link]:
    rows = source.rows("SELECT * FROM curated WHERE sample_id = ? ORDER BY round, arm LIMIT 4", sample_id)
    return [
        Link(
            "curated" if row["arm"] == "curated" else "in the random control",
            "curate",
            row["selection"] or "",
            f"for {'GRPO' if row['split'] == 'rl' else 'SFT'}, in place {row['position'] + 1}",
            aside=row["arm"] != "curated",
        )
        for row in rows
    ]


def _rewards(source: Source, sample_id: str) -> list[Link]:
    rows: list[dict[str, Any]] = source.rows(
        "SELECT round, arm, policy, min(step) AS first, max(step) AS last, count(DISTINCT step) AS steps,"
        " count(*) FILTER (WHERE reward = 'accuracy') AS answers,"
        " count(*) FILTER (WHERE reward = 'accuracy' AND value > 0) AS correct FROM rewards WHERE sample_id = ?"
        " GROUP BY ALL ORDER BY ALL LIMIT 4",
        sample_id,
    )
    return [
        Link(
            "rewards" if row["arm"] == "curated" else "rewards, random control",
            "grpo",
            row["policy"],
            f"{row['correct']} of {row['answers']} answers right",
            (f"step {row['first']}" + (f" to {row['last']}" if row["last"] != row["first"] else ""),),
            row["arm"] != "curated",
        )
        for row in rows
    ]


def _policy(source: Source, sample_id: str) -> list[Link]:
    rows = source.rows(
        "SELECT DISTINCT p.policy, p.trainer, p.arm, p.rows, p.steps, p.weights, p.round FROM policies p"
        " JOIN curated c ON c.arm = p.arm AND c.round = p.round"
        " AND c.split = CASE p.trainer WHEN 'sft' THEN 'sft' ELSE 'rl' END"
        " WHERE c.sample_id = ? AND c.arm = 'curated' ORDER BY p.round LIMIT 4",
        sample_id,
    )
    return [
        Link(
            f"policy after {row['trainer'].upper()}",
            row["trainer"],
            row["weights"] or row["policy"],
            f"taught by this row and {row['rows'] - 1:,} others",
            (f"{row['steps']} steps",),
        )
        for row in rows
    ]


def _words(relation: str) -> str:
    return relation.replace("_", " ")
