"""Difficulty: how often the policy is right, and how long one must search where it never is.

Why: what a policy always solves teaches nothing, what it never solves gives no reward to learn from, and which is which
depends on the policy and on luck. So the pass rate is k of n independent attempts at temperature (greedy ones are all
the same and are refused), with Wilson's interval, beside the chance that a group of GRPO has no variance. Where k is 0
a small tree search goes on; where that fails too, the sample is kept and marked `censored_at`, because the hardest are
often the best. Blind, wrong-image and blurred attempts tell whether the picture is needed at all.

Reads `samples` that have a cluster. Writes `difficulty`, every attempt as `rollouts` (purposes `difficulty`, `mcts`,
`blind`, `wrong_image`, `blurred`), and `tree_nodes`. No sample is dropped; a failed request fails its row.

`iterations` counts attempts from 1 to the first success, tree search after the flat ones; it is null where there was
none, and then `censored_at` is how many were made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from PIL import ImageFilter
from pydantic import Field

from pipelines import mcts
from pipelines.attempts import Asked, Attempt, Line, Moves, accident, attempt, rollouts
from pipelines.intervals import wilson
from pipelines.stage import Context, Stage
from pipelines.toolloop import Asking, together
from schemas.ids import seed_of
from schemas.outcome import Fail, Keep, Outcome, Row
from schemas.requests import Failed

VERSION = 2

SQL = """
SELECT s.*, coalesce(lead(s.image_ids) OVER other, first_value(s.image_ids) OVER other) AS other_images
FROM samples s JOIN clusters c ON c.sample_id = s.sample_id
WINDOW other AS (PARTITION BY s.task ORDER BY s.sample_id)
"""


class Parameters(Asked):
    """How often, and how far."""

    temperature: float = Field(1.0, gt=0, description="Above 0: greedy attempts are one attempt.")
    rollouts: int = Field(8, ge=2, description="Independent attempts per sample.")
    group: int = Field(8, ge=2, description="GRPO's group size, for the forecast of groups without variance.")
    iterations: int = Field(
        4,
        ge=0,
        description="Tree search iterations where no attempt was right; 0 for none. A server must say which stop "
        "string ended a text, as vLLM does.",
    )
    children: int = Field(3, ge=2, description="Next steps that a node of the tree may grow.")
    depth: int = Field(8, ge=1, description="Most steps from the root of the tree.")
    blind: int = Field(0, ge=0, description="Attempts without any picture.")
    wrong_image: int = Field(0, ge=0, description="Attempts with the picture of another sample of the same task.")
    blurred: int = Field(0, ge=0, description="Attempts with the sample's own pictures blurred.")
    blur: float = Field(0.05, gt=0, description="Radius of the blur, as a share of the longer side.")


def zero_variance(rate: float, group: int) -> float:
    """Chance that all attempts of a group end alike, all right or all wrong: such a group gives GRPO no gradient."""
    return float(rate**group + (1 - rate) ** group)


def suspicion(attempts: Sequence[Attempt], pass_rate: float | None, blind_rate: float | None) -> str | None:
    """`blind`: right as often without the picture. `label`: never right, yet most attempts agree on another answer."""
    if blind_rate and blind_rate >= (pass_rate or 0):
        return "blind"
    answers = Counter(str(each.rollout["answer"]) for each in attempts if each.rollout and each.rollout["answer"])
    if pass_rate == 0 and answers and answers.most_common(1)[0][1] * 2 > len(attempts):
        return "label"
    return None


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Asking[Outcome]:
    """One sample → its difficulty for the worker of this stage."""
    shown = _controls(row, p, ctx)
    asked = [attempt(row, p, ctx, purpose="difficulty", index=i) for i in range(p.rollouts)]
    for purpose, (count, images) in shown.items():
        asked += [attempt(row, p, ctx, purpose=purpose, index=i, image_ids=images) for i in range(count)]
    made = yield from together(asked)
    failed = accident(made)
    if failed:
        return failed
    flat, rest = made[: p.rollouts], made[p.rollouts :]
    rates: dict[str, float | None] = {}
    for purpose, (count, _) in shown.items():
        rates[purpose] = _rate(rest[:count])
        rest = rest[count:]
    first = next((number for number, each in enumerate(flat, start=1) if each.correct), None)
    moves, tree = Moves(row, p, ctx), None
    if first is None and p.iterations:
        searched = yield from _search(row, p, moves)
        if isinstance(searched, Failed):
            also = {"rollouts": rollouts(made) + moves.rollouts}
            return Fail(searched.kind, searched.message, searched.transient, also)
        tree = searched
        first = None if tree.iterations is None else p.rollouts + tree.iterations
    policy = ctx.worker.identity.name
    decided = [each for each in flat if each.verdict and each.verdict.correct is not None]
    k, n = sum(each.correct for each in decided), len(decided)
    low, high = wilson(k, n)
    pass_rate = k / n if n else None
    result: Row = {
        "sample_id": row["sample_id"],
        "policy": policy,
        "iterations": first,
        "censored_at": None if first else p.rollouts + (tree.censored_at or 0 if tree else 0),
        "k": k,
        "n": n,
        "pass_rate": pass_rate,
        "low": low,
        "high": high,
        "blind_rate": rates.get("blind"),
        "wrong_image_rate": rates.get("wrong_image"),
        "blurred_rate": rates.get("blurred"),
        "zero_variance": None if pass_rate is None else zero_variance(pass_rate, p.group),
        "suspicion": suspicion(flat, pass_rate, rates.get("blind")),
        "tokens": sum(each.episode.completion_tokens for each in made)
        + (tree.expansion_tokens + tree.attempt_tokens if tree else 0),
    }
    nodes = tree.rows(row["sample_id"], policy) if tree else []
    return Keep(result, {"rollouts": rollouts(made) + moves.rollouts, "tree_nodes": nodes})


def _search(row: Row, p: Parameters, moves: Moves) -> Asking[mcts.MctsResult[Line] | Failed]:
    budget = mcts.Budget(p.iterations, p.children, p.depth, attempt_turns=p.max_turns)
    seed = seed_of("mcts", p.seed, row["sample_id"])
    asking = mcts.search(moves.start(), moves, budget, search_id=f"{row['sample_id']}:mcts", seed=seed)
    return (yield from cast("Asking[mcts.MctsResult[Line] | Failed]", asking))  # it asks for texts only


def _controls(row: Row, p: Parameters, ctx: Context) -> dict[str, tuple[int, list[str]]]:
    """How often, and with which pictures, the sample is asked beside the plain attempts."""
    found: dict[str, tuple[int, list[str]]] = {}
    if p.blind:
        found["blind"] = (p.blind, [])
    if p.wrong_image and row["other_images"] != row["image_ids"]:
        found["wrong_image"] = (p.wrong_image, row["other_images"])
    if p.blurred:
        blurred = []
        for image in map(ctx.image, row["image_ids"]):
            blurred.append(ctx.show(image.filter(ImageFilter.GaussianBlur(p.blur * max(image.size)))))
        found["blurred"] = (p.blurred, blurred)
    return found


def _rate(attempts: Sequence[Attempt]) -> float | None:
    decided = [each for each in attempts if each.verdict and each.verdict.correct is not None]
    return sum(each.correct for each in decided) / len(decided) if decided else None


STAGE = Stage(
    name="difficulty",
    version=VERSION,
    kind="ask",
    parameters=Parameters,
    sql=SQL,
    id_column="sample_id",
    table="difficulty",
    side_tables=("rollouts", "tree_nodes"),
    run=run,
)
