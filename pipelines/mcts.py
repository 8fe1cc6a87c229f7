"""Monte-Carlo tree search over a policy's steps, as a conversation: it asks for texts and is told them.

What a step is, what follows from it and whether it ends the question is the caller's `Moves`; the search only decides
where to look next. Every iteration is one attempt at the question, counted from 1, and each is backed up to the root,
so a node's value is the share of attempts through it that ended right. A step that ended the question is an attempt
once: to count it again would measure nothing. A question that stays unsolved is a result (`iterations` None,
`censored_at` what was tried), never a missing row.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from schemas.ids import seed_of
from schemas.requests import Failed, Generate, Generated, Result, TokenLogprob

S = TypeVar("S")

Select: TypeAlias = Literal["uct", "puct", "visits"]
Prior: TypeAlias = Literal["uniform", "policy"]
Grow: TypeAlias = Literal["tried", "reached"]
Stop: TypeAlias = Literal["first", "budget"]


class Moves(Protocol[S]):
    """The game: pure functions over a state of the caller's own kind."""

    def step(self, state: S, request_id: str, seed: int) -> Generate:
        """Ask the policy for the next single step."""
        ...

    def rest(self, state: S, request_id: str, seed: int) -> Generate:
        """Ask the policy to go on as far as one turn goes."""
        ...

    def advance(self, state: S, said: Generated, *, cut: bool) -> S:
        """The state after the policy said that; observations of its tool calls included. `cut`: it was asked for a
        step, so the turn may go on behind it.
        """
        ...

    def whole(self, state: S) -> bool:
        """Whether a step may end here; False amid what may not be cut, which `rest` then brings to its end."""
        ...

    def verdict(self, state: S) -> bool | None:
        """Whether the state answers the question rightly; None while it is unfinished."""
        ...


@dataclass(frozen=True)
class Budget:
    """How wide, how deep, how long, and where to look.

    `exploration` is c of `score`, which `select` names; `prior` is puct's P. A leaf `grow`s children when it is `tried`
    for the second time, or as soon as it is `reached`. `stop` "first" ends at the first solution. An attempt that has
    not ended after `attempt_turns` turns counts as wrong.
    """

    iterations: int = 16
    children: int = 3
    depth: int = 8
    exploration: float = 1.4
    attempt_turns: int = 4
    stop: Stop = "first"
    select: Select = "uct"
    prior: Prior = "uniform"
    grow: Grow = "tried"


@dataclass
class Node(Generic[S]):
    """A state in the tree. `path` is the child numbers from the root; tokens are those that the policy wrote from
    here. `logprob` is the mean natural-log probability of the step's tokens; None where nobody asked for it.
    """

    path: tuple[int, ...]
    state: S
    text: str
    correct: bool | None
    iteration: int
    parent: Node[S] | None = None
    logprob: float | None = None
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

    @property
    def spent(self) -> bool:
        """Whether nothing new can come of it: it ended the question, and has been counted."""
        return self.correct is not None and self.visits > 0


@dataclass(frozen=True)
class End(Generic[S]):
    """An attempt that came to its end: the node that it went on from (or that is the end), when, and how."""

    node: Node[S]
    iteration: int
    state: S
    correct: bool


@dataclass(frozen=True)
class MctsResult(Generic[S]):
    """A tree. `iterations` is the number of the first iteration that found a solution; when there was none, it is None
    and `censored_at` is how many were tried. Tokens are the policy's own, for expansions and for attempts apart.
    `failed` is the failure that ended the search before its time; what the tree says is then no measurement.
    """

    iterations: int | None
    censored_at: int | None
    nodes: tuple[Node[S], ...]
    ends: tuple[End[S], ...]
    expansion_tokens: int
    attempt_tokens: int
    prompt_tokens: int
    failed: Failed | None = None

    @property
    def root(self) -> Node[S]:
        """Where the search began: its value is the share of iterations that ended right."""
        return self.nodes[0]

    @property
    def solutions(self) -> tuple[End[S], ...]:
        """The attempts that ended right, steps that ended the question at once included."""
        return tuple(end for end in self.ends if end.correct)


Told: TypeAlias = Generator[list[Generate], list[Result], Failed | None]


