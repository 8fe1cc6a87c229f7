"""`evolens show`: what is printed of one sample."""

from __future__ import annotations

import pytest

from flows.sample_view import TABLES, SampleView
from pipelines.reflection import reflect
from pipelines.tools.turn import step
from schemas.arrow import TABLES as TABLES_OF
from tests.pipelines.jobs import sample


def test_a_reflection_says_which_steps_are_the_wrong_attempt(capsys: pytest.CaptureFixture[str]) -> None:
    made = reflect([step("answer", "blue")], "blue", [step("answer", "red")], 1, 0)
    trace = {"trace_id": "t" * 32, "origin": "reflection", "steps": made.steps, "wrong_steps": made.wrong_steps}
    plain = {"trace_id": "o" * 32, "origin": "oracle", "steps": [step("answer", "red")], "wrong_steps": None}
    sides = {"original": (0, 8, 0.0, 0.324), "edited": (7, 8, 0.529, 0.978)}
    needed = {"policy": "p", "origin": "oracle", "needs_interaction": True} | {
        f"{side}_{name}": value
        for side, values in sides.items()
        for name, value in zip(("k", "n", "low", "high"), values, strict=True)
    }
    row = sample("i" * 32)
    told = dict.fromkeys(TABLES, []) | {"samples": [row], "traces": [trace, plain], "necessity": [needed]}
    SampleView(row["sample_id"], told).print()
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    first = lines.index(["trace", "t" * 12, "(reflection)"])
    assert lines[first + 1] == ["the", "wrong", "attempt"] and lines[first + 2][0] == "thought"
    assert lines[first + 3] == ["taken", "back"] and [line[0] for line in lines[first + 4 : first + 6]] == [
        "thought",
        "answer",
    ]
    assert lines[first + 7] == ["answer", "red"]
    assert "p oracle 0 of 8 (0.00 to 0.32) 7 of 8 (0.53 to 0.98) True".split() in lines


def test_backtracking_says_where_the_wrong_attempt_leaves_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    shared = [step("thought", "look"), step("observation", "seen")]
    made = reflect([step("answer", "blue")], "blue", [step("answer", "red")], 1, 0, shared)
    counts = {"wrong_steps": made.wrong_steps, "shared_steps": made.shared_steps}
    row, trace = sample("i" * 32), {"trace_id": "t" * 32, "origin": "backtracking", "steps": made.steps, **counts}
    SampleView(row["sample_id"], dict.fromkeys(TABLES, []) | {"samples": [row], "traces": [trace]}).print()
    firsts = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    told = ["thought", "observation", "the", "thought", "taken", "thought", "answer"]
    assert firsts[firsts.index("trace") + 1 :] == told


def test_difficulty_says_right_of_asked_when_it_was_solved_and_what_is_suspected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty = dict.fromkeys(TABLES_OF["difficulty"].names) | {"policy": "p"}
    found = {"k": 0, "n": 8, "low": 0.0, "high": 0.324, "censored_at": 12, "curriculum": 0.96}
    accused = {"suspicion": "label", "evidence": "agreement", "suggested": '"blue"'}
    searched = {"n": 0, "k": 0, "iterations": 7, "blind_rate": 0.75, "suspicion": "blind"}
    row, rows = sample("i" * 32), [empty | found | accused, empty | searched]
    SampleView(row["sample_id"], dict.fromkeys(TABLES, []) | {"samples": [row], "difficulty": rows}).print()
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[lines.index("difficulty") + 1 :][:3] == [
        "policy right solved suspicion blind_rate curriculum",
        "p 0 of 8 (0.00 to 0.32) unsolved after 12 attempts label suspected: the attempts agree on blue 0.960",
        "p solved at attempt 7 solved without the picture 0.750",
    ]
