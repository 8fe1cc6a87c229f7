"""Gold answers have one canonical form per type."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.answers import BadAnswer, canonical_answer


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("3", "integer", 3),
        (3.0, "integer", 3),
        ("1,250.5", "number", 1250.5),
        ("True", "yes_no", "yes"),
        (" red circle ", "span", "red circle"),
        ([1, "2"], "point", [1, 2]),
    ],
)
def test_canonical(value: Any, kind: str, expected: Any) -> None:
    assert canonical_answer(value, kind) == expected


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "text"), ("", "text"), ("three", "integer"), (2.5, "integer"), ("maybe", "yes_no"), ([1], "point")]
    + [(float("nan"), "number"), (["x"], "text"), ("x", "poem"), (True, "integer"), ("   ", "span")],
)
def test_what_a_type_does_not_allow(value: Any, kind: str) -> None:
    with pytest.raises(BadAnswer):
        canonical_answer(value, kind)
