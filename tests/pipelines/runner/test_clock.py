from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.runner.clock import Clock, Share


def test_who_is_alone_has_it_all_and_who_is_not_shares() -> None:
    time = [0.0]
    clock = Clock(lambda: time[0])
    time[0] = 5
    with clock.share() as first:
        time[0] = 7
        assert first.seconds == 2
        with clock.share() as second:
            time[0] = 8
            assert (first.seconds, second.seconds) == (2.5, 0.5)
        time[0] = 9
        assert (first.seconds, second.seconds) == (3.5, 0.5)


@given(st.lists(st.tuples(st.sampled_from(["begin", "end", "pass"]), st.integers(0, 9)), max_size=30))
def test_shares_sum_to_the_time_in_which_anyone_was_under_way(events: list[tuple[str, int]]) -> None:
    time, spent = [0.0], 0.0
    clock, shares, open_ones = Clock(lambda: time[0]), [], []
    for what, amount in events:
        if what == "begin":
            open_ones.append(ExitStack())
            shares.append(open_ones[-1].enter_context(clock.share()))
        elif what == "end" and open_ones:
            open_ones.pop(amount % len(open_ones)).close()
        else:
            time[0] += amount
            spent += amount if open_ones else 0
    assert sum(share.seconds for share in shares) == pytest.approx(spent)
    assert all(isinstance(share, Share) and share.taken >= 0 for share in shares)
