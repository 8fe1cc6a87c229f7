"""Lines of a search tree, read from its rows and carried out again: what they share, and how one leaves another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from typing import Any

from PIL import Image

from pipelines.attempts import turns_of
from pipelines.reflection import Reflection, reflect, speakable
from pipelines.toolloop import STEP_ENDS, conclude
from pipelines.tools import OFFERED
from pipelines.tools.calls import OPEN
from pipelines.tools.environment import Rules, State, advance
from pipelines.tools.replay import observation
from pipelines.tools.turn import ANSWER_OPEN
from schemas.ids import picture_id
from schemas.outcome import Row

_TAG = re.compile(f"{OPEN}|{ANSWER_OPEN}")
_STEP_END = re.compile("|".join(STEP_ENDS))


@dataclass(frozen=True)
class Line:
    """A line from the root to its end: its row of `rollouts`, and the nodes (rows of `tree_nodes`) until it left the
    tree; the steps of each of its turns, observations included, and the pictures that its tools made. `sound` says that
    all of its calls could be carried out.
    """

    row: Mapping[str, Any]
    path: tuple[Row, ...]
    turns: tuple[tuple[Row, ...], ...]
    made: tuple[Image.Image, ...]
    sound: bool

    @property
    def steps(self) -> list[Row]:
        """The steps of all turns."""
        return list(chain.from_iterable(self.turns))

    def shared(self, other: Line) -> tuple[Row, ...]:
        """The nodes that both lines go through, from the root."""
        return self.path[: _common(self.path, other.path)]


def lines_of(nodes: Sequence[Row], rollouts: Sequence[Row], pictures: Sequence[Image.Image]) -> list[Line]:
    """The lines of a tree over the sample's own pictures, in the order of their rows."""
    by_id = {node["node_id"]: node for node in nodes}

    def upward(node_id: str | None) -> Iterator[Row]:
        while node_id is not None:
            yield by_id[node_id]
            node_id = by_id[node_id]["parent_id"]

    return [_played(row, tuple(upward(row["node_id"]))[::-1], pictures) for row in rollouts]


def alike(one: Line, other: Line) -> tuple[int, str]:
    """How many turns two lines have begun with in the same words, and what they say alike of the next, up to the end of
    a step. That is as far as the tree has them together, or further, where two attempts took the same step by
    themselves.
    """
    mine, theirs = turns_of(one.row), turns_of(other.row)
    turns = _common(mine, theirs)
    said = _TAG.split(mine[turns][: _common(mine[turns], theirs[turns])])[0]
    said = said[: max(said.rfind(end) for end in STEP_ENDS) + 1]
    return turns, said if said.strip() else ""


def branch(wrong: Line, answer: str, right: Line, own: int) -> Reflection:
    """The wrong line to its `answer`, what takes it back, and the right line from the last step of both on; `own`
    pictures are the sample's.
    """
    turns, said = alike(wrong, right)
    before = tuple(chain.from_iterable(wrong.turns[:turns]))
    astray, after = (list(chain.from_iterable(line.turns[turns:])) for line in (wrong, right))
    if said and after[0]["kind"] == "thought":  # what both have said of this turn is not said twice
        rest = after[0]["text"].removeprefix(said.strip()).strip()
        after = [{**after[0], "text": rest}, *after[1:]] if rest else after[1:]
    place = _STEP_END.split(said.strip(" ;\n"))[-1].strip()
    return reflect(astray, answer, after, own, wrong.row["seed"], before, place if speakable(place) else "")


def _common(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many elements two sequences begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _played(row: Row, path: tuple[Row, ...], pictures: Sequence[Image.Image]) -> Line:
    """The turns of a row of `rollouts` once more, under the rules under which they were said."""
    sampling = json.loads(row["sampling"])
    rules = Rules(None, sampling["max_images"], tuple(sampling.get("tools", OFFERED)))
    state, sound, turns = State.of(pictures), True, list[tuple[Row, ...]]()
    for text in turns_of(row):
        state, came = advance(state, text, rules)
        if came.seen is None:
            turns.append(tuple(conclude(came.said, text, "stop")[0]))
        else:
            made, sound = came.seen.image, sound and not came.seen.refused
            turns.append((*came.said, observation(None if made is None else picture_id(made), came.seen.text)))
    return Line(row, path, tuple(turns), state.shown.images[len(pictures) :], sound)