def search(
    start: S, moves: Moves[S], budget: Budget, *, search_id: str, seed: int
) -> Generator[list[Generate], list[Result], MctsResult[S]]:
    """Search from `start`; yields requests, is sent their results, returns the tree.

    A prompt that grew too long for the model ends its line as wrong; every other failure ends the search, because a
    tree with holes in it measures the server and not the question. `search_id` begins every request id; equal seeds
    ask equal things.
    """
    run = _Run(Node((), start, "", moves.verdict(start), 0), moves, budget, search_id, seed)
    for iteration in range(1, budget.iterations + 1):
        failed = yield from run.iterate(iteration)
        if failed or (run.solved_at and budget.stop == "first"):
            return run.result(failed)
    return run.result(None)


def score(child: Node[S], tried: int, prior: float, budget: Budget) -> float:
    """How much the search wants to go on from a child whose parent was tried so often (N, and the child n times).

    `uct`: value + c·√(ln N / n), an untried child before all others (Kocsis & Szepesvári 2006). `puct`:
    value + c·P·√N / (1 + n), as in AlphaZero (arXiv 1712.01815). `visits`: √N / (1 + n), by which ThinkLite-VL selects
    (arXiv 2504.07934); its factor c is the same for all children, so it decides nothing.
    """
    if budget.select == "visits":
        return math.sqrt(tried) / (1 + child.visits)
    if budget.select == "puct":
        return child.value + budget.exploration * prior * math.sqrt(tried) / (1 + child.visits)
    if not child.visits:
        return math.inf
    return child.value + budget.exploration * math.sqrt(math.log(tried) / child.visits)


def priors(children: Sequence[Node[S]], kind: Prior) -> list[float]:
    """P of each child; they add up to 1.

    `policy`: in proportion to the probability that the policy gives to the step's tokens, their geometric mean, so that
    a longer step is not thought less likely for its length.
    """
    weights = [math.exp(child.logprob or 0.0) if kind == "policy" else 1.0 for child in children]
    return [weight / sum(weights) for weight in weights]


def _grows(node: Node[S], budget: Budget) -> bool:
    """Whether children are due. `reached`: once, before anything is tried from here. `tried`: when it is tried for the
    second time (until then one attempt says as much for less), and more of them after about 2, 8, 18 ... visits per
    child asked for: were it only once, a node whose first steps are all wrong could never be got right.
    """
    due = 1
    if budget.grow == "tried":
        due = 1 + int(math.sqrt(node.visits / (2 * budget.children))) if node.visits else 0
    return node.correct is None and node.expansions < due and len(node.path) < budget.depth


def _best(node: Node[S], among: Sequence[Node[S]], budget: Budget) -> Node[S]:
    """The child with the highest score; the one that was said first, of equals."""
    chances = dict(zip(map(id, node.children), priors(node.children, budget.prior), strict=True))
    return max(among, key=lambda child: score(child, node.visits, chances[id(child)], budget))


def _descend(root: Node[S], budget: Budget) -> Node[S]:
    """Follow the highest score to a node that grows, or from which there is no other way on than an attempt."""
    node = root
    while not _grows(node, budget):
        open_ways = [child for child in node.children if not child.spent]
        if not open_ways:
            break
        node = _best(node, open_ways, budget)
    return node


def _back_up(node: Node[S] | None, value: float) -> None:
    while node is not None:
        node.visits += 1
        node.total += value
        node = node.parent


@dataclass(eq=False)
class _Step(Generic[S]):
    """A next step as it is being said."""

    number: int
    text: str
    state: S
    logprobs: tuple[TokenLogprob, ...]

    @property
    def logprob(self) -> float | None:
        known = [token.logprob for token in self.logprobs if token.logprob is not None]
        return sum(known) / len(known) if known else None


