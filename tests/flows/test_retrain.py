"""When training is due, what is measured for that, and that the same rows are trained on once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import events
from flows.events import Numbers
from flows.retrain import retrain
from flows.running import open_plan
from pipelines.lake import runs

rates = st.dictionaries(st.sampled_from("abcd"), st.floats(0, 1))


@given(rates, rates)
def test_drift_is_symmetric_bounded_and_of_tasks_that_both_have(
    before: dict[str, float], after: dict[str, float]
) -> None:
    found = events.drift(before, after)
    assert found == events.drift(after, before)
    assert (found is None) == (not before.keys() & after.keys())
    assert found is None or 0 <= found <= 1
    assert events.drift(before, before) == (0 if before else None)


@pytest.mark.parametrize(
    ("numbers", "asked", "due"),
    [
        (Numbers(9, 0, None), (0, 0.0), True),
        (Numbers(9, 4, None), (5, 0.0), False),
        (Numbers(9, 5, None), (5, 0.0), True),
        (Numbers(9, 5, None), (0, 0.1), False),
        (Numbers(9, 5, 0.1), (0, 0.1), True),
        (Numbers(9, 5, 0.1), (6, 0.1), False),
    ],
)
def test_what_is_asked_for_has_to_be_reached(numbers: Numbers, asked: tuple[int, float], due: bool) -> None:
    assert numbers.due(*asked) is due


def test_of_a_finished_round_nothing_is_new_and_it_is_trained_on_once(finished: tuple[Path, Path]) -> None:
    recipe, lake = map(str, finished)
    plan = open_plan(recipe, lake, None, {})
    found = events.measure(plan, 1)
    assert (found.curated > 0, found.new_rows, found.drift) == (True, 0, 0.0)
    before = [run.run_id for run in runs.list_runs(plan.lake.root)]
    for _ in range(2):
        state = retrain.fn(recipe, lake)
        assert state.name == "AlreadyTrained"
    assert [run.run_id for run in runs.list_runs(plan.lake.root)] == before


def test_it_counts_rows_and_not_settings(finished: tuple[Path, Path]) -> None:
    """Other training of the same rows is something to do, but no new row."""
    recipe, lake = map(str, finished)
    state = retrain.fn(recipe, lake, overrides={"stages.grpo.steps": 3}, min_rows=1)
    assert state.name == "NotDue"
    assert "new_rows=0" in str(state.message)
