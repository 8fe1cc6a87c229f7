"""Tier 5: votes of a judge, read strictly. Open answers only, and only after everything cheaper failed to decide."""

from __future__ import annotations

import re
from collections.abc import Sequence

_VERDICTS = {"yes": True, "true": True, "no": False, "false": False}
_LABEL = re.compile(r"^(?:(?:my|the)\s+)?(?:final\s+)?(?:verdict|answer|judge?ment|result|correct)\s*(?:is\b|[:=])\s*")


def read_vote(text: str) -> bool | None:
    """What a judge said, or None where it is not clear.

    The last sentence must be yes, no, true or false and nothing else (``Verdict: yes`` counts): "not true", "true or
    false?" and "it is not the case that this is true" are no verdicts.
    """
    sentences = [part for part in re.split(r"[.!?\n;]+", re.sub(r"[*_`\"'#>]+", "", text.lower())) if part.strip()]
    if not sentences:
        return None
    return _VERDICTS.get(_LABEL.sub("", sentences[-1].strip()).strip(" ,:()[]{}"))


def tally(votes: Sequence[str | None]) -> tuple[bool | None, float]:
    """The majority of all votes and the share of yes among them; a judge that failed (None) or was unclear counts as
    neither, so that where failures could have turned the majority the answer is None.
    """
    read = [None if vote is None else read_vote(vote) for vote in votes]
    yes, no = read.count(True), read.count(False)
    if not votes or max(yes, no) * 2 <= len(votes):
        return None, 0.0
    return yes > no, yes / len(votes)
