"""Tree search in the tool loop: what a step is, how a stage is told to search, and the rows that a tree leaves.

A step is text up to a delimiter, or a tool call with its observation; it ends with the turn at the latest, and never
amid a call or an answer. Rows of `tree_nodes` hold every step with what its call showed, and rows of `rollouts`
(purpose `mcts`) every line that came to its end, with the node that it went on from, so that a tree can be read, and
its lines be said again, from tables alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast

from pydantic import Field, model_validator

from pipelines import mcts
from pipelines.attempts import Asked, rollout_row
from pipelines.prompts import conversation, prompt_hash
from pipelines.stage import Context
from pipelines.toolloop import STEP_ENDS, Asking, Episode, conclude
from pipelines.tools.calls import CLOSE, OPEN
from pipelines.tools.environment import Rules, State, advance
from pipelines.tools.replay import observation
from pipelines.tools.turn import ANSWER_CLOSE, ANSWER_OPEN
from pipelines.verifiers import Verdict, verify_row
from schemas.ids import content_id, seed_of
from schemas.messages import Message, Text
from schemas.outcome import Row
from schemas.requests import Failed, Generate, Generated

TAGS = ((OPEN, CLOSE), (ANSWER_OPEN, ANSWER_CLOSE))

THINKLITE: dict[str, Any] = {
    "search": "always",
    "iterations": 50,
    "children": 3,
    "depth": 10,
    "select": "visits",
    "grow": "reached",
    "stop": "first",
    "temperature": 0.5,
}
"""ThinkLite-VL's search as its paper has it (arXiv 2504.07934): selection by visits alone, three children, 50
iterations, temperature 0.5, the first solution ends it. The paper leaves the most steps open; its code has 10."""


class Searching(Asked):
    """How a policy is asked, and how its steps are searched."""

    preset: Literal["thinklite"] | None = Field(
        None, description="`thinklite`: the search of that paper; what else is set beside it stays as it is set."
    )
    iterations: int = Field(
        4,
        ge=0,
        description="Most attempts of the tree search; 0 for none. A server must say which stop string ended a text, "
        "as vLLM does.",
    )
    children: int = Field(3, ge=2, description="Next steps that are asked for when a node of the tree grows.")
    depth: int = Field(8, ge=1, description="Most steps from the root of the tree.")
    select: mcts.Select = Field("uct", description="Where to go on: `uct`, `puct`, or by `visits` alone.")
    exploration: float = Field(1.4, ge=0, description="c of `uct` and `puct`; of `visits` it changes nothing.")
    prior: mcts.Prior = Field(
        "uniform", description="P of `puct`: the same for all, or the step's mean log-probability under the `policy`."
    )
    grow: mcts.Grow = Field(
        "tried", description="When a leaf gets children: `tried` for the second time, or whenever `reached`."
    )
    stop: mcts.Stop = Field("first", description="The search ends at the `first` solution, or with its `budget`.")
    delimiters: tuple[str, ...] = Field(
        STEP_ENDS, min_length=1, description="Texts that end a step. A tool call or an answer is never cut by one."
    )

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("preset") == "thinklite":
            return {name: value for name, value in THINKLITE.items() if name in cls.model_fields} | dict(given)
        return given

    @property
    def budget(self) -> mcts.Budget:
        """What the search is told."""
        return mcts.Budget(
            self.iterations,
            self.children,
            self.depth,
            self.exploration,
            self.max_turns,
            self.stop,
            self.select,
            self.prior,
            self.grow,
        )


@dataclass(frozen=True)
class Line:
    """A conversation under way: where its tools stand, steps, the unfinished turn, tokens spent; at its end, how it was
    judged and how it came to that end (`Episode.finish`).
    """

    state: State
    steps: tuple[Row, ...] = ()
    texts: tuple[str, ...] = ()
    said: str = ""
    verdict: Verdict | None = None
    finish: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Moves:
    """The tool loop as moves of a tree search (`pipelines.mcts.Moves`)."""

    def __init__(self, sample: Mapping[str, Any], p: Searching, ctx: Context) -> None:
        self._sample, self._p, self._ctx = sample, p, ctx
        self._rules = Rules(p.max_turns, p.max_images, p.tools)

    def start(self) -> Line:
        """Nothing said yet."""
        return Line(State.of([self._ctx.image(image) for image in self._sample["image_ids"]]))

    def step(self, state: Line, request_id: str, seed: int) -> Generate:
        """Ask for the next piece of the turn."""
        logprobs = 0 if self._p.prior == "policy" else None
        return self._ask(state, request_id, seed, stop=self._p.delimiters, logprobs=logprobs)

    def rest(self, state: Line, request_id: str, seed: int) -> Generate:
        """Ask for the rest of the turn."""
        return self._ask(state, request_id, seed)

    def advance(self, state: Line, said: Generated, *, cut: bool) -> Line:
        """What the policy said, appended; a finished turn is carried out or judged. Where a step was asked for, `cut`,
        a delimiter at its end does not end the turn.
        """
        text = state.said + said.text
        line = replace(
            state,
            prompt_tokens=state.prompt_tokens + said.prompt_tokens,
            completion_tokens=state.completion_tokens + said.completion_tokens,
        )
        if cut and said.finish == "stop" and said.text.endswith(self._p.delimiters) and CLOSE not in text:
            return replace(line, said=text)
        after, came = advance(line.state, text, self._rules)
        line = replace(line, state=after, said="", texts=(*line.texts, text))
        if came.seen is None:
            steps, _, finish = conclude(came.said, text, said.finish)
            return self._judged(replace(line, steps=(*line.steps, *steps)), finish)
        made = came.seen.image
        seen = observation(None if made is None else self._ctx.show(made), came.seen.text)
        line = replace(line, steps=(*line.steps, *came.said, seen))
        return self._judged(line, "turns") if came.done else line

    def whole(self, state: Line) -> bool:
        """False amid a tool call or an answer."""
        return all(state.said.count(begin) == state.said.count(end) for begin, end in TAGS)

    def verdict(self, state: Line) -> bool | None:
        """Whether the line ended right; None while it goes on. An undecided verdict is not right."""
        return bool(state.verdict.correct) if state.verdict else None

    def _ask(self, state: Line, request_id: str, seed: int, **how: Any) -> Generate:
        messages = conversation(self._sample, state.steps, style=self._p.style, tools=self._p.tools)
        if state.said:
            messages = (*messages, Message("assistant", (Text(state.said),)))
        return Generate(request_id, messages, replace(self._p.sampling, **how), seed)

    def _judged(self, line: Line, finish: str) -> Line:
        return replace(line, verdict=verify_row(line.texts[-1], self._sample), finish=finish)


@dataclass(frozen=True)
class Tree:
    """What a search found, and its rows of `tree_nodes` and `rollouts`. `root_value` is the share of its iterations
    that ended right; exactly one of `iterations` and `censored_at` is set.
    """

    iterations: int | None
    censored_at: int | None
    solutions: int
    root_value: float
    expansion_tokens: int
    rollout_tokens: int
    prompt_tokens: int
    failed: Failed | None
    nodes: list[Row]
    rollouts: list[Row]


def search(sample: Mapping[str, Any], p: Searching, ctx: Context) -> Asking[Tree]:
    """Search for an answer to a sample with the worker of the stage."""
    name, moves = sample["sample_id"], Moves(sample, p, ctx)
    seed = seed_of("mcts", p.seed, name)
    asking = mcts.search(moves.start(), moves, p.budget, search_id=f"{name}:mcts", seed=seed)
    found = yield from cast("Asking[mcts.MctsResult[Line]]", asking)  # it asks for texts only
    policy = ctx.worker.identity.name
    prompt = prompt_hash(p.style, p.tools)
    tree_id = content_id("tree", [name, policy, prompt, p.as_json(), asdict(p.budget), list(p.delimiters), seed])
    return Tree(
        found.iterations,
        found.censored_at,
        len(found.solutions),
        found.root.value,
        found.expansion_tokens,
        found.attempt_tokens,
        found.prompt_tokens,
        found.failed,
        [node_row(node, tree_id, name, policy) for node in found.nodes],
        [_rollout(end, number, tree_id, sample, p, policy) for number, end in enumerate(found.ends)],
    )


def node_id(tree_id: str, path: tuple[int, ...]) -> str:
    """Id of the node that is reached from the root by these child numbers."""
    return content_id("tree_node", [tree_id, list(path)])


def node_row(node: mcts.Node[Line], tree_id: str, sample_id: str, policy: str) -> Row:
    """Columns of table `tree_nodes`. `text` is what the policy said here; where that was a call, the next four columns
    say which and what it showed.
    """
    before = len(node.parent.state.steps) if node.parent else 0
    fresh = node.state.steps[before:]
    called = next((step for step in fresh if step["kind"] == "action"), None)
    seen = next((step for step in fresh if step["kind"] == "observation"), None)
    family = node.parent.children if node.parent else [node]
    chances = mcts.priors(family, "policy" if node.logprob is not None else "uniform")
    return {
        "node_id": node_id(tree_id, node.path),
        "tree_id": tree_id,
        "sample_id": sample_id,
        "policy": policy,
        "parent_id": node_id(tree_id, node.parent.path) if node.parent else None,
        "depth": len(node.path),
        "child": node.path[-1] if node.path else None,
        "text": node.text,
        "tool": called and called["tool"],
        "arguments": called and called["arguments"],
        "observation": seen and seen["text"],
        "image_id": seen and seen["image_id"],
        "ends_turn": len(node.state.texts) > (len(node.parent.state.texts) if node.parent else 0),
        "visits": node.visits,
        "value": node.value,
        "prior": chances[node.path[-1] if node.path else 0],
        "logprob": node.logprob,
        "expansions": node.expansions,
        "terminal": node.correct is not None,
        "correct": node.correct,
        "iteration": node.iteration,
        "expansion_tokens": node.expansion_tokens,
        "rollout_tokens": node.attempt_tokens,
    }


def _rollout(
    end: mcts.End[Line], number: int, tree_id: str, sample: Mapping[str, Any], p: Searching, policy: str
) -> Row:
    """A row of `rollouts`: the whole line from the root, whoever said its beginning in the tree."""
    line = end.state
    assert line.verdict is not None
    episode = Episode(line.steps, line.texts, None, line.finish, line.prompt_tokens, line.completion_tokens)
    row = rollout_row(sample, p, policy, "mcts", seed_of("line", tree_id, number), episode, line.verdict)
    return {**row, "node_id": node_id(tree_id, end.node.path), "iteration": end.iteration}
