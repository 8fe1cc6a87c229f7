"""Monte-Carlo tree search over a policy's steps, as a conversation: it asks for texts and is told them.

What a step is, what follows from it and whether it ends the question is the caller's `Moves`; the search only decides
where to look next. Iterations count from 1, and iteration 1 is one plain attempt at the question, so a question that
the policy can answer at once costs one answer. Values are the share of attempts through a node that ended right, and
they are what the selection uses: each attempt is backed up to the root. A question that stays unsolved is a result
(`iterations` None, `censored_at` the budget), never a missing row.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

from schemas.ids import content_id, seed_of
from schemas.requests import Failed, Generate, Generated, Result

S = TypeVar("S")


class Moves(Protocol[S]):
    """The game: pure functions over a state of the caller's own kind."""

    def step(self, state: S, request_id: str, seed: int) -> Generate:
        """Ask the policy for the next single step."""
        ...

    def rest(self, state: S, request_id: str, seed: int) -> Generate:
        """Ask the policy to go on as far as one turn goes."""
        ...

    def advance(self, state: S, said: Generated) -> S:
        """The state after the policy said that; observations of its tool calls included."""
        ...

    def verdict(self, state: S) -> bool | None:
        """Whether the state answers the question rightly; None while it is unfinished."""
        ...


@dataclass(frozen=True)
class Budget:
    """How wide, how deep and how long. `exploration` is UCT's c; `stop` "first" ends at the first solution.

    An attempt that has not ended after `attempt_turns` turns counts as wrong.
    """

    iterations: int = 16
    children: int = 3
    depth: int = 8
    exploration: float = 1.4
    attempt_turns: int = 4
    stop: Literal["first", "budget"] = "first"


@dataclass
class Node(Generic[S]):
    """A state in the tree. `path` is the child numbers from the root; tokens are those that the policy wrote from
    here.
    """

    path: tuple[int, ...]
    state: S
    text: str
    correct: bool | None
    iteration: int
    parent: Node[S] | None = None
    visits: int = 0
    total: float = 0.0
    children: list[Node[S]] = field(default_factory=list)
    expansions: int = 0
    expansion_tokens: int = 0
    attempt_tokens: int = 0

    @property
    def value(self) -> float:
        """Share of right attempts through this node; 0 before any."""
        return self.total / self.visits if self.visits else 0.0


@dataclass(frozen=True)
class MctsResult(Generic[S]):
    """`iterations` is the number of the first iteration that found a solution; when there was none, it is None and
    `censored_at` is how many were tried. Tokens are the policy's own, for expansions and for attempts apart.
    """

    iterations: int | None
    censored_at: int | None
    solutions: tuple[S, ...]
    nodes: tuple[Node[S], ...]
    expansion_tokens: int
    attempt_tokens: int
    prompt_tokens: int

    def rows(self, sample_id: str, policy: str) -> list[dict[str, object]]:
        """Rows of the table `tree_nodes`, parents before children."""

        def id_of(node: Node[S]) -> str:
            return content_id("tree_node", [sample_id, policy, node.path])

        return [
            {
                "node_id": id_of(node),
                "sample_id": sample_id,
                "policy": policy,
                "parent_id": id_of(node.parent) if node.parent else None,
                "depth": len(node.path),
                "text": node.text,
                "visits": node.visits,
                "value": node.value,
                "terminal": node.correct is not None,
                "correct": node.correct,
                "iteration": node.iteration,
                "expansion_tokens": node.expansion_tokens,
                "rollout_tokens": node.attempt_tokens,
            }
            for node in self.nodes
        ]


Asking = Generator[list[Generate], list[Result], MctsResult[S] | Failed]


def search(start: S, moves: Moves[S], budget: Budget, *, search_id: str, seed: int) -> Asking[S]:
    """Search from `start`; yields requests, is sent their results, returns the tree or the failure that ended it.

    A prompt that grew too long for the model ends its line as wrong; every other failure ends the search, because a
    tree with holes in it measures the server and not the question. `search_id` begins every request id; equal seeds
    ask equal things.
    """
    root = Node((), start, "", moves.verdict(start), 0)
    run = _Run(root, moves, budget, search_id, seed)
    for iteration in range(1, budget.iterations + 1):
        node = _descend(root, budget)
        if _grows(node, budget):
            failed = yield from run.expand(node, iteration)
            if failed:
                return failed
            node = next((child for child in node.children if child.visits == 0), node)
        right = node.correct
        if right is None:
            ended = yield from run.attempt(node, iteration)
            if isinstance(ended, Failed):
                return ended
            right = ended
        _back_up(node, float(right))
        if run.solutions and run.solved_at is None:
            run.solved_at = iteration
        if run.solutions and budget.stop == "first":
            break
    return run.result()


