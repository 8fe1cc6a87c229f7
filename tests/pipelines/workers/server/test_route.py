"""Routing: a picture keeps its server while there is room, the load stays even, the dead leave and return."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipelines.workers.server.limit import LONGEST_PAUSE_S, START, STREAK, Limit
from pipelines.workers.server.route import SLACK, choose, key_of, ranked
from schemas.messages import Message, Picture, Text
from schemas.requests import Generate, Sampling

ADDRESSES = [f"http://host{number}:8000/v1" for number in range(4)]
KEYS = [f"picture {number}" for number in range(2000)]


def servers(*loads: int) -> dict[str, Limit]:
    found = {address: Limit(64) for address in ADDRESSES[: len(loads)]}
    for limit, load in zip(found.values(), loads, strict=True):
        for _ in range(load):
            limit.send()
    return found


def kill(limit: Limit, now: float) -> None:
    for _ in range(STREAK):
        limit.send()
        limit.ended("lost", now, now)


def test_what_a_request_is_routed_by() -> None:
    def asks(*parts: Text | Picture) -> Generate:
        return Generate("r1", (Message("system", (Text("s"),)), Message("user", parts)), Sampling(), 0)

    assert key_of(asks(Picture("a"), Picture("b"), Text("which?"))) == "a"
    assert key_of(asks(Text("which?"))) == "r1"


@given(st.lists(st.integers(0, int(START)), min_size=1, max_size=4), st.sampled_from(KEYS))
def test_whom_it_may_choose(loads: list[int], key: str) -> None:
    found = servers(*loads)
    chosen = choose(found, key, 0.0)
    if chosen is None:
        assert all(load == START for load in loads)
        return
    assert found[chosen].room(0.0)
    assert found[chosen].load <= min(limit.load for limit in found.values()) + SLACK
    preferred = ranked(found, key)
    passed_over = preferred[: preferred.index(chosen)]
    assert all(found[address].load > found[chosen].load for address in passed_over)


def test_a_picture_keeps_its_server_and_the_servers_share_the_pictures() -> None:
    found = servers(0, 0, 0, 0)
    homes = {key: choose(found, key, 0.0) for key in KEYS}
    assert homes == {key: choose(dict(reversed(found.items())), key, 0.0) for key in KEYS}
    shares = Counter(homes.values())
    assert all(400 < shares[address] < 600 for address in ADDRESSES)


def test_only_the_pictures_of_a_dead_server_move_and_they_come_back() -> None:
    found = servers(0, 0, 0, 0)
    before = {key: choose(found, key, 0.0) for key in KEYS}
    dead = ADDRESSES[1]
    kill(found[dead], 1.0)
    after = {key: choose(found, key, 1.0) for key in KEYS}
    assert dead not in after.values()
    assert all(after[key] == home for key, home in before.items() if home != dead)
    assert {after[key] for key, home in before.items() if home == dead} == set(ADDRESSES) - {dead}

    later = 1.0 + LONGEST_PAUSE_S
    at_home = next(key for key, home in before.items() if home == dead)
    assert choose(found, at_home, later) == dead, "one request tries"
    found[dead].send()
    assert choose(found, at_home, later) != dead, "the others wait for what it comes to"
    found[dead].ended("answered", later, later, 5)
    assert {key: choose(found, key, later) for key in KEYS} == before


def test_where_all_are_dead_one_is_tried_when_its_pause_is_over() -> None:
    found = servers(0, 0)
    for limit in found.values():
        kill(limit, 1.0)
    assert choose(found, "picture", 1.0) is None
    assert choose(found, "picture", 1.0 + LONGEST_PAUSE_S) == ranked(found, "picture")[0]
