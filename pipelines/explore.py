"""Explore: the policy answers in the tool loop, and a right answer becomes a trace that it could have written itself.

Why: an oracle's trace shows what is right; a policy's own trace shows what is within reach. Every attempt is recorded,
right or wrong, because what fails is as telling as what succeeds.

Where `reflections` asks for them, a sample that was also answered wrongly gives traces that begin with a wrong attempt,
take it back and end with the right one (`pipelines.reflection`).

Reads `samples`. Writes `traces` (origins `policy`, `reflection`) for samples that an attempt solved, `rollouts` for
every attempt, and `lineage` from each trace to its rollouts (`kept_from`, and `corrects` for the wrong one).
Drops: `wrong_answer` (value: attempts that were right) where an attempt answered, `no_verdict` where no answer could be
judged; where none answered, how most ended: `no_answer`, `out_of_turns`, `cut_off`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from pydantic import Field

from pipelines.attempts import Asked, Attempt, accident, attempt, rollouts
from pipelines.prompts import prompt_hash
from pipelines.reflection import pictures_made, reflect, speakable
from pipelines.stage import Context, Stage
from pipelines.toolloop import Asking, together
from pipelines.verifiers import written
from schemas.outcome import Drop, Keep, Outcome, Row
from schemas.rows import StepRow, TraceRow, lineage

VERSION = 3

SQL = "SELECT * FROM samples WHERE ('0x' || left(sample_id, 8))::BIGINT < $share * 4294967296"


class Parameters(Asked):
    """How the policy is asked, and how often."""

    attempts: int = Field(2, ge=1, description="Attempts per sample.")
    share: float = Field(1.0, ge=0, le=1, description="Share of the samples that is explored, chosen by id.")
    reflections: int = Field(
        0, ge=0, description="Most wrong-then-right traces per sample; each needs a wrong attempt beside a right one."
    )


def best(attempts: Sequence[Attempt]) -> Attempt | None:
    """The first right attempt with the fewest turns that ended in an answer of its own."""
    right = [each for each in attempts if each.correct and each.episode.steps[-1]["kind"] == "answer"]
    return min(right, key=lambda each: each.episode.turns, default=None)


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Asking[Outcome]:
    """One sample → one trace of the policy, or a drop."""
    asked = [attempt(row, p, ctx, purpose="explore", index=index, keep=True) for index in range(p.attempts)]
    made = yield from together(asked)
    failed = accident(made)
    if failed:
        return failed
    also = {"rollouts": rollouts(made)}
    chosen = best(made)
    if chosen is None:
        return Drop(_reason(made), 0, 1, also)
    trace = _policy_trace(row, chosen, p, ctx)
    edges = [_edge(trace, chosen, "kept_from")]
    mended = list(islice(_reflections(row, made, chosen, p, ctx), p.reflections))
    for reflection, wrong in mended:
        edges += [_edge(reflection, chosen, "kept_from"), _edge(reflection, wrong, "corrects")]
    return Keep(trace, {**also, "traces": [reflection for reflection, _ in mended], "lineage": edges})


def _reason(made: Sequence[Attempt]) -> str:
    """Why a sample without a right attempt is dropped."""
    answered = [each for each in made if each.episode.finish == "answer"]
    if answered:
        judged = any(each.verdict and each.verdict.correct is False for each in answered)
        return "wrong_answer" if judged else "no_verdict"
    ends = {"silent": "no_answer", "turns": "out_of_turns", "length": "cut_off"}
    return ends[Counter(each.episode.finish for each in made).most_common(1)[0][0]]


def _policy_trace(sample: Row, chosen: Attempt, p: Parameters, ctx: Context) -> Row:
    """Columns of table `traces`: the steps as the model took them."""
    assert chosen.rollout is not None and chosen.verdict is not None
    return TraceRow(
        sample_id=sample["sample_id"],
        origin="policy",
        steps=[StepRow.of(step) for step in chosen.episode.steps],
        answer=chosen.verdict.parsed,
        producer={**_producer(p, ctx), "seed": chosen.rollout["seed"]},
    ).row()


def _reflections(
    sample: Row, made: Sequence[Attempt], right: Attempt, p: Parameters, ctx: Context
) -> Iterator[tuple[Row, Attempt]]:
    """Rows of table `traces` that correct one wrong attempt each, with that attempt.

    Only what fits into the turns and pictures of a conversation: a longer trace would be cut off when it is practised.
    """
    assert right.rollout is not None and right.verdict is not None
    own = len(sample["image_ids"])
    for wrong in filter(_mistaken, made):
        assert wrong.rollout is not None and wrong.verdict is not None
        turns = wrong.episode.turns + right.episode.turns - 1
        pictures = own + sum(pictures_made(each.episode.steps) for each in (wrong, right))
        said = written(wrong.verdict.parsed)
        if turns > p.max_turns or pictures > p.max_images or not speakable(said):
            continue
        both = reflect(wrong.episode.steps, said, right.episode.steps, own, wrong.rollout["seed"])
        row = TraceRow(
            sample_id=sample["sample_id"],
            origin="reflection",
            steps=[StepRow.of(step) for step in both.steps],
            answer=right.verdict.parsed,
            producer={
                **_producer(p, ctx),
                "wrong": wrong.rollout["rollout_id"],
                "right": right.rollout["rollout_id"],
            },
            wrong_steps=both.wrong_steps,
            wrong_answer=wrong.verdict.parsed,
        ).row()
        yield row, wrong


def _mistaken(each: Attempt) -> bool:
    """Whether an attempt gave an answer of its sample's type, and a wrong one."""
    verdict = each.verdict
    given = verdict is not None and verdict.correct is False and verdict.parsed is not None
    return given and each.episode.steps[-1]["kind"] == "answer"


def _producer(p: Parameters, ctx: Context) -> Row:
    return {"worker": ctx.worker.identity.as_json(), "prompt": prompt_hash(p.style, p.tools), "sampling": p.as_json()}


def _edge(trace: Row, attempt: Attempt, relation: str) -> Row:
    assert attempt.rollout is not None
    return lineage(trace["trace_id"], attempt.rollout["rollout_id"], relation, STAGE.name)


STAGE = Stage(
    name="explore",
    version=VERSION,
    kind="ask",
    parameters=Parameters,
    sql=SQL,
    id_column="sample_id",
    table="traces",
    side_tables=("rollouts",),
    run=run,
)
