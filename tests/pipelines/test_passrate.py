"""Sequential pass rates: intervals keep what they state, attempts are added only where they decide, forecasts hold."""

import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipelines.intervals import time_uniform, wilson
from pipelines.passrate import LEAST, POINTS, Rule, chances, coverage, least_coverage, ways, zero_variance

BANDS = Rule(8, 64, (0.2, 0.8))
FIXED = Rule(8, 8)

edges = st.lists(st.floats(0.05, 0.95), max_size=3).map(lambda found: tuple(sorted(found)))
rules = st.builds(Rule, st.integers(1, 12), st.integers(1, 48), edges)
rates = st.floats(0, 1)


@pytest.mark.parametrize(
    ("rule", "looks"),
    [(BANDS, (8, 16, 32, 64)), (FIXED, (8,)), (Rule(6, 20, (0.5,)), (6, 12, 20)), (Rule(0, 64, (0.5,)), (0,))],
)
def test_attempts_are_doubled_up_to_the_most(rule, looks):
    assert rule.looks == looks


def test_wilsons_interval_is_too_short_at_small_rates_and_at_edges_so_it_is_not_used():
    """0.02 lies below the interval of 1 of 8, and 1 or more of 8 are right in 15 % of all cases."""
    assert coverage(FIXED, wilson, [0.02]) == pytest.approx(0.98**8)
    assert coverage(BANDS, wilson, [0.2]) < 0.9
    assert FIXED.method == BANDS.method == "mixture"
    assert Rule(64, 64).method == Rule(0, 8).method == "wilson"


@settings(max_examples=25, deadline=None)
@given(rules, rates)
def test_the_interval_in_use_covers_what_it_promises(rule, rate):
    if rule.method == "wilson":
        assert coverage(rule, rule.interval, (*POINTS, *rule.edges)).min() >= LEAST
    else:
        assert coverage(rule, rule.interval, [rate])[0] >= 0.95
        assert all(
            inside(rule.interval(*ending), time_uniform(*ending)) for ending in ways(rule, rule.interval)
        )  # it costs no more than an interval for every rule


def inside(one, other):
    return other[0] <= one[0] and one[1] <= other[1]


@settings(max_examples=25, deadline=None)
@given(rules, rates)
def test_the_time_uniform_interval_covers_every_rate_under_every_rule(rule, rate):
    assert coverage(rule, time_uniform, [rate])[0] >= 0.95
    assert least_coverage(rule, time_uniform) <= coverage(rule, time_uniform, [rate])[0] + 1e-6


@pytest.mark.parametrize("rate", [0.0, *POINTS, 1.0])
def test_a_simulation_finds_the_computed_coverage(rate):
    draw, held = random.Random(f"coverage:{rate}"), 0
    for _ in range(2000):
        right = n = 0
        for look in BANDS.looks:
            right, n = right + sum(draw.random() < rate for _ in range(look - n)), look
            if BANDS.settled(right, n):
                break
        low, high = BANDS.interval(right, n)
        held += low <= rate <= high
    assert held / 2000 == pytest.approx(coverage(BANDS, BANDS.interval, [rate])[0], abs=0.025)


@settings(max_examples=25, deadline=None)
@given(rules, rates)
def test_only_what_straddles_an_edge_is_topped_up(rule, rate):
    found = ways(rule, rule.interval)
    assert chances(found, [rate]).sum() == pytest.approx(1)
    for right, n in found:
        low, high = rule.interval(right, n)
        clear = not any(low < edge < high for edge in rule.edges)
        assert n in rule.looks and clear == rule.settled(right, n) and (clear or n == rule.looks[-1])


def test_a_rate_far_from_the_edges_costs_less():
    found = ways(BANDS, BANDS.interval)
    spent = chances(found, [0.0, 0.5, 0.2]) @ [n for _, n in found]
    assert spent[0] == 16 and spent[0] < spent[1] < spent[2] <= 64


def test_attempts_that_nobody_could_judge_are_no_look():
    """Of 8 attempts, 7 were judged: the interval is one that holds after any number."""
    assert BANDS.interval(3, 7) == time_uniform(3, 7) and BANDS.interval(0, 0) == (0.0, 1.0)


@given(st.integers(1, 12), st.integers(2, 12), rates)
def test_the_forecast_of_groups_larger_than_the_first_look_is_on_average_not_too_low(n, group, rate):
    rule = Rule(n, n)
    found = ways(rule, rule.interval)
    forecast = chances(found, [rate])[0] @ [zero_variance(right, n, group, rule) for right, n in found]
    assert forecast >= rate**group + (1 - rate) ** group - 1e-12
    assert zero_variance(0, 0, group, rule) is None


@pytest.mark.parametrize(("right", "expected"), [(0, 1.0), (1, 0.5), (2, 1 / 3), (4, 1.0)])
def test_the_forecast_counts_the_groups_that_the_attempts_hold(right, expected):
    """Pairs of four attempts: of two right and two wrong, two of six are alike; of three wrong and one right, three."""
    assert zero_variance(right, 4, 2, Rule(4, 4)) == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(rules, rates, st.integers(2, 12))
def test_the_forecast_is_unbiased_however_attempts_are_topped_up(rule, rate, group):
    assume(group <= rule.first)
    found = ways(rule, rule.interval)
    forecast = chances(found, [rate])[0] @ [zero_variance(right, n, group, rule) for right, n in found]
    assert forecast == pytest.approx(rate**group + (1 - rate) ** group)


@given(st.integers(1, 64).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.integers(2, 32))
def test_the_forecast_is_a_chance_even_in_right_and_wrong(counts, group):
    right, n = counts
    chance = zero_variance(right, n, group, Rule(n, n))
    assert 0 <= chance <= 1 + 1e-12
    assert chance == pytest.approx(zero_variance(n - right, n, group, Rule(n, n)))
