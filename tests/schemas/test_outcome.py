"""The law of counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outcome import Counts, LawBroken, check_law

WAYS = st.lists(st.sampled_from(["kept", "expanded", "rejected", "failed"]))


@given(WAYS)
def test_rows_that_each_leave_once_obey(ways: list[str]) -> None:
    counts = Counts(read=len(ways), **{way: ways.count(way) for way in ("kept", "expanded", "rejected", "failed")})
    check_law("s", counts)
    check_law("s", counts + counts)


@given(WAYS, st.sampled_from([-1, 1]))
def test_a_row_lost_or_invented_breaks_it(ways: list[str], slip: int) -> None:
    with pytest.raises(LawBroken):
        check_law("s", Counts(read=len(ways) + slip, kept=len(ways)))
    with pytest.raises(LawBroken):
        check_law("s", Counts(children=len(ways) + slip, children_kept=len(ways)))
