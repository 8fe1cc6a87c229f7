"""Linearise: lines of a search tree as traces that can be taught.

Why: a tree knows more than a rollout. Where one line went right and another wrong, it knows the step until which they
were one, so a trace can show the wrong branch, take it back, and go the right way from that very step: backtracking, as
ViGoRL teaches it from its trees (arXiv 2505.23678). There the tools' pictures are put in afterwards and nothing is
checked; here every call is carried out again, and the traces are verified as all traces are.

Reads `tree_nodes` and `rollouts` of `difficulty`, with `samples`. Each line that came to its end leaves once: a right
one as a *direct* trace (origin `tree`), a wrong one as a *backtracking* trace (origin `backtracking`) together with the
right line that leaves it last. Writes `traces`, and `lineage` to the rollouts (`kept_from`, `corrects`) and to the node
where the right line leaves the other, or what the tree had (`grown_from`). Drops: `unsolved` (a tree without a right
line whose calls could all be carried out); of lines `no_answer`, `bad_call`, `unspeakable` (its wrong answer fits in no
sentence), `no_room` (value: turns or pictures, threshold: those of the policy's conversations), `duplicate`, and
`enough` (value: its place, threshold: how many are asked for).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from pipelines.branches import Line, alike, branch, lines_of
from pipelines.reflection import pictures_made, speakable
from pipelines.stage import Context, Stage
from pipelines.verifiers import written
from schemas.outcome import Child, Drop, Expansion, Keep, Outcome, Row
from schemas.rows import Origin, StepRow, TraceRow, lineage

VERSION = 2

SQL = """
SELECT trees.tree_id, trees.nodes, lines.lines, s.*
FROM (
    SELECT tree_id, sample_id, list(struct_pack(node_id, parent_id)) AS nodes
    FROM tree_nodes GROUP BY tree_id, sample_id
) trees
JOIN samples s ON s.sample_id = trees.sample_id
LEFT JOIN (
    SELECT n.tree_id, list(r ORDER BY r.iteration, r.rollout_id) AS lines
    FROM rollouts r JOIN tree_nodes n ON n.node_id = r.node_id GROUP BY n.tree_id
) lines ON lines.tree_id = trees.tree_id
"""


class Parameters(BaseModel):
    """How many traces a tree may give."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    direct: int = Field(1, ge=0, description="Most direct traces of a tree: its right lines, those of few turns first.")
    backtracking: int = Field(
        1, ge=0, description="Most backtracking traces of a tree: its wrong lines, those that erred last first."
    )


@dataclass(frozen=True)
class Told:
    """What becomes a trace: steps that end rightly, the node from which the right line goes on, and the pictures that
    tools made; where a wrong line comes first, that one, and how many steps are its own and shared.
    """

    origin: Origin
    steps: Sequence[Row]
    right: Line
    node: Row
    made: Sequence[Image.Image]
    wrong: Line | None = None
    wrong_steps: int | None = None
    shared_steps: int | None = None


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Expansion | Drop:
    """One tree → a child for each of its lines."""
    own = [ctx.image(image) for image in row["image_ids"]]
    lines = lines_of(row["nodes"], row["lines"] or (), own)
    sound = [line for line in lines if line.sound and _answered(line)]
    rights = sorted((line for line in sound if line.row["correct"]), key=_brevity)
    if not rights:
        return Drop("unsolved", 0, 1)
    wrongs = [(line, _nearest(line, rights)) for line in sound if line.row["correct"] is False]
    wrongs.sort(key=lambda pair: (_apart(*pair), _brevity(pair[0])))
    keep = _keeping(row, ctx)
    left: dict[str, Outcome] = {_name(line): Drop("bad_call" if _answered(line) else "no_answer") for line in lines}
    left |= _first(p.direct, {_name(right): partial(direct, right) for right in rights}, keep)
    tellers = {_name(wrong): partial(backtracking, wrong, right, own) for wrong, right in wrongs}
    left |= _first(p.backtracking, tellers, keep)
    return Expansion([Child(name, outcome) for name, outcome in left.items()])


def direct(right: Line) -> Told:
    """The line as it was said."""
    return Told("tree", right.steps, right, right.path[-1], right.made)


