"""Which rows are put to people, and why: at random, suspected by the factory, or contested by its judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from flows.report.source import Source
from pipelines.personal import HELD_BACK

Queue: TypeAlias = Literal["random", "suspect", "judge"]
QUEUES: tuple[str, ...] = get_args(Queue)

_ORDER = "md5(concat(sample_id, '/', coalesce(shown_id, ''), '/', ?::VARCHAR))"
"""An order that depends on the seed and the row alone: a larger lake draws the same rows first."""

DRAWS: dict[str, str] = {
    "random": "SELECT s.sample_id, min_by(c.trace_id, md5(c.trace_id)) AS shown_id FROM samples s"
    " LEFT JOIN (SELECT sample_id, trace_id FROM checks WHERE correct) c USING (sample_id) GROUP BY s.sample_id",
    "suspect": "SELECT DISTINCT sample_id, NULL::VARCHAR AS shown_id FROM difficulty WHERE suspicion IS NOT NULL",
    "judge": "SELECT sample_id, rollout_id AS shown_id FROM rollouts WHERE tier = 'judge' AND (correct IS NULL OR"
    " (sample_id, answer) IN (SELECT (sample_id, answer) FROM rollouts WHERE tier = 'judge'"
    " GROUP BY sample_id, answer HAVING bool_or(correct) AND bool_or(NOT correct)))",
}
"""`random`: every sample, with one of its proven traces. `suspect`: what `difficulty` suspects. `judge`: answers that a
judge could not decide, or judged both right and wrong.
"""


@dataclass(frozen=True)
class Asked:
    """One row for a person: is the stored answer right, and is what is shown with it (a trace or a rollout)?"""

    queue: str
    sample_id: str
    shown_id: str | None


def draw(source: Source, wanted: dict[str, int], seed: int = 0, *, again: bool = False) -> list[Asked]:
    """At most so many rows of each queue, in an order of their own; those that somebody reviewed only if `again`."""
    found = []
    for queue, count in wanted.items():
        done = "" if again else f" AND sample_id NOT IN (SELECT sample_id FROM reviews WHERE queue = '{queue}')"
        sql = (
            f"SELECT sample_id, shown_id FROM ({DRAWS[queue]}) WHERE sample_id NOT IN ({HELD_BACK}){done}"
            f" AND sample_id IN (SELECT sample_id FROM samples) ORDER BY {_ORDER}, sample_id LIMIT ?"
        )
        found += [Asked(queue, row["sample_id"], row["shown_id"]) for row in source.rows(sql, seed, count)]
    return found