def _grows(node: Node[S], budget: Budget) -> bool:
    """A node grows children when it is tried for the second time (until then one attempt says as much for less), and
    more of them after about 2, 8, 18 ... visits per child asked for: were it only once, a node whose first steps are
    all wrong could never be got right.
    """
    due = 1 + int(math.sqrt(node.visits / (2 * budget.children))) if node.visits else 0
    return node.correct is None and node.expansions < due and len(node.path) < budget.depth


def _descend(root: Node[S], budget: Budget) -> Node[S]:
    """Follow the highest upper confidence bound to a node that grows or has no children; an untried child comes
    first.
    """
    node = root
    while node.children and not _grows(node, budget):
        fresh = next((child for child in node.children if child.visits == 0), None)
        if fresh is not None:
            return fresh
        scale = budget.exploration * math.sqrt(math.log(node.visits))
        node = max(node.children, key=lambda child: child.value + scale / math.sqrt(child.visits))
    return node


def _back_up(node: Node[S], value: float) -> None:
    step: Node[S] | None = node
    while step is not None:
        step.visits += 1
        step.total += value
        step = step.parent


class _Run(Generic[S]):
    """What one search has spent and found."""

    def __init__(self, root: Node[S], moves: Moves[S], budget: Budget, search_id: str, seed: int) -> None:
        self.nodes = [root]
        self.solutions: list[S] = []
        self.solved_at: int | None = None
        self.prompt_tokens = 0
        self._moves, self._budget, self._id, self._seed = moves, budget, search_id, seed

    def expand(self, node: Node[S], iteration: int) -> Generator[list[Generate], list[Result], Failed | None]:
        """Give the node new children: distinct next steps, in the order in which they were first said."""
        asked = [
            self._moves.step(node.state, f"{self._id}/{iteration}/step/{number}", self._draw(iteration, "step", number))
            for number in range(self._budget.children)
        ]
        answers = yield asked
        node.expansions += 1
        known = {child.text for child in node.children}
        said: dict[str, Generated] = {}
        for answer in answers:
            if isinstance(answer, Generated):
                node.expansion_tokens += answer.completion_tokens
                self.prompt_tokens += answer.prompt_tokens
                if answer.text not in known:
                    said.setdefault(answer.text, answer)
            elif isinstance(answer, Failed) and answer.kind != "too_long":
                return answer
        for number, (text, answer) in enumerate(said.items(), start=len(node.children)):
            state = self._moves.advance(node.state, answer)
            child = Node((*node.path, number), state, text, self._moves.verdict(state), iteration, node)
            node.children.append(child)
            self.nodes.append(child)
            if child.correct:
                self.solutions.append(state)
        return None

    def attempt(self, node: Node[S], iteration: int) -> Generator[list[Generate], list[Result], bool | Failed]:
        """Play on from the node to an end; the attempt's own states are not kept in the tree."""
        state = node.state
        for turn in range(self._budget.attempt_turns):
            request_id = f"{self._id}/{iteration}/rest/{turn}"
            (answer,) = yield [self._moves.rest(state, request_id, self._draw(iteration, "rest", turn))]
            if isinstance(answer, Failed):
                return False if answer.kind == "too_long" else answer
            assert isinstance(answer, Generated)
            node.attempt_tokens += answer.completion_tokens
            self.prompt_tokens += answer.prompt_tokens
            state = self._moves.advance(state, answer)
            right = self._moves.verdict(state)
            if right is not None:
                if right:
                    self.solutions.append(state)
                return right
        return False

    def result(self) -> MctsResult[S]:
        return MctsResult(
            iterations=self.solved_at,
            censored_at=None if self.solved_at else self.nodes[0].visits,
            solutions=tuple(self.solutions),
            nodes=tuple(self.nodes),
            expansion_tokens=sum(node.expansion_tokens for node in self.nodes),
            attempt_tokens=sum(node.attempt_tokens for node in self.nodes),
            prompt_tokens=self.prompt_tokens,
        )

    def _draw(self, iteration: int, kind: str, number: int) -> int:
        return seed_of(self._seed, self._id, iteration, kind, number)
