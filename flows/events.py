"""What our flows tell Prefect when a round's rows were chosen: an event with the numbers that say whether to train.

`measure` reads them from the lake, so an event and the flow that it starts speak of the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flows.plan import Plan
from pipelines.lake import Lake, runs

CURATED = "evolens.round.curated"
"""A round's rows were made and chosen, and no policy has been trained on them yet."""

TRAINED = "evolens.round.trained"
"""A round has run to its end."""


@dataclass(frozen=True)
class Numbers:
    """`curated` rows of a round (sft and rl), `new_rows` of them that no complete run of the recipe has had, and the
    `drift`: by how much the mean pass rate of a task differs from the time before, in the task where it differs most
    (0 to 1; None where nothing was measured before).
    """

    curated: int
    new_rows: int
    drift: float | None

    def due(self, min_rows: int, min_drift: float) -> bool:
        """Whether training is due: what is asked for as more than 0 has to be reached."""
        return self.new_rows >= min_rows and (min_drift <= 0 or (self.drift or 0.0) >= min_drift)


def measure(plan: Plan, number: int) -> Numbers:
    """The numbers of a round whose rows are chosen. Ask before the run becomes the newest complete one."""
    lake = plan.lake
    newest = runs.newest(lake.root, plan.recipe.name)
    before = list(newest.nodes.values()) if newest else []
    earlier = [plan.nodes[f"r{each}/curate"].key for each in range(1, number)]
    chosen = _chosen(lake, [lake.resolve(plan.nodes[f"r{number}/curate"].key)])
    known = _chosen(lake, [node.key for node in before if node.stage == "curate"] + [lake.resolve(k) for k in earlier])
    rates = pass_rates(lake, lake.resolve(plan.nodes[f"r{number}/difficulty"].key))
    if number > 1:
        old = pass_rates(lake, lake.resolve(plan.nodes[f"r{number - 1}/difficulty"].key))
    else:
        old = next((pass_rates(lake, node.key) for node in before if node.name == "r1/difficulty"), {})
    return Numbers(len(chosen), len(chosen - known), drift(old, rates))


def drift(before: Mapping[str, float], after: Mapping[str, float]) -> float | None:
    """The largest difference of a task's pass rate, over the tasks that both have."""
    return max((abs(after[task] - before[task]) for task in before.keys() & after.keys()), default=None)


def pass_rates(lake: Lake, key: str) -> dict[str, float]:
    """Task → mean pass rate, as a difficulty stage measured it; empty when it is gone."""
    if lake.find(key) is None:
        return {}
    with lake.connect(lake.ancestry([key]), ["samples"]) as connection:
        connection.register("measured", lake.read(key, "difficulty").select(["sample_id", "pass_rate"]))
        sql = "SELECT task, avg(pass_rate) FROM measured JOIN samples USING (sample_id) GROUP BY task"
        return {task: rate for task, rate in connection.execute(sql).fetchall() if rate is not None}


def tell(name: str, plan: Plan, recipe: str, number: int, run_id: str, overrides: Mapping[str, Any]) -> Numbers:
    """Emit the event `name` of a round; its payload holds the numbers, and what starts a run on the same rows."""
    from prefect.events import emit_event

    found = measure(plan, number)
    payload = {
        "recipe": recipe,
        "lake": str(plan.lake.root.absolute()),
        "rounds": number,
        "overrides": dict(overrides),
        "run_id": run_id,
        **asdict(found),
    }
    resource = {"prefect.resource.id": f"evolens.recipe.{plan.recipe.name}", "prefect.resource.name": plan.recipe.name}
    emit_event(event=name, resource=resource, payload=payload)
    return found


def _chosen(lake: Lake, keys: Sequence[str]) -> set[str]:
    there = [key for key in keys if lake.find(key) is not None]
    sql = "SELECT DISTINCT sample_id FROM curated WHERE arm = 'curated' AND split IN ('sft', 'rl')"
    with lake.connect(there, ["curated"]) as connection:
        return {sample for (sample,) in connection.execute(sql).fetchall()}
