from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.statistics import RESAMPLES, holm, paired_bootstrap

scores = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=1, max_size=80)


def test_a_sure_gain_is_found_and_no_gain_is_not() -> None:
    gain = paired_bootstrap([0.0] * 60 + [1.0] * 40, [1.0] * 80 + [0.0] * 20)
    assert (gain.n, gain.before, gain.after) == (100, 0.4, 0.8)
    assert gain.low > 0.2 and gain.high < 0.6 and gain.p < 0.001
    same = paired_bootstrap([0.0, 1.0] * 50, [1.0, 0.0] * 50)
    assert same.difference == 0 and same.low < 0 < same.high and same.p > 0.9


def test_interval_agrees_with_the_normal_approximation() -> None:
    draw = random.Random(3)
    before = [draw.gauss(0, 1) for _ in range(400)]
    after = [value + draw.gauss(0.1, 0.5) for value in before]
    result = paired_bootstrap(before, after)
    gaps = [b - a for a, b in zip(before, after, strict=True)]
    mean = sum(gaps) / 400
    error = (sum((gap - mean) ** 2 for gap in gaps) / 400 / 400) ** 0.5
    assert result.low == pytest.approx(mean - 1.96 * error, abs=0.004)
    assert result.high == pytest.approx(mean + 1.96 * error, abs=0.004)


def test_the_null_is_rejected_about_as_often_as_stated() -> None:
    draw = random.Random(11)
    rejected = 0
    for _ in range(300):
        pairs = [(float(draw.random() < 0.5), float(draw.random() < 0.5)) for _ in range(60)]
        rejected += paired_bootstrap([a for a, _ in pairs], [b for _, b in pairs], resamples=1000).p <= 0.05
    assert 4 <= rejected <= 32  # 15 expected


@settings(max_examples=60, deadline=None)
@given(scores, st.randoms(use_true_random=False))
def test_order_and_sides_decide_nothing(pairs: list[tuple[float, float]], shuffler: random.Random) -> None:
    before, after = [a for a, _ in pairs], [b for _, b in pairs]
    result = paired_bootstrap(before, after, resamples=500)
    mirrored = paired_bootstrap(after, before, resamples=500)
    shuffler.shuffle(pairs)
    shuffled = paired_bootstrap([a for a, _ in pairs], [b for _, b in pairs], resamples=500)
    assert (shuffled.low, shuffled.high, shuffled.p) == (result.low, result.high, result.p)
    if result.difference:
        assert (mirrored.low, mirrored.high) == pytest.approx((-result.high, -result.low))
        assert mirrored.p == result.p
    assert result.low <= result.difference <= result.high or result.low == pytest.approx(result.high)


@settings(max_examples=60, deadline=None)
@given(scores)
def test_p_and_interval_tell_one_story(pairs: list[tuple[float, float]]) -> None:
    result = paired_bootstrap([a for a, _ in pairs], [b for _, b in pairs], resamples=2000)
    if result.p < 0.045:
        assert result.low > 0 or result.high < 0 or 0 in (result.low, result.high)
    if result.p > 0.055:
        assert result.low <= 0 <= result.high


def test_known_holm_values() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_between_raw_and_bonferroni_and_keeps_order(values: list[float]) -> None:
    adjusted = holm(values)
    for raw, value in zip(values, adjusted, strict=True):
        assert raw <= value <= 1 and value <= max(len(values) * max(values), raw)
    order = sorted(range(len(values)), key=lambda i: values[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_unpaired_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="are not pairs"):
        paired_bootstrap([1.0], [1.0, 0.0])
    assert RESAMPLES >= 1000
