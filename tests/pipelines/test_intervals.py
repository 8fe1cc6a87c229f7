"""Intervals of a share: published values and laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.intervals import time_uniform, wilson

counts = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
methods = pytest.mark.parametrize("interval", [wilson, time_uniform])


@pytest.mark.parametrize(
    ("right", "n", "expected"),
    [(1, 10, (0.01788, 0.40415)), (0, 10, (0.0, 0.27753)), (8, 10, (0.49016, 0.94332)), (0, 0, (0.0, 1.0))],
)
def test_known_values_of_wilson(right, n, expected):
    assert wilson(right, n) == pytest.approx(expected, abs=1e-5)


def test_the_time_uniform_interval_ends_where_the_mixture_has_won_twentyfold():
    """0 of n: the mixture of all bets holds B(½, n + ½) / B(½, ½) against (1 - p)^n; for n = 1 that is ½."""
    assert time_uniform(0, 1) == pytest.approx((0.0, 1 - 0.5 * 0.05))
    assert time_uniform(0, 2) == pytest.approx((0.0, 1 - (0.375 * 0.05) ** 0.5))


@methods
@given(counts)
def test_the_interval_holds_the_share_shrinks_and_is_even(interval, counts):
    right, n = counts
    low, high = interval(right, n)
    assert 0 <= low <= right / n <= high <= 1
    more_low, more_high = interval(4 * right, 4 * n)
    assert more_high - more_low < high - low
    other_low, other_high = interval(n - right, n)
    assert (low, high) == pytest.approx((1 - other_high, 1 - other_low))


@methods
@given(st.integers(2, 200).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_one_more_right_answer_moves_both_ends_up(interval, counts):
    right, n = counts
    low, high = interval(right, n)
    more_low, more_high = interval(right + 1, n)
    assert low < more_low and high <= more_high


@given(counts)
def test_whoever_looks_all_the_time_pays_with_width(counts):
    low, high = wilson(*counts)
    wide_low, wide_high = time_uniform(*counts)
    assert wide_low <= low and high <= wide_high


@given(counts, st.floats(0, 0.98), st.floats(0.001, 0.01))
def test_more_certainty_is_a_wider_interval(counts, level, more):
    low, high = time_uniform(*counts, level)
    wide_low, wide_high = time_uniform(*counts, level + more)
    assert wide_low <= low <= high <= wide_high


@methods
def test_more_right_answers_than_questions_are_refused(interval):
    with pytest.raises(ValueError, match="11 right answers of 10"):
        interval(11, 10)
    assert interval(0, 0) == (0.0, 1.0)
