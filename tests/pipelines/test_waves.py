from __future__ import annotations

from collections.abc import Generator
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from pipelines import waves
from schemas.outcome import Fail, Keep, Outcome
from schemas.requests import Failed, Generate, Generated, Request, Result
from tests.pipelines.toy import Echo, ask


def turns(name: str, lengths: list[int]) -> Generator[list[Request], list[Result], Outcome]:
    """One round per length, each with so many requests; keeps what it was told."""
    heard: list[str] = []
    for number, length in enumerate(lengths):
        results = yield [ask(f"{name}.{number}.{index}", 0) for index in range(length)]
        heard += [result.text for result in results if isinstance(result, Generated)]
    return Keep({"name": name, "heard": heard})


def drive(plan: dict[str, list[int]], worker: Echo, wave_rows: int) -> list[Outcome]:
    starts = [partial(turns, name, lengths) for name, lengths in plan.items()]
    return waves.drive(starts, worker, lambda _, error: Fail("error", str(error)), wave_rows=wave_rows, concurrency=3)


PLANS = st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.integers(0, 3), max_size=3), max_size=6)


@given(plan=PLANS, wave_rows=st.integers(1, 4), in_waves=st.booleans())
def test_every_conversation_hears_its_own_answers_in_order(
    plan: dict[str, list[int]], wave_rows: int, in_waves: bool
) -> None:
    outcomes = drive(plan, Echo(in_waves), wave_rows)
    for (name, lengths), outcome in zip(plan.items(), outcomes, strict=True):
        heard = [f"<{name}.{number}.{i}>" for number, length in enumerate(lengths) for i in range(length)]
        assert outcome == Keep({"name": name, "heard": heard})


def test_a_wave_asks_in_row_and_request_order_and_advances_in_lock_step() -> None:
    worker = Echo(True)
    drive({"a": [1, 1], "b": [2], "c": [1, 1, 1]}, worker, wave_rows=2)
    assert worker.calls == [["a.0.0", "b.0.0", "b.0.1"], ["a.1.0"], ["c.0.0"], ["c.1.0"], ["c.2.0"]]


def test_servers_are_asked_from_several_threads_and_without_a_barrier() -> None:
    worker = Echo(False)
    drive({name: [1] * 3 for name in "abcdef"}, worker, wave_rows=1)
    assert sorted(len(call) for call in worker.calls) == [1] * 18


def test_a_worker_that_raises_fails_only_the_request_that_it_cannot_answer() -> None:
    def fail(request: Generate) -> Failed | None:
        if request.request_id == "b.0.0":
            raise MemoryError("too long")
        return None

    outcomes = drive({"a": [1], "b": [1], "c": [1]}, Echo(True, fail), wave_rows=3)
    heard = [outcome.row["heard"] for outcome in outcomes if isinstance(outcome, Keep)]
    assert heard == [["<a.0.0>"], [], ["<c.0.0>"]]


def test_an_error_is_never_an_answer_and_a_conversation_that_raises_costs_only_itself() -> None:
    def raising() -> Generator[list[Request], list[Result], Outcome]:
        yield [ask("x", 0)]
        raise ValueError("no")

    starts = [partial(turns, "a", [1]), raising, partial(turns, "c", [1])]
    outcomes = waves.drive(starts, Echo(True), lambda i, e: Fail(str(i), str(e)), wave_rows=3, concurrency=1)
    assert outcomes[1] == Fail("1", "no")
    assert all(isinstance(outcome, Keep) for outcome in (outcomes[0], outcomes[2]))
