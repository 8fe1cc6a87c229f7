"""Difficulty: how often the policy is right, how long one must search where it never is, and what to make of that.

Why: what a policy always solves teaches nothing, what it never solves gives no reward to learn from, and which is which
depends on the policy and on luck. So the pass rate is k of n independent attempts at temperature (greedy ones are all
the same and are refused), with an interval that holds under the rule by which n grew (`pipelines.passrate`), beside the
chance that a group of GRPO has no variance. Where k is 0, or at every sample if the recipe says so, a tree search goes
on; where that fails too, the sample is kept and marked `censored_at`, because the hardest are often the best. Controls
tell whether the picture is needed (`pipelines.controls`), and witnesses whether the label is right
(`pipelines.suspicion`).

Reads `samples` that have a cluster. Writes `difficulty`, every attempt as `rollouts` (purposes `difficulty`, `mcts`,
`blind`, `wrong_image`, `blurred`, `shuffled`, `stronger`), and `tree_nodes`. No sample is dropped; a failed request
fails its row.

`iterations` counts attempts from 1 to the first success, tree search after the flat ones; it is null where there was
none, and then `censored_at` is how many were made. With `search: always` both count the tree's iterations alone.
`solutions` and `root_value` are the tree's, null without one. `curriculum` orders samples from easy to hard: it is the
mean of the chance to fail one attempt, over Jeffreys' posterior from the attempts and, where none was right, from the
tree's iterations as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from pipelines import controls, treesearch
from pipelines.attempts import Attempt, accident, attempt, rollouts
from pipelines.controls import Control, Shown
from pipelines.passrate import Rule, zero_variance
from pipelines.stage import Context, Stage
from pipelines.suspicion import Suspicion, suspect_label
from pipelines.toolloop import Asking, together
from pipelines.treesearch import Searching, Tree
from pipelines.workers.pair import to_stronger
from schemas.outcome import Fail, Keep, Outcome, Row

VERSION = 4

SQL = """
SELECT s.*, coalesce(lead(s.image_ids) OVER other, first_value(s.image_ids) OVER other) AS other_images
FROM samples s JOIN clusters c ON c.sample_id = s.sample_id
WINDOW other AS (PARTITION BY s.task ORDER BY s.sample_id)
"""


class Parameters(Searching):
    """How often, and how far."""

    temperature: float = Field(1.0, gt=0, description="Above 0: greedy attempts are one attempt.")
    rollouts: int = Field(8, ge=0, description="Independent attempts per sample; 0 leaves all to the tree.")
    bands: tuple[float, ...] = Field(
        (), description="Edges of the bands of pass rate that the recipe selects by, between 0 and 1."
    )
    most: int = Field(
        64, ge=1, description="Attempts are doubled up to so many while an edge lies within the rate's interval."
    )
    group: int = Field(8, ge=2, description="GRPO's group size, for the forecast of groups without variance.")
    search: Literal["unsolved", "always"] = Field(
        "unsolved", description="Tree search where no attempt was right, or at every sample."
    )
    blind: int = Field(0, ge=0, description="Attempts without any picture, doubled as above for `blind_bar`.")
    blind_bar: float = Field(
        0.5, gt=0, lt=1, description="Blind-solvable is what is right more often than this without any picture."
    )
    wrong_image: int = Field(0, ge=0, description="Attempts with the picture of another sample of the same task.")
    blurred: int = Field(0, ge=0, description="Attempts with the sample's own pictures blurred.")
    blur: float = Field(0.05, gt=0, description="Radius of the blur, as a share of the longer side.")
    shuffled: int = Field(0, ge=0, description="Attempts with the options of a multiple-choice question moved round.")
    stronger: str = Field("", description="Name of the stronger worker; the plan sets it where the recipe has one.")
    opinions: int = Field(4, ge=1, description="Attempts of the stronger worker at what the policy never got right.")

    @field_validator("bands")
    @classmethod
    def _between(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < edge < 1 for edge in value):
            raise ValueError("edges of bands lie between 0 and 1, for example [0.2, 0.8]")
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _asks_something(self) -> Parameters:
        if not self.rollouts and not (self.search == "always" and self.iterations):
            raise ValueError("rollouts: 0 needs `search: always` and iterations above 0, or nothing is measured")
        return self

    def rule(self, purpose: str) -> Rule:
        """How many attempts are made for a purpose."""
        edges = {"rollouts": self.bands, "blind": (self.blind_bar,)}.get(purpose, ())
        return Rule(getattr(self, purpose), self.most, edges)


@dataclass(frozen=True)
class Counted:
    """Attempts for one purpose; k of the n that could be judged were right, with the interval of their share."""

    attempts: Sequence[Attempt] = ()
    k: int = 0
    n: int = 0
    low: float = 0.0
    high: float = 1.0

    @staticmethod
    def of(attempts: Sequence[Attempt], rule: Rule) -> Counted:
        judged = [each for each in attempts if each.verdict and each.verdict.correct is not None]
        k, n = sum(each.correct for each in judged), len(judged)
        return Counted(attempts, k, n, *rule.interval(k, n))

    @property
    def rate(self) -> float | None:
        """k/n; None where nothing could be judged."""
        return self.k / self.n if self.n else None

    @property
    def first(self) -> int | None:
        """The number of the first right attempt, from 1."""
        return next((number for number, each in enumerate(self.attempts, start=1) if each.correct), None)

    @property
    def tokens(self) -> int:
        return sum(each.episode.completion_tokens for each in self.attempts)


NOTHING = Counted()


def run(row: dict[str, Any], p: Parameters, ctx: Context) -> Asking[Outcome]:
    """One sample → its difficulty for the worker of this stage."""
    asked: dict[str, Control] = {"rollouts": lambda _: Shown(row), **_controls(row, p, ctx)}
    found = yield from together([_measured(name, shown, p, ctx) for name, shown in asked.items()])
    made = [each for part in found for each in part]
    if failed := accident(made):
        return failed
    counted = {name: Counted.of(part, p.rule(name)) for name, part in zip(asked, found, strict=True)}
    flat, tree, opinions = counted["rollouts"], None, list[Attempt]()
    if p.iterations and (p.search == "always" or flat.first is None):
        tree = yield from treesearch.search(row, p, ctx)
        if lost := tree.failed:
            return Fail(lost.kind, lost.message, lost.transient, {"rollouts": rollouts(made) + tree.rollouts})
    unsolved = flat.first is None and (tree is None or tree.iterations is None)
    if unsolved and p.stronger:
        opinions = yield from to_stronger(together(_opinions(row, p, ctx)))
        if failed := accident([*made, *opinions]):
            return failed
    label = suspect_label(row, unsolved, flat.attempts, counted.get("blind", NOTHING).attempts, opinions)
    result = {
        "sample_id": row["sample_id"],
        "policy": ctx.worker.identity.name,
        **_effort(flat, tree, p),
        **_rates(flat, p),
        **_blindness(counted, p),
        **_suspicion(label, counted, p),
        **_tokens(made, flat, tree),
    }
    said = rollouts([*made, *opinions]) + (tree.rollouts if tree else [])
    return Keep(result, {"rollouts": said, "tree_nodes": tree.nodes if tree else []})


def _measured(name: str, shown: Control, p: Parameters, ctx: Context) -> Asking[list[Attempt]]:
    """Attempts for one purpose, as many as its rule asks for; a failed one ends them."""
    rule, made = p.rule(name), list[Attempt]()
    purpose = "difficulty" if name == "rollouts" else name
    for look in rule.looks:
        told = [(index, shown(index)) for index in range(len(made), look)]
        made += yield from together(
            [attempt(what.row, p, ctx, purpose=purpose, index=i, image_ids=what.image_ids) for i, what in told]
        )
        counted = Counted.of(made, rule)
        if accident(made) or rule.settled(counted.k, counted.n):
            break
    return made


def _opinions(row: Row, p: Parameters, ctx: Context) -> list[Asking[Attempt]]:
    """Attempts of the stronger worker."""
    return [attempt(row, p, ctx, purpose="stronger", index=index, policy=p.stronger) for index in range(p.opinions)]


def _controls(row: Row, p: Parameters, ctx: Context) -> dict[str, Control]:
    """What the recipe asks for beside the plain attempts, where the sample allows it."""
    offered: dict[str, Callable[[], Control | None]] = {
        "blind": lambda: controls.blind(row),
        "wrong_image": lambda: controls.wrong_image(row),
        "blurred": lambda: controls.blurred(row, p.blur, ctx.image, ctx.show),
        "shuffled": lambda: controls.shuffled(row),
    }
    made = {name: make() for name, make in offered.items() if getattr(p, name)}
    return {name: control for name, control in made.items() if control}


def _effort(flat: Counted, tree: Tree | None, p: Parameters) -> Row:
    """How much was tried until the first success."""
    before, first = len(flat.attempts), flat.first
    if tree and p.search == "always":
        before, first = 0, tree.iterations
    elif tree and tree.iterations is not None:
        first = before + tree.iterations
    tries, wrong = flat.n, flat.n - flat.k
    if tree and not flat.k:
        tries += tree.iterations or tree.censored_at or 0
        wrong = tries - (tree.iterations is not None)
    return {
        "iterations": first,
        "censored_at": None if first else before + (tree.censored_at or 0 if tree else 0),
        "solutions": tree.solutions if tree else None,
        "root_value": tree.root_value if tree else None,
        "curriculum": (wrong + 0.5) / (tries + 1),
    }


def _rates(flat: Counted, p: Parameters) -> Row:
    return {
        "k": flat.k,
        "n": flat.n,
        "pass_rate": flat.rate,
        "low": flat.low,
        "high": flat.high,
        "interval": p.rule("rollouts").method,
        "zero_variance": zero_variance(flat.k, flat.n, p.group, p.rule("rollouts")),
    }


def _blindness(counted: Mapping[str, Counted], p: Parameters) -> Row:
    blind = counted.get("blind")
    rates = {f"{name}_rate": counted.get(name, NOTHING).rate for name in ("wrong_image", "blurred", "shuffled")}
    return {
        **rates,
        "blind_rate": blind.rate if blind else None,
        "blind_low": blind.low if blind else None,
        "blind_high": blind.high if blind else None,
        "blind_solvable": blind.low > p.blind_bar if blind else None,
    }


def _suspicion(label: Suspicion | None, counted: Mapping[str, Counted], p: Parameters) -> Row:
    blind = counted.get("blind", NOTHING)
    return {
        "suspicion": "label" if label else "blind" if blind.low > p.blind_bar else None,
        "evidence": label.evidence if label else None,
        "suggested": label.suggested if label else None,
    }


def _tokens(made: Sequence[Attempt], flat: Counted, tree: Tree | None) -> Row:
    """What the policy wrote: for all, for the flat attempts, and in the tree for expansions and rollouts apart."""
    expansion, rollout = (tree.expansion_tokens, tree.rollout_tokens) if tree else (0, 0)
    return {
        "tokens": sum(each.episode.completion_tokens for each in made) + expansion + rollout,
        "flat_tokens": flat.tokens,
        "expansion_tokens": expansion,
        "rollout_tokens": rollout,
    }


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
