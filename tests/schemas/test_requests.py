"""The protocol: what is part of an id, what is refused, and what two equal answers may differ in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemas.ids import content_id
from schemas.requests import Generated, Sampling, TokenLogprob


def test_what_came_later_says_nothing_at_its_default() -> None:
    first = {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": [";"]}
    assert Sampling(9, 0.5, 0.9, (";",)).as_json() == first
    assert content_id("sampling", Sampling().as_json()) == "fc91628369b0cceb70288837093c273b"


@pytest.mark.parametrize(
    ("name", "value"),
    [("top_k", 5), ("n", 3), ("json_schema", '{"type":"object"}'), ("logprobs", 0), ("prompt_logprobs", 2)],
)
def test_each_option_tells_samplings_apart(name: str, value: Any) -> None:
    usual = Sampling(temperature=1.0)
    assert replace(usual, **{name: value}).as_json() == usual.as_json() | {name: value}


@pytest.mark.parametrize(
    "options", [{"n": 0}, {"n": 2}, {"top_k": -1}, {"logprobs": -1}, {"prompt_logprobs": -3, "temperature": 1.0}]
)
def test_what_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"greedy|negative"):
        Sampling(**options)


def test_what_an_answer_took_is_no_part_of_it() -> None:
    answer = Generated("red", "stop", 4, 1, (TokenLogprob("red", -0.5),))
    assert answer == replace(answer, attempts=3, cached=True, seconds=2.0)
    assert answer != replace(answer, logprobs=(TokenLogprob("red", -0.6),))
    assert hash(answer) == hash(replace(answer, cached=True))
