"""Scores out of prompt log-probabilities: which tokens are the last turn's, and what cannot be scored."""

from __future__ import annotations

import json
from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.workers.server import wire
from pipelines.workers.server.score import score, scored
from schemas.messages import Message, Text
from schemas.requests import Failed, Generate, Generated, Result, Score, Scored, TokenLogprob
from tests.pipelines.workers.conftest import says, user

LOGPROB = st.floats(-50, 0)


def answered(tokens: list[tuple[str, float]], *, attempts: int = 1) -> Generated:
    first, *rest = tokens
    places = (TokenLogprob(first[0], None), *(TokenLogprob(*token) for token in rest))
    return Generated("x", "length", len(tokens), 1, prompt_logprobs=places, attempts=attempts)


@given(st.lists(LOGPROB, min_size=1, max_size=6), st.lists(LOGPROB, max_size=6), LOGPROB, st.lists(LOGPROB, max_size=2))
def test_the_turn_begins_where_the_opened_prompt_ends_and_ends_with_its_end(before, said, end, behind):
    prompt = [("p", value) for value in before]
    turn = [(f"{index} ", value) for index, value in enumerate(said)] + [("<|im_end|>", end)]
    whole = answered([*prompt, *turn, *(("\n", value) for value in behind)], attempts=3)
    result = score("0 1 2 3 4 5 "[: 2 * len(said)], Generated("x", "length", len(prompt), 1), whole)
    assert result == Scored((*said, end), len(prompt))
    assert isinstance(result, Scored) and result.attempts == 3


def test_a_template_that_rewrites_what_stood_before_gives_no_score():
    whole = answered([("p", 0.0), ("q", -1.0)])
    assert score("q", Generated("x", "length", 2, 1), whole) == Failed(
        "malformed", "2 tokens with the turn, 2 without it"
    )


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (True, True)])
def test_what_fails_of_the_two_is_the_answer(first, second):
    failed = Failed("http_400", "no", attempts=2)
    parts = [failed if broken else answered([("p", 0.0)]) for broken in (first, second)]
    assert score("p", *parts) == failed


def test_a_turn_whose_first_token_is_not_its_own_has_no_score():
    whole = answered([("assistant", 0.0), ("\n\n", -1.0), ("so", -1.0), ("<|im_end|>", -2.0)])
    result = score("\nso", Generated("x", "length", 2, 1), whole)
    assert isinstance(result, Failed) and result.kind == "unsupported"


def test_both_are_asked_at_once_and_the_second_one_to_come_tells():
    asked: list[tuple[Generate | Score, Future[Result]]] = []

    def submit(request: Generate | Score) -> Future[Result]:
        asked.append((request, Future()))
        return asked[-1][1]

    request = Score("s", (user("how many?"), says("two")))
    told = scored(request, submit)
    (opened, before), (whole, after) = asked
    assert isinstance(opened, Generate) and opened.messages == request.messages[:-1] and whole is request
    after.set_result(answered([("p", 0.0), ("two", -1.0), ("<|im_end|>", -2.0)]))
    assert not told.done()
    before.set_result(Generated("x", "length", 1, 1))
    assert told.result(0) == Scored((-1.0, -2.0), 1)


@pytest.mark.parametrize("messages", [(user("why?"),), (says("so"),), (user("why?"), says("so"), says("there")), ()])
def test_what_has_no_turn_to_score_is_not_sent(messages: tuple[Message, ...]):
    result = scored(Score("s", messages), lambda _: pytest.fail("nothing was to be sent")).result(0)
    assert isinstance(result, Failed) and result.kind == "bad_request"


def test_the_whole_conversation_is_sent_with_its_last_turn_ended():
    request = Score("s", (user("how many?"), says("two"), Message("tool", (Text("no"),)), says("three")))
    body = wire.body_of(request, "m", lambda _: {})
    assert (body["prompt_logprobs"], body["max_tokens"], body["add_generation_prompt"]) == (0, 1, False)
    assert "continue_final_message" not in body
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user", "assistant"]
    reply = {
        "choices": [{"message": {"content": "x"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 1},
        "prompt_logprobs": [None, {"17": {"logprob": -0.5, "rank": 3, "decoded_token": "three"}}],
    }
    result = wire.read(json.dumps(reply).encode(), request)
    assert isinstance(result, Generated)
    assert result.prompt_logprobs == (TokenLogprob("", None), TokenLogprob("three", -0.5))