class _Run(Generic[S]):
    """What one search has spent and found."""

    def __init__(self, root: Node[S], moves: Moves[S], budget: Budget, search_id: str, seed: int) -> None:
        self._nodes, self._ends = [root], list[End[S]]()
        self.solved_at: int | None = None
        self._prompt_tokens = 0
        self._moves, self._budget, self._id, self._seed = moves, budget, search_id, seed

    def iterate(self, iteration: int) -> Told:
        """One attempt, from where the tree wants it, backed up to the root."""
        node = _descend(self._nodes[0], self._budget)
        if _grows(node, self._budget):
            failed = yield from self._expand(node, iteration)
            if failed:
                return failed
            fresh = [child for child in node.children if not child.visits]
            node = _best(node, fresh, self._budget) if fresh else node
        right = node.correct
        if right is None:
            ended = yield from self._attempt(node, iteration)
            if isinstance(ended, Failed):
                return ended
            right = ended
        _back_up(node, float(right))
        return None

    def result(self, failed: Failed | None) -> MctsResult[S]:
        """The tree as it is."""
        return MctsResult(
            iterations=self.solved_at,
            censored_at=None if self.solved_at else self._nodes[0].visits,
            nodes=tuple(self._nodes),
            ends=tuple(self._ends),
            expansion_tokens=sum(node.expansion_tokens for node in self._nodes),
            attempt_tokens=sum(node.attempt_tokens for node in self._nodes),
            prompt_tokens=self._prompt_tokens,
            failed=failed,
        )

    def _expand(self, node: Node[S], iteration: int) -> Told:
        """Give the node new children: distinct next steps, in the order in which they were first said."""
        node.expansions += 1
        begun = [_Step(number, "", node.state, ()) for number in range(self._budget.children)]
        requests = [self._moves.step(each.state, *self._name(iteration, "step", each.number)) for each in begun]
        said = yield from self._hear(node, begun, requests, cut=True)
        if isinstance(said, Failed):
            return said
        cut = [each for each in said if not self._moves.whole(each.state)]
        if cut:
            requests = [self._moves.rest(each.state, *self._name(iteration, "call", each.number)) for each in cut]
            ended = yield from self._hear(node, cut, requests, cut=False)
            if isinstance(ended, Failed):
                return ended
            said = [each for each in said if each not in cut or each in ended]
        known = {child.text for child in node.children}
        for each in said:
            if each.text not in known:
                known.add(each.text)
                self._grow(node, each, iteration)
        return None

    def _hear(
        self, node: Node[S], steps: list[_Step[S]], requests: list[Generate], *, cut: bool
    ) -> Generator[list[Generate], list[Result], list[_Step[S]] | Failed]:
        """The steps with what was said of them; those for which the model had no room are left out."""
        heard = []
        for each, answer in zip(steps, (yield requests), strict=True):
            if isinstance(answer, Generated):
                node.expansion_tokens += answer.completion_tokens
                self._prompt_tokens += answer.prompt_tokens
                each.text += answer.text
                each.state = self._moves.advance(each.state, answer, cut=cut)
                each.logprobs += answer.logprobs or ()
                heard.append(each)
            elif isinstance(answer, Failed) and answer.kind != "too_long":
                return answer
        return heard

    def _grow(self, node: Node[S], said: _Step[S], iteration: int) -> None:
        if self._budget.prior == "policy" and said.logprob is None:
            raise ValueError("prior: policy needs log-probabilities, and the worker gave none; take prior: uniform")
        path = (*node.path, len(node.children))
        right = self._moves.verdict(said.state)
        child = Node(path, said.state, said.text, right, iteration, node, said.logprob)
        node.children.append(child)
        self._nodes.append(child)
        if right is not None:
            self._end(child, iteration, said.state, right)

    def _attempt(self, node: Node[S], iteration: int) -> Generator[list[Generate], list[Result], bool | Failed]:
        """Play on from the node to an end; the attempt's own states are not kept in the tree."""
        state = node.state
        for turn in range(self._budget.attempt_turns):
            (answer,) = yield [self._moves.rest(state, *self._name(iteration, "rest", turn))]
            if isinstance(answer, Failed):
                return False if answer.kind == "too_long" else answer
            assert isinstance(answer, Generated)
            node.attempt_tokens += answer.completion_tokens
            self._prompt_tokens += answer.prompt_tokens
            state = self._moves.advance(state, answer, cut=False)
            right = self._moves.verdict(state)
            if right is not None:
                self._end(node, iteration, state, right)
                return right
        return False

    def _end(self, node: Node[S], iteration: int, state: S, right: bool) -> None:
        self._ends.append(End(node, iteration, state, right))
        if right and self.solved_at is None:
            self.solved_at = iteration

    def _name(self, iteration: int, kind: str, number: int) -> tuple[str, int]:
        """Id and seed of a request."""
        return f"{self._id}/{iteration}/{kind}/{number}", seed_of(self._seed, self._id, iteration, kind, number)
