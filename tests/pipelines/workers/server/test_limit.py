from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.workers.server.limit import AGEING_S, LONGEST_PAUSE_S, STREAK, End, Limit, Pace, Waiting


def round_trip(limit: Limit, now: float, how: End = "answered", tokens: int | None = 20) -> int:
    """Fill the room and let all of it come back a second later; returns how many were sent."""
    sent = 0
    while limit.room(now):
        limit.send()
        sent += 1
    for _ in range(sent):
        limit.ended(how, now, now + 1, tokens)
    return sent


ENDS = st.sampled_from(["answered", "refused", "lost", "unsent"])


@given(ceiling=st.integers(1, 40), events=st.lists(st.tuples(st.booleans(), ENDS, st.floats(0, 40)), max_size=60))
def test_there_is_never_more_in_flight_than_the_ceiling_and_always_room_for_one_in_the_end(
    ceiling: int, events: list[tuple[bool, End, float]]
) -> None:
    limit, now, out = Limit(ceiling), 0.0, []
    for sends, how, seconds in events:
        now += seconds
        if sends and limit.room(now):
            limit.send()
            out.append(now)
        elif out:
            limit.ended(how, out.pop(0), now, 5 if how == "answered" else None)
        assert 1 <= limit.limit <= ceiling
        assert limit.in_flight == len(out) <= ceiling
    for sent in out:
        limit.ended("lost", sent, now)
    assert limit.room(now + LONGEST_PAUSE_S)


def test_it_doubles_until_the_first_refusal_then_adds_two_in_a_round_trip() -> None:
    limit = Limit(1000)
    sent = [round_trip(limit, now) for now in range(4)]
    assert sent == [32, 64, 128, 256]
    limit.send()
    limit.ended("refused", 4, 5)
    before = limit.limit
    round_trip(limit, 6)
    assert limit.limit == pytest.approx(before + 2, abs=0.1)


def test_where_all_are_refused_it_halves_in_a_round_trip() -> None:
    limit = Limit(64)
    round_trip(limit, 0)
    assert limit.limit == 64
    for _ in range(64):
        limit.send()
    for _ in range(64):
        limit.ended("refused", 3, 4)
    assert limit.limit == 32


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4])
def test_it_settles_where_a_share_is_refused_whatever_the_load(share: float) -> None:
    limit, chance, seen, now = Limit(1000), random.Random(1), [], 0.0
    for _ in range(400):
        held = 0
        while limit.room(now):
            limit.send()
            held += 1
        for _ in range(held):
            limit.ended("refused" if chance.random() < share else "answered", now, now + 1, 20)
        now = max(now + 1, limit.opens)
        seen.append(limit.limit)
    settled = sum(seen[200:]) / 200
    assert settled == pytest.approx(4 * (1 - share) / share, rel=0.3)


def test_a_silent_server_is_left_alone_then_asked_one_by_one_and_welcomed_back() -> None:
    limit = Limit(32)
    full = int(limit.limit)
    for _ in range(full):
        limit.send()
    for _ in range(full):  # all that were on their way are lost together: one pause, not one for each
        limit.ended("lost", 2, 3)
    assert limit.closed
    assert limit.limit == full, "a server that is gone is no slower for it"
    now, pauses = 3.0, []
    for _ in range(9):
        assert not limit.room(now)
        pauses.append(limit.opens - now)
        now = limit.opens
        assert round_trip(limit, now, "lost") == 1
        now += 1
    assert pauses[0] == 0.25
    assert all(after == pytest.approx(min(2 * before, LONGEST_PAUSE_S)) for before, after in pairwise(pauses))
    assert round_trip(limit, limit.opens) == 1
    assert not limit.closed
    assert round_trip(limit, now + 99) >= full


def test_one_answer_in_eight_keeps_the_gate_open() -> None:
    limit = Limit(8)
    for number in range(100):
        limit.send()
        limit.ended("answered" if number % STREAK == 0 else "lost", number, number + 1)
        assert not limit.closed


@given(st.lists(st.integers(1, 2000), min_size=20, max_size=300))
def test_long_answers_are_not_slow_ones(lengths: list[int]) -> None:
    pace = Pace()
    assert not any(pace.slow(0.01 * (tokens + 32), tokens) for tokens in lengths)


def test_a_server_that_slows_down_is_given_less() -> None:
    limit = Limit(64)
    for now in range(8):
        round_trip(limit, now)
    assert limit.limit == 64
    for now in range(20, 80, 20):
        sent = 0
        while limit.room(now):
            limit.send()
            sent += 1
        for _ in range(sent):
            limit.ended("answered", now, now + 15, 20)
    assert limit.limit < 40


def long_and_short(chance: random.Random, _: int) -> int:
    return min(512, 1 + int(chance.lognormvariate(3, 1.2)))


def short_then_long(chance: random.Random, number: int) -> int:
    return 2 if number // 500 % 2 else chance.randrange(100, 300)


def rate(step_s: float, row_s: float, length: Callable[[random.Random, int], int], adaptive: bool) -> float:
    """Tokens a second of a server that gives each request it holds a token in every step, which takes so long."""
    chance, limit, held = random.Random(0), Limit(128), list[tuple[int, int, float]]()
    now, sent, tokens = 0.0, 0, 0
    while sent < 2000:
        while limit.room(now) if adaptive else len(held) < 128:
            limit.send()
            held.append((length(chance, sent), 0, now))
            sent += 1
        now += step_s + row_s * len(held)
        tokens += len(held)
        held = [(wanted, said + 1, since) for wanted, said, since in held]
        for wanted, said, since in held:
            if said == wanted:
                limit.ended("answered", since, now, said)
        held = [each for each in held if each[1] < each[0]]
    return tokens / now


@pytest.mark.parametrize("length", [long_and_short, short_then_long])
@pytest.mark.parametrize(("step_s", "row_s"), [(0.02, 0.0002), (0.005, 0.001), (0, 0.004)])
def test_a_server_that_batches_is_kept_as_busy_as_by_the_best_limit(
    length: Callable[[random.Random, int], int], step_s: float, row_s: float
) -> None:
    """Lengths that differ, and work that changes, must not look like overload."""
    assert rate(step_s, row_s, length, adaptive=True) > 0.93 * rate(step_s, row_s, length, adaptive=False)


QUEUED = st.lists(st.tuples(st.floats(0, 1000), st.integers(-8, 8)), max_size=40)


@given(QUEUED)
def test_nothing_is_overtaken_by_what_came_too_late_and_nothing_is_lost(queued: list[tuple[float, int]]) -> None:
    waiting: Waiting[int] = Waiting()
    for index, (arrived, priority) in enumerate(queued):
        waiting.put(index, priority, arrived)
    order = []
    while waiting:
        order.append(waiting.first())
        assert waiting.pop() == order[-1]
    assert sorted(order) == list(range(len(queued)))
    for before, after in pairwise(order):
        (came, priority), (later, lower) = queued[before], queued[after]
        assert came <= later + AGEING_S * (lower - priority) + 1e-6
        if (came, priority) == (later, lower):
            assert before < after


@given(QUEUED)
def test_what_is_taken_leaves_the_others_in_their_order(queued: list[tuple[float, int]]) -> None:
    every, some = Waiting[int](), Waiting[int]()
    for index, (arrived, priority) in enumerate(queued):
        every.put(index, priority, arrived)
        some.put(index, priority, arrived)
    assert sorted(some.take(lambda index: index % 3 == 0)) == list(range(0, len(queued), 3))
    left = [every.pop() for _ in range(len(queued))]
    assert [some.pop() for _ in range(len(some))] == [index for index in left if index % 3]
