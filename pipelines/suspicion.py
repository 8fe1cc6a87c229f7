"""Suspicion: which labels look wrong, and which questions need no picture.

A sample that is never answered as its label says is either hard or labelled wrongly. Three witnesses tell, and the
first that knows decides:

- `program`: a generated sample carries the state that its picture shows, and `pipelines.truth` works the answer out
  again by code that shares nothing with the family. Another answer than the label's is a wrong label, solved or not;
  the same answer clears it.
- `stronger`: another model that was asked. One right answer clears the label; agreement on another accuses it.
- `agreement`: the policy's own attempts, where nobody better was asked.

Agreement is one wrong answer said so often that the 95 % interval of its share lies above one half, where independent
guesses at a question of two answers would have it, and above the share of attempts *without* the picture that say it
too: what a model says anyway is its habit and no evidence.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines import truth
from pipelines.attempts import Attempt
from pipelines.intervals import wilson
from pipelines.verifiers import verify_answer
from pipelines.verifiers.typed import written
from pipelines.verifiers.words import normal
from schemas.ids import canonical_json

CHANCE = 0.5
"""The share of one wrong answer that needs no explanation."""


@dataclass(frozen=True)
class Suspicion:
    """A label that looks wrong: who says so, and the answer (canonical JSON) that they give in its place."""

    evidence: str
    suggested: str


def suspect_label(
    sample: Mapping[str, Any],
    unsolved: bool,
    attempts: Sequence[Attempt],
    blind: Sequence[Attempt],
    stronger: Sequence[Attempt],
) -> Suspicion | None:
    """What the witnesses say of a sample's label, see above; None where nothing speaks against it."""
    known = truth.of(sample)
    if known is not None:
        return None if _says(sample, known) else Suspicion("program", canonical_json(known))
    if not unsolved:
        return None
    if stronger:
        agreed = None if any(each.correct for each in stronger) else agreement(stronger, ())
        return Suspicion("stronger", agreed) if agreed else None
    agreed = agreement(attempts, blind)
    return Suspicion("agreement", agreed) if agreed else None


def agreement(attempts: Sequence[Attempt], blind: Sequence[Attempt]) -> str | None:
    """The wrong answer (canonical JSON) that the attempts agree on more than chance and habit would have them."""
    judged = [each for each in attempts if each.verdict and each.verdict.correct is not None]
    said = Counter(filter(None, (_said(each) for each in judged if not each.correct)))
    if not said:
        return None
    answer, count = said.most_common(1)[0]
    habit = sum(_said(each) == answer for each in blind) / len(blind) if blind else 0.0
    if wilson(count, len(judged))[0] <= max(CHANCE, habit):
        return None
    return next(str(each.rollout["answer"]) for each in judged if each.rollout and _said(each) == answer)


def _says(sample: Mapping[str, Any], answer: Any) -> bool:
    """Whether an answer is what the sample's label says."""
    rules = json.loads(sample["verifier"]) if sample["verifier"] else None
    gold = json.loads(sample["answer"])
    return bool(verify_answer(answer, gold, sample["answer_type"], rules, sample["options"] or ()).correct)


def _said(attempt: Attempt) -> str | None:
    """An answer without its dress, so that equal answers are counted as one; None where there is none."""
    if attempt.verdict is None or attempt.verdict.parsed is None:
        return None
    return normal(written(attempt.verdict.parsed))
