"""Truth: the answer to a generated question, worked out again from its program by code that shares nothing with the
family that made it: matrices, complex numbers, fractions, brute force, pixels.

So a label is judged by a second opinion, and a wrong one is found whether it was made wrong or spoilt later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipelines.tasks import FAMILIES
from schemas.ids import Json


def of(sample: Mapping[str, Any]) -> Json:
    """The answer of a row of table `samples`; None where no family made it, so that nobody here knows.

    Raises whatever a program raises that no family could have written.
    """
    if sample["task"] not in FAMILIES or not sample["program"]:
        return None
    return solve(sample["task"], json.loads(sample["program"]))


def solve(family: str, program: dict[str, Any]) -> Json:
    """The answer to the question of a family's program."""
    from pipelines.truth import firsts, worlds  # they load scipy

    room = firsts if hasattr(firsts, family) else worlds
    answer: Json = getattr(room, family)(program)
    return answer
