"""Wilson's interval: published values and laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.intervals import wilson


@pytest.mark.parametrize(
    ("right", "n", "expected"),
    [(1, 10, (0.01788, 0.40415)), (0, 10, (0.0, 0.27753)), (8, 10, (0.49016, 0.94332)), (0, 0, (0.0, 1.0))],
)
def test_known_values(right, n, expected):
    assert wilson(right, n) == pytest.approx(expected, abs=1e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_shrinks_and_is_even(counts):
    right, n = counts
    low, high = wilson(right, n)
    assert 0 <= low <= right / n <= high <= 1
    more_low, more_high = wilson(4 * right, 4 * n)
    assert more_high - more_low < high - low
    other_low, other_high = wilson(n - right, n)
    assert (low, high) == pytest.approx((1 - other_high, 1 - other_low))


def test_more_right_answers_than_questions_are_refused():
    with pytest.raises(ValueError, match="11 right answers of 10"):
        wilson(11, 10)