def backtracking(wrong: Line, right: Line, own: Sequence[Image.Image]) -> Told | Drop:
    """The wrong line, and from the last node of both the right one, as far as a conversation has room."""
    said = written(json.loads(wrong.row["answer"]))
    if not speakable(said):
        return Drop("unspeakable")
    both = branch(wrong, said, right, len(own))
    room = json.loads(wrong.row["sampling"])
    turns = 1 + sum(step["kind"] == "observation" for step in both.steps)
    for needed, most in ((turns, room["max_turns"]), (len(own) + pictures_made(both.steps), room["max_images"])):
        if needed > most:
            return Drop("no_room", needed, most)
    node, made = wrong.shared(right)[-1], (*wrong.made, *right.made)
    return Told("backtracking", both.steps, right, node, made, wrong, both.wrong_steps, both.shared_steps)


def _name(line: Line) -> str:
    return str(line.row["rollout_id"])


def _answered(line: Line) -> bool:
    """Whether it came to an answer that could be judged."""
    return bool(line.row["finish"] == "answer" and line.row["answer"] and line.row["correct"] is not None)


def _nearest(wrong: Line, rights: Sequence[Line]) -> Line:
    """The right line that goes with the wrong one furthest; of equals the one of few turns."""
    return min(rights, key=lambda right: (_apart(wrong, right), _brevity(right)))


def _apart(one: Line, other: Line) -> tuple[int, int]:
    """The less, the longer two lines are one."""
    turns, said = alike(one, other)
    return -turns, -len(said)


def _brevity(line: Line) -> tuple[int, int, str]:
    return line.row["turns"], line.row["iteration"], _name(line)


def _first(
    limit: int, wanted: Mapping[str, Callable[[], Told | Drop]], keep: Callable[[Told], Outcome]
) -> dict[str, Outcome]:
    """An outcome for each line, by name: told until so many are kept."""
    outcomes: dict[str, Outcome] = {}
    kept = 0
    for place, (name, tell) in enumerate(wanted.items(), start=1):
        told = tell() if kept < limit else Drop("enough", place, limit)
        outcomes[name] = keep(told) if isinstance(told, Told) else told
        kept += isinstance(outcomes[name], Keep)
    return outcomes


def _keeping(row: Row, ctx: Context) -> Callable[[Told], Outcome]:
    """Keeps what is told of one tree; what was said in the same words is one line."""
    known = set[tuple[str, str | None]]()

    def keep(told: Told) -> Outcome:
        said = (told.right.row["text"], told.wrong.row["text"] if told.wrong else None)
        if said in known:
            return Drop("duplicate")
        known.add(said)
        for image in told.made:
            ctx.store(image, origin="tool", license=row["license"])
        return _kept(row, told)

    return keep


def _kept(row: Row, told: Told) -> Keep:
    """Columns of table `traces`, with the way back to the tree."""
    right, wrong = told.right.row, told.wrong.row if told.wrong else None
    parents = {"kept_from": right["rollout_id"], "grown_from": told.node["node_id"]}
    parents |= {"corrects": wrong["rollout_id"]} if wrong else {}
    trace = TraceRow(
        sample_id=row["sample_id"],
        origin=told.origin,
        steps=[StepRow.of(step) for step in told.steps],
        answer=json.loads(right["answer"]),
        producer={
            "policy": right["policy"],
            "prompt": right["prompt_hash"],
            "sampling": json.loads(right["sampling"]),
            "tree": row["tree_id"],
            "node": told.node["node_id"],
            "right": right["rollout_id"],
            **({"wrong": wrong["rollout_id"]} if wrong else {}),
        },
        wrong_steps=told.wrong_steps,
        wrong_answer=json.loads(wrong["answer"]) if wrong else None,
        shared_steps=told.shared_steps,
    ).row()
    edges = [lineage(trace["trace_id"], parent, relation, STAGE.name) for relation, parent in parents.items()]
    return Keep(trace, {"lineage": edges})


STAGE = Stage(
    name="linearise",
    version=VERSION,
    kind="expand",
    parameters=Parameters,
    sql=SQL,
    id_column="tree_id",
    table="traces",
    run=run,
)
