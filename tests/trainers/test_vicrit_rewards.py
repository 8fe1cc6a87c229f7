"""Rewards of spans: the laws on literal answers, and what a policy could gain by quoting much, little or nothing."""

import json

import pytest

from tests.pipelines.test_spans import ANSWERS, CASES
from trainers.rewards import BONUS, REWARDS


def paid(case: str, answers: list[str], partial: bool = True, extra: int = 2) -> list[dict[str, float | None]]:
    """What each reward pays for answers to one caption."""
    text, _, changed = CASES[case]
    columns = {
        "answer": json.dumps(changed),
        "answer_type": "span",
        "verifier": json.dumps({"context": text, "extra_words": extra, "partial": partial}),
        "options": [],
        "tools_help": False,
    }
    completions = [[{"role": "assistant", "content": f"I compare.<answer>{answer}</answer>"}] for answer in answers]
    repeated = {name: [value] * len(answers) for name, value in columns.items()}
    each = {name: reward(completions, **repeated) for name, reward in REWARDS.items()}
    return [{name: values[at] for name, values in each.items()} for at in range(len(answers))]


@pytest.mark.parametrize("case", CASES)
def test_right_is_paid_above_partial_and_partial_above_the_rest(case):
    graded = [(answer, how, correct) for name, answer, how, correct, _ in ANSWERS if name == case and answer]
    rewards = paid(case, [answer for answer, _, _ in graded])
    for (answer, how, correct), reward in zip(graded, rewards, strict=True):
        total = sum(reward.values())
        if correct:
            assert reward["accuracy"] == 1 and total <= 1 + 2 * BONUS, answer
        else:
            assert reward["well_formed"] == 0 and total < 0.5
            assert (total > 0) == (how == "partial"), answer


@pytest.mark.parametrize("case", CASES)
def test_quoting_everything_or_nothing_pays_nothing(case):
    text = CASES[case][0]
    for partial in (True, False):
        everything, nothing, refusal = paid(case, [text, "", "I cannot tell."], partial, 8)
        assert sum(everything.values()) == sum(nothing.values()) == sum(refusal.values()) == 0


def test_without_partial_credit_accuracy_is_all_or_nothing():
    for case in CASES:
        answers = [answer for name, answer, _, _, _ in ANSWERS if name == case]
        assert {reward["accuracy"] for reward in paid(case, answers, partial=False)} <= {0.0, 1.0}
