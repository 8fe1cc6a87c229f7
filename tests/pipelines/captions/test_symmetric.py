"""Substitutes drawn so that in every slot each value is false as often as it is true."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.captions.symmetric import pulls, slot
from schemas.ids import canonical_json

AT = {"claim": "at", "said": "plain", "value": "red", "among": ["green"]}


def flows(counts: dict[str, int], near: dict[str, list[str]]) -> dict[tuple[str, str], float]:
    """How many of each true value are turned into each other one, where substitutes are drawn by their numbers."""
    pull = pulls(("s", said, near[said]) for said, count in counts.items() for _ in range(count))
    found = {}
    for said, count in counts.items():
        weights = {other: pull["s", canonical_json(other)] for other in near[said]}
        found |= {(said, other): count * weight / sum(weights.values()) for other, weight in weights.items()}
    return found


@given(st.lists(st.integers(20, 60), min_size=3, max_size=6).filter(lambda counts: max(counts) < 0.45 * sum(counts)))
def test_each_value_is_false_as_often_as_it_is_true_and_each_pair_goes_both_ways(counts: list[int]) -> None:
    said = dict(zip("abcdef", counts, strict=False))
    flow = flows(said, {name: [other for other in said if other != name] for name in said})
    false = Counter[str]()
    for (one, other), amount in flow.items():
        assert amount == pytest.approx(flow[other, one], rel=0.05)
        false[other] += amount  # type: ignore[assignment]  # a share of a caption
    assert all(false[name] == pytest.approx(count, rel=0.05) for name, count in said.items())


def test_where_one_value_is_nearly_always_true_the_others_share_its_place() -> None:
    flow = flows({"a": 90, "b": 6, "c": 4}, {"a": ["b", "c"], "b": ["a", "c"], "c": ["a", "b"]})
    assert flow["b", "a"] > 5.5 and flow["c", "a"] > 3.5


def test_numbers_go_to_their_neighbours_only() -> None:
    counts = {str(number): 30 for number in range(2, 8)}
    near = {one: [other for other in counts if 0 < abs(int(one) - int(other)) <= 2] for one in counts}
    flow = flows(counts, near)
    assert all(flow[one, other] == pytest.approx(flow[other, one], rel=0.1) for one, other in pairwise(counts))


def test_a_slot_is_what_a_fact_is_about_and_not_what_it_says() -> None:
    one = slot("transform", {**AT, "path": ["before", 0, "colour"]})
    assert one == slot("transform", {**AT, "path": ["before", 3, "colour"], "value": "green"})
    assert one != slot("transform", {**AT, "path": ["before", 0, "size"]})
    assert one != slot("frames", {**AT, "path": ["before", 0, "colour"]})
    assert slot("mazes", {**AT, "words": ["left", "right"]}) != slot("mazes", {**AT, "words": ["up", "down"]})
