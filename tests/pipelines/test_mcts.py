"""Tree search on a made-up policy whose chances are known: what the tree counts must be what happened."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.mcts import Budget, MctsResult, search
from schemas.arrow import table_of
from schemas.messages import Message, Text
from schemas.requests import Failed, Generate, Generated, Result, Sampling

LENGTH = 3


@dataclass(frozen=True)
class Maze:
    """A state is what was said so far, one letter per step; three letters end it, and only `goal` is right."""

    goal: str = "aba"

    def _ask(self, state: str, request_id: str, seed: int, tokens: int) -> Generate:
        return Generate(request_id, (Message("user", (Text(state),)),), Sampling(tokens, 1.0), seed)

    def step(self, state: str, request_id: str, seed: int) -> Generate:
        return self._ask(state, request_id, seed, 1)

    def rest(self, state: str, request_id: str, seed: int) -> Generate:
        return self._ask(state, request_id, seed, LENGTH)

    def advance(self, state: str, said: Generated) -> str:
        return state + said.text

    def verdict(self, state: str) -> bool | None:
        return state == self.goal if len(state) >= LENGTH else None


def policy(request: Generate, chance: float) -> Generated:
    """Says `a` with the given chance and `b` otherwise, letter by letter, as the seed decides."""
    draw = random.Random(request.seed)
    room = min(request.sampling.max_tokens, LENGTH - len(request.messages[0].text))
    text = "".join("a" if draw.random() < chance else "b" for _ in range(room))
    return Generated(text, "stop", 10 + len(request.messages[0].text), len(text))


def play(
    budget: Budget, *, seed: int = 0, chance: float = 0.5, goal: str = "aba", fail_at: int | None = None
) -> tuple[MctsResult[str] | Failed, list[Generate], list[Result]]:
    talk = search("", Maze(goal), budget, search_id="q", seed=seed)
    asked: list[Generate] = []
    told: list[Result] = []
    answers: list[Result] | None = None
    while True:
        try:
            requests = next(talk) if answers is None else talk.send(answers)
        except StopIteration as end:
            return end.value, asked, told
        answers = []
        for request in requests:
            broken = fail_at is not None and len(asked) == fail_at
            asked.append(request)
            answers.append(Failed("http_500", "gone", transient=True) if broken else policy(request, chance))
        told += answers


BUDGETS = st.builds(
    Budget,
    iterations=st.integers(1, 24),
    children=st.integers(1, 4),
    depth=st.integers(0, 4),
    exploration=st.floats(0, 3),
    stop=st.sampled_from(["first", "budget"]),
)


@settings(max_examples=80, deadline=None)
@given(BUDGETS, st.integers(0, 10_000), st.floats(0, 1))
def test_the_tree_counts_what_happened(budget: Budget, seed: int, chance: float) -> None:
    result, asked, told = play(budget, seed=seed, chance=chance)
    assert isinstance(result, MctsResult)
    root = result.nodes[0]
    for node in result.nodes:
        own = node.visits - sum(child.visits for child in node.children)
        right = node.total - sum(child.total for child in node.children)
        assert own >= 0
        assert 0 <= right <= own  # what happened at the node itself
        assert 0 <= node.value <= 1
        assert len(node.path) <= budget.depth
        assert node.correct is None or not node.children
        assert len({child.text for child in node.children}) == len(node.children)
        assert len(node.children) <= budget.children * node.expansions
        if node.correct is not None and node.visits:
            assert node.value == node.correct
    assert root.visits <= budget.iterations
    if budget.stop == "budget" or result.iterations is None:
        assert root.visits == budget.iterations
    assert (result.iterations is None) == (not result.solutions) == (result.censored_at is not None)
    if result.iterations is None:
        assert result.censored_at == budget.iterations
    else:
        assert 1 <= result.iterations <= root.visits
        assert budget.stop == "budget" or result.iterations == root.visits
    assert set(result.solutions) <= {"aba"}
    spent = sum(answer.completion_tokens for answer in told if isinstance(answer, Generated))
    assert result.expansion_tokens + result.attempt_tokens == spent
    assert result.prompt_tokens == sum(answer.prompt_tokens for answer in told if isinstance(answer, Generated))
    assert len({request.request_id for request in asked}) == len(asked)
    assert all(request.request_id.startswith("q/") for request in asked)


@pytest.mark.parametrize(
    ("chance", "goal", "iterations", "censored_at"),
    [(1.0, "aaa", 1, None), (0.0, "aaa", None, 6), (0.0, "bbb", 1, None)],
)
def test_certain_policies(chance: float, goal: str, iterations: int | None, censored_at: int | None) -> None:
    result, _, _ = play(Budget(iterations=6), chance=chance, goal=goal)
    assert isinstance(result, MctsResult)
    assert (result.iterations, result.censored_at) == (iterations, censored_at)


def test_equal_seeds_search_alike_and_others_do_not() -> None:
    budget = Budget(iterations=12, stop="budget")
    runs = [play(budget, seed=seed) for seed in (1, 1, 2)]
    rows = [result.rows("sample", "policy") for result, _, _ in runs if isinstance(result, MctsResult)]
    assert rows[0] == rows[1]
    assert runs[0][1] == runs[1][1]
    assert rows[0] != rows[2]


def test_the_first_solution_comes_as_often_as_it_should() -> None:
    """Iteration 1 is a plain attempt, so its success rate is the policy's own: 1/8 for three fair letters."""
    results = [play(Budget(iterations=40), seed=seed)[0] for seed in range(600)]
    first = [result.iterations for result in results if isinstance(result, MctsResult)]
    share = sum(iteration == 1 for iteration in first) / len(first)
    assert abs(share - 1 / 8) < 4 * (1 / 8 * 7 / 8 / 600) ** 0.5


