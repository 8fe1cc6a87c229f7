"""The other side of the search benchmark: tree search as ThinkLite-VL's paper tells it, in the way of its public code.

One transformers `generate` call at a time, three children one after the other, the rollout step by step, and the
picture opened and processed for every call. Written from the description, none of it theirs; prompts, what a step is
and how an answer is judged are ours on both sides, so that the sides differ in how they ask and in nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from pipelines.treesearch import Line, Moves, Searching
from pipelines.workers.encoding import as_chat
from schemas.messages import pictures as shown_in
from schemas.requests import Generate, Generated


@dataclass
class Node:
    """A state, and how often and how well it was tried."""

    state: Line
    depth: int = 0
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    visits: int = 0
    total: float = 0.0


@dataclass
class Spent:
    """What a search came to; `solved_at` counts iterations from 1."""

    solved_at: int | None = None
    iterations: int = 0
    calls: int = 0
    tokens: int = 0


def search(moves: Moves, ask: Callable[[Generate], Generated], p: Searching, seed: int) -> Spent:
    """Select by visits, expand, roll out from a child drawn at random, back up, as often and as far as `p` says."""
    draw, spent, root = random.Random(seed), Spent(), Node(moves.start())

    def step(state: Line) -> Line:
        said = ask(moves.step(state, f"serial/{spent.calls}", draw.getrandbits(62)))
        spent.calls, spent.tokens = spent.calls + 1, spent.tokens + said.completion_tokens
        return moves.advance(state, said, cut=True)

    for iteration in range(1, p.iterations + 1):
        node = root
        while node.children:
            node = min(node.children, key=lambda child: child.visits)  # c·√N(s) / (1 + N(s')) is highest there
        if moves.verdict(node.state) is None and node.depth < p.depth:
            node.children = [Node(step(node.state), node.depth + 1, node) for _ in range(p.children)]
            node = draw.choice(node.children)
        state, at = node.state, node.depth
        while moves.verdict(state) is None and at < p.depth:
            state, at = step(state), at + 1
        right = bool(moves.verdict(state))
        spent.iterations = iteration
        if right and spent.solved_at is None:
            spent.solved_at = iteration
        back: Node | None = node
        while back is not None:
            back.visits, back.total, back = back.visits + 1, back.total + right, back.parent
        if right and p.stop == "first":
            break
    return spent


class Alone:
    """Answers one request by one call of `generate`, as the guide of transformers shows."""

    def __init__(self, network: Any, processor: Any, load_image: Callable[[str], Any]) -> None:
        self._network, self._processor, self._load = network, processor, load_image

    def __call__(self, request: Generate) -> Generated:
        """The answer with its stop string, as our workers give it."""
        messages, begun = request.messages, ""
        if messages[-1].role == "assistant":
            messages, begun = messages[:-1], messages[-1].text
        text = self._processor.apply_chat_template(as_chat(messages), tokenize=False, add_generation_prompt=True)
        images = [self._load(key) for key in shown_in(messages)]
        inputs = self._processor(text=[text + begun], images=images or None, return_tensors="pt")
        torch.manual_seed(request.seed % 2**63)
        sampling, stop = request.sampling, list(request.sampling.stop)
        stops = {"stop_strings": stop, "tokenizer": self._processor.tokenizer} if stop else {}
        said = self._network.generate(
            **inputs, **stops, do_sample=True, temperature=sampling.temperature, top_p=sampling.top_p, top_k=0,
            max_new_tokens=sampling.max_tokens,
        )[0, inputs["input_ids"].shape[1] :]  # fmt: skip
        words = str(self._processor.decode(said, skip_special_tokens=True))
        cuts = [words.index(each) + len(each) for each in stop if each in words]
        ended = bool(cuts) or int(said[-1]) == self._processor.tokenizer.eos_token_id
        whole = Generated(words, "stop" if ended else "length", inputs["input_ids"].shape[1], len(said))
        return replace(whole, text=words[: min(cuts)]) if cuts else whole
