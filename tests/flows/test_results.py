"""Figures: paired by question, Holm over banks, and a verdict that says what they say."""

from __future__ import annotations

from flows.results import compare, verdict


def arms(after: float, n: int = 60) -> dict[str, dict[str, dict[str, float]]]:
    """base answers a quarter; sft and grpo answer the share `after`, on bank `a`; bank `b` never changes."""
    wrong = {f"s{i}": float(i % 4 == 0) for i in range(n)}
    right = {f"s{i}": float(i < after * n) for i in range(n)}
    return {
        "base": {"a": wrong, "b": wrong},
        "sft": {"a": right, "b": wrong},
        "grpo": {"a": right, "b": wrong},
        "control_grpo": {"a": wrong, "b": wrong},
    }


def test_a_real_gain_is_seen_and_no_gain_is_not() -> None:
    rows = [row for pair in (("base", "grpo"), ("sft", "grpo")) for row in compare(arms(0.9), 1, *pair)]
    assert [(row.bank, row.better) for row in rows[:2]] == [("a", True), ("b", False)]
    assert rows[0].low > 0.4
    assert (rows[1].difference, rows[1].low, rows[1].high, rows[1].p_holm) == (0, 0, 0, 1)
    assert verdict(rows).startswith("+SFT+GRPO beats base on 1 of 2 banks")
    assert "GRPO alone changed accuracy by +0.0 points" in verdict(rows)


def test_only_questions_that_both_answered_are_compared() -> None:
    found = arms(0.9)
    del found["grpo"]["a"]["s0"]
    assert compare(found, 1, "base", "grpo")[0].n == 59
    assert compare({"base": found["base"]}, 1, "base", "grpo") == []