def test_wrong_first_steps_are_not_the_end() -> None:
    """With one child asked for at a time half of the roots begin with the wrong letter only; they grow others later."""
    results = [play(Budget(iterations=150, children=1), seed=seed)[0] for seed in range(100)]
    assert all(isinstance(result, MctsResult) and result.iterations for result in results)


def test_search_prefers_what_worked() -> None:
    """After many iterations the right first letter has been tried more often, and its value is higher."""
    result, _, _ = play(Budget(iterations=200, children=4, stop="budget", exploration=0.7), seed=4)
    assert isinstance(result, MctsResult)
    by_letter = {child.text: child for child in result.nodes[0].children}
    assert by_letter["a"].visits > 3 * by_letter["b"].visits
    assert by_letter["a"].value > 0.3 > by_letter["b"].value == 0.0


def test_a_failure_ends_the_search_and_is_handed_on() -> None:
    for place in (0, 2):
        result, asked, _ = play(Budget(iterations=8), chance=0.0, fail_at=place)
        assert result == Failed("http_500", "gone", transient=True)
        assert len(asked) >= place


def test_a_prompt_grown_too_long_is_a_wrong_attempt() -> None:
    talk = search("", Maze(), Budget(iterations=2, children=2), search_id="q", seed=0)
    requests = next(talk)
    with pytest.raises(StopIteration) as end:
        while True:
            requests = talk.send([Failed("too_long", "no room") for _ in requests])
    assert end.value.value.censored_at == 2
    assert end.value.value.nodes[0].value == 0.0


def test_rows_fit_their_table() -> None:
    result, _, _ = play(Budget(iterations=10, stop="budget"), seed=2)
    assert isinstance(result, MctsResult)
    rows = result.rows("sample", "policy")
    table = table_of("tree_nodes", rows)
    assert table.num_rows == len(result.nodes) > 3
    ids = [row["node_id"] for row in rows]
    assert len(set(ids)) == len(ids)
    seen: set[object] = {None}
    for row in rows:
        assert row["parent_id"] in seen
        seen.add(row["node_id"])
