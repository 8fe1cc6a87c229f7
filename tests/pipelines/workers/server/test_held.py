"""What a server is said to hold, whatever happens: names are used only where they are proved, and while they pay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.workers.server.held import REMEMBERED, Held, misses

A, B = "a" * 32, "b" * 32


def test_a_server_is_asked_when_something_was_sent_again() -> None:
    held = Held()
    assert not held.answered([A], named=held._names)
    assert A not in held and not held.names
    assert not held.answered([B], named=held._names)
    assert held.answered([B, A], named=held._names)
    assert not held.answered([A], named=held._names)  # the question is on its way
    held.told(True)
    assert held.names and A not in held  # it was sent without a name
    held.answered([A], named=held._names)
    assert A in held and B not in held


@pytest.mark.parametrize("told", [False, None])
def test_names_that_are_not_proved_are_not_used(told: bool | None) -> None:
    held = Held()
    for _ in range(2):
        held.answered([A], named=held._names)
    held.told(told)
    assert not held.answered([A], named=held._names)
    assert A not in held
    assert held.answered([A], named=held._names) is (told is None)  # where it said nothing it is asked again


def test_a_server_that_was_away_is_asked_anew() -> None:
    held = Held()
    for _ in range(2):
        held.answered([A], named=held._names)
    held.told(True)
    held.answered([A], named=held._names)
    held.lost()
    assert A not in held and not held.names


def test_names_are_given_up_where_they_do_not_pay() -> None:
    held = Held()
    held.told(True)
    for _ in range(10):
        held.answered([A], named=True, spared=True)
        held.missed([A])
        assert A not in held
    assert not held.names


def test_off_means_never() -> None:
    held = Held(ask=False)
    assert not any(held.answered([A], named=held._names) for _ in range(3))


@given(st.lists(st.sampled_from(["answered", "missed", "lost", "told"]), max_size=30))
def test_what_it_holds_was_answered_since_it_was_told(events: list[str]) -> None:
    held, proved, shown = Held(), False, False
    for event in events:
        if event == "answered":
            held.answered([A], named=held._names)
            shown = proved
        elif event == "missed":
            held.missed([A])
            shown = False
        else:
            held.told(True) if event == "told" else held.lost()
            proved, shown = event == "told", False
        assert (A in held) <= shown


def test_it_remembers_no_more_than_it_may() -> None:
    held = Held()
    held.told(True)
    for number in range(REMEMBERED + 1):
        held.answered([str(number)], named=held._names)
    assert "0" not in held and "1" in held


@pytest.mark.parametrize(
    ("status", "said", "means"),
    [
        (400, '{"error": {"message": "Cache miss for image at index 0 but data is not provided."}}', True),
        (400, '{"error": {"message": "image_url is required"}}', False),
        (200, '{"choices": []}', False),
        (404, "cache miss", False),
        (429, "cache miss", None),
        (500, "cache miss", None),
    ],
)
def test_only_a_miss_is_proof(status: int, said: str, means: bool | None) -> None:
    assert misses(status, said.encode()) is means
