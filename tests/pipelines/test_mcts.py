"""Tree search on a made-up policy whose chances are known: what the tree counts must be what happened."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.mcts import Budget, MctsResult, Node, priors, score, search
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

    def advance(self, state: str, said: Generated, *, cut: bool) -> str:
        return state + said.text

    def whole(self, state: str) -> bool:
        return True

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
) -> tuple[MctsResult[str], list[Generate], list[Result]]:
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
    select=st.sampled_from(["uct", "puct", "visits"]),
    grow=st.sampled_from(["tried", "reached"]),
)


@settings(max_examples=80, deadline=None)
@given(BUDGETS, st.integers(0, 10_000), st.floats(0, 1))
def test_the_tree_counts_what_happened(budget: Budget, seed: int, chance: float) -> None:
    result, asked, told = play(budget, seed=seed, chance=chance)
    assert result.failed is None
    root = result.root
    for node in result.nodes:
        own = node.visits - sum(child.visits for child in node.children)
        right = node.total - sum(child.total for child in node.children)
        ended = [end for end in result.ends if end.node is node]
        if node.correct is None:  # its own visits are the attempts that went on from it, each backed up once
            assert (own, right) == (len(ended), sum(end.correct for end in ended))
        else:  # an end is counted once, and never tried again
            assert own <= 1 and len(ended) == 1 and ended[0].correct == node.correct
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
    assert {end.state for end in result.solutions} <= {"aba"}
    assert all((end.state == "aba") == end.correct for end in result.ends)
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
    assert (result.iterations, result.censored_at) == (iterations, censored_at)


def test_equal_seeds_search_alike_and_others_do_not() -> None:
    budget = Budget(iterations=12, stop="budget")
    runs = [play(budget, seed=seed) for seed in (1, 1, 2)]
    rows = [seen(result) for result, _, _ in runs]
    assert rows[0] == rows[1]
    assert runs[0][1] == runs[1][1]
    assert rows[0] != rows[2]


def test_the_first_solution_comes_as_often_as_it_should() -> None:
    """Iteration 1 is a plain attempt, so its success rate is the policy's own: 1/8 for three fair letters."""
    results = [play(Budget(iterations=40), seed=seed)[0] for seed in range(600)]
    first = [result.iterations for result in results]
    share = sum(iteration == 1 for iteration in first) / len(first)
    assert abs(share - 1 / 8) < 4 * (1 / 8 * 7 / 8 / 600) ** 0.5


def test_wrong_first_steps_are_not_the_end() -> None:
    """With one child asked for at a time half of the roots begin with the wrong letter only; they grow others later."""
    results = [play(Budget(iterations=150, children=1), seed=seed)[0] for seed in range(100)]
    assert all(result.iterations for result in results)


def test_search_prefers_what_worked() -> None:
    """After many iterations the right first letter has been tried more often, and its value is higher."""
    result, _, _ = play(Budget(iterations=200, children=4, stop="budget", exploration=0.7), seed=4)
    by_letter = {child.text: child for child in result.nodes[0].children}
    assert by_letter["a"].visits > 3 * by_letter["b"].visits
    assert by_letter["a"].value > 0.3 > by_letter["b"].value == 0.0


def test_a_failure_ends_the_search_and_is_handed_on() -> None:
    for place in (0, 2):
        result, asked, _ = play(Budget(iterations=8), chance=0.0, fail_at=place)
        assert result.failed == Failed("http_500", "gone", transient=True)
        assert len(asked) >= place


def test_a_prompt_grown_too_long_is_a_wrong_attempt() -> None:
    talk = search("", Maze(), Budget(iterations=2, children=2), search_id="q", seed=0)
    requests = next(talk)
    with pytest.raises(StopIteration) as end:
        while True:
            requests = talk.send([Failed("too_long", "no room") for _ in requests])
    assert end.value.value.censored_at == 2
    assert end.value.value.nodes[0].value == 0.0


def seen(result: MctsResult[str]) -> list[tuple[object, ...]]:
    return [(node.path, node.text, node.visits, node.total, node.iteration) for node in result.nodes]


def child(visits: int, right: int, logprob: float | None = None) -> Node[str]:
    return Node((0,), "", "a", None, 1, logprob=logprob, visits=visits, total=right)


@pytest.mark.parametrize(
    ("select", "node", "prior", "expected"),
    [
        ("uct", child(4, 3), 0.5, 0.75 + 1.4 * 0.7587136),  # sqrt(ln 10 / 4) = 0.7587136
        ("uct", child(0, 0), 0.5, math.inf),
        ("puct", child(4, 3), 0.5, 0.75 + 1.4 * 0.5 * 3.1622777 / 5),
        ("puct", child(0, 0), 0.25, 1.4 * 0.25 * 3.1622777),
        ("visits", child(4, 3), 0.5, 3.1622777 / 5),
        ("visits", child(0, 0), 0.5, 3.1622777),
    ],
)
def test_scores_are_those_of_the_formulas(select: str, node: Node[str], prior: float, expected: float) -> None:
    budget = Budget(select=select, exploration=1.4)  # type: ignore[arg-type]  # one of three names
    assert score(node, 10, prior, budget) == pytest.approx(expected)


def test_priors_are_uniform_or_the_policys_own() -> None:
    children = [child(0, 0, -0.5), child(0, 0, -1.5), child(0, 0, -0.5)]
    assert priors(children, "uniform") == pytest.approx([1 / 3] * 3)
    known = [math.exp(-0.5), math.exp(-1.5), math.exp(-0.5)]
    assert priors(children, "policy") == pytest.approx([each / sum(known) for each in known])


def test_by_visits_all_children_are_tried_equally_often_and_values_are_backed_up_all_the_same() -> None:
    """What ThinkLite-VL's paper selects by; its code backs nothing up, for the first success ends it before."""
    result, _, _ = play(Budget(60, 8, select="visits", grow="reached", stop="budget", depth=1), seed=5)
    a, b = sorted(result.root.children, key=lambda node: node.text)
    assert abs(a.visits - b.visits) <= 1 and a.visits + b.visits == 60
    assert a.value > 0.1 and b.value == 0.0
    assert result.root.value == pytest.approx((a.total + b.total) / 60)


def test_where_all_steps_have_ended_the_question_it_is_tried_anew() -> None:
    """Each iteration is an attempt, also where the only child of the root is a wrong answer."""
    result, asked, _ = play(Budget(6, 3, grow="reached", stop="budget"), chance=1.0, goal="b" * LENGTH)
    assert result.censored_at == 6 and len(result.ends) == 6
    assert sum("/rest/" in request.request_id for request in asked) == 6 - sum(
        end.node.correct is not None for end in result.ends
    )
