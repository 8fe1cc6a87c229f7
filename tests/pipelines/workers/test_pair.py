"""A policy and a stronger worker as one: each is asked what is meant for it, and answers come in order."""

from concurrent.futures import Future
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.workers.pair import Pair, connect_both, to_stronger
from schemas.messages import Message, Text
from schemas.requests import Embed, Generate, Generated, Sampling, Server
from tests.pipelines.jobs import Scripted

ASKED = Generate("a", (Message("user", (Text("Which?"),)),), Sampling(), 0)


class Serving(Scripted):
    """A server that answers at once."""

    in_waves = False

    def submit(self, request):
        told = Future()
        told.set_result(self.answer([request])[0])
        return told


def telling(name):
    return Scripted(lambda request: Generated(f"{name} {request.request_id}", "stop", 1, 1))


@given(st.lists(st.booleans(), max_size=12))
def test_answers_come_in_the_order_of_the_requests(meant):
    pair = Pair(telling("policy"), telling("stronger"))
    requests = [replace(ASKED, request_id=str(place), stronger=each) for place, each in enumerate(meant)]
    said = [answer.text for answer in pair.answer(requests)]
    assert said == [f"{'stronger' if each else 'policy'} {place}" for place, each in enumerate(meant)]
    assert len(pair.policy.asked) == meant.count(False) and len(pair.stronger.asked) == meant.count(True)


@pytest.mark.parametrize(("policy", "stronger", "waves"), [(0, 0, False), (1, 0, True), (0, 1, True), (1, 1, True)])
def test_both_answer_in_waves_where_one_does(policy, stronger, waves):
    one, other = telling("policy"), telling("stronger")
    one.in_waves, other.in_waves = bool(policy), bool(stronger)
    pair = connect_both(lambda *_: one, lambda *_: other, None, None)
    assert pair.in_waves == waves and pair.identity is one.identity


def test_servers_are_asked_one_request_at_a_time():
    pair = Pair(*(Serving(telling(name).script) for name in ("policy", "stronger")))
    assert isinstance(pair, Server) and not pair.in_waves
    said = [pair.submit(replace(ASKED, stronger=each)).result().text for each in (True, False)]
    assert said == ["stronger a", "policy a"]


def test_a_conversation_is_handed_over_whole():
    def talk():
        first = yield [ASKED, Embed("b", "picture")]
        second = yield [ASKED]
        return first + second

    moved = to_stronger(talk())
    asked = next(moved)
    assert [getattr(each, "stronger", None) for each in asked] == [True, None]
    assert moved.send(["one", "two"])[0].stronger
    with pytest.raises(StopIteration) as ended:
        moved.send(["three"])
    assert ended.value.value == ["one", "two", "three"]
