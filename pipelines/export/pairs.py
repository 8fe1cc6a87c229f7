"""Pairs of a right and a wrong answer to one question: what preference training learns from.

The right one is a proven trace that needs no tool, or else an answer that the verifier accepted; the wrong one is an
answer that it refused, one with a readable answer before one without. Both are of one turn, given to the question and
the pictures as they are, in the words of the export: TRL holds no pictures in an answer, so lines that used tools are
in no pair. Of several the first by id is taken, so equal lakes give equal pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.prompts import Style, assistant_text, prompt_hash

ASKED_PLAINLY = ("explore", "difficulty", "mcts", "original")
"""Purposes of rollouts that saw the sample's own pictures; those of `evaluate` are about banks."""


@dataclass(frozen=True)
class Said:
    """One answer of a pair. `kind` is `trace` or `rollout`, `id` its row there, `by` who said it."""

    text: str
    kind: str
    id: str
    by: str


def pairs_sql(style: Style) -> str:
    """SELECT of `sample_id`, `proof`, `paid`, `unpaid`: structs, null where there is none."""
    purposes = ", ".join(f"'{purpose}'" for purpose in ASKED_PLAINLY)
    told = "struct_pack(id := rollout_id, by := policy, text := text)"
    return f"""
SELECT sample_id, proof, paid, unpaid FROM (
    SELECT sample_id, arg_min({told}, rollout_id) FILTER (correct) AS paid,
        arg_min({told}, (tier <> 'compare', rollout_id)) FILTER (NOT correct) AS unpaid
    FROM rollouts
    WHERE turns = 1 AND coalesce(calls, 0) = 0 AND coalesce(finish, 'answer') = 'answer'
        AND purpose IN ({purposes}) AND prompt_hash = '{prompt_hash(style)}'
    GROUP BY sample_id
) FULL JOIN (
    SELECT sample_id, arg_min(struct_pack(id := trace_id, by := t.origin, steps := steps), trace_id) AS proof
    FROM traces t JOIN (SELECT DISTINCT trace_id FROM checks WHERE correct) USING (trace_id)
    WHERE len(list_filter(steps, lambda step: step.kind = 'action')) = 0 AND t.wrong_steps IS NULL
    GROUP BY sample_id
) USING (sample_id)
"""


def pair_of(row: Mapping[str, Any]) -> tuple[Said, Said] | None:
    """(right, wrong) of a row with the columns of `pairs_sql`; None where one of them is missing."""
    proof, paid, unpaid = row["proof"], row["paid"], row["unpaid"]
    if unpaid is None or (proof is None and paid is None):
        return None
    wrong = Said(unpaid["text"], "rollout", unpaid["id"], unpaid["by"])
    if proof is not None:
        return Said(assistant_text(proof["steps"]), "trace", proof["id"], proof["by"]), wrong
    return Said(paid["text"], "rollout", paid["id"], paid["by"]), wrong
