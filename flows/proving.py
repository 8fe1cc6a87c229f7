"""Proving a recipe's traces: made and verified where they are not there, then carried out again in fresh processes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flows import console
from flows.engine import runner_of, with_inputs
from flows.gauge import Gauge
from flows.results import funnel
from flows.running import run_named
from pipelines.proof import SQL, Proof, prove_batch
from pipelines.runner.move import Processes, fresh_pool

if TYPE_CHECKING:
    from flows.plan import Plan
    from pipelines.lake import Lake

LAST = ("r1/verify", "r1/verify_trees")
"""The nodes that have the last word on the traces of a round; the second only where trees are linearised."""
BATCH = 64

FAMILIES = """
SELECT s.task AS family, count(*) AS traces, round(count(*) / sum(count(*)) OVER (), 4) AS share,
       array_to_string(map_values(histogram(s.dial)), ' ') AS dials, count(c.trace_id) AS kept,
       count(r.row_id) AS rejected, count(f.row_id) AS failed, count(DISTINCT s.state_id) AS states
FROM traces t JOIN samples s USING (sample_id)
LEFT JOIN checks c USING (trace_id)
LEFT JOIN (SELECT row_id FROM rejects WHERE stage = 'verify') r ON r.row_id = t.trace_id
LEFT JOIN (SELECT row_id FROM failures WHERE stage = 'verify') f ON f.row_id = t.trace_id
GROUP BY ALL ORDER BY family
"""


@dataclass
class Proven:
    """What came of proving every kept trace."""

    traces: int = 0
    pictures: int = 0
    seconds: float = 0.0
    faults: list[Proof] = field(default_factory=list)

    def add(self, proofs: Sequence[Proof]) -> None:
        """Count some more."""
        self.traces += len(proofs)
        self.pictures += sum(proof.pictures for proof in proofs)
        self.faults += [proof for proof in proofs if proof.fault]


@dataclass(frozen=True)
class Report:
    """What `evolens prove` tells. `seconds` is how long the making took; None where some was made before."""

    funnel: list[dict[str, Any]]
    families: list[dict[str, Any]]
    seconds: float | None
    proven: Proven
    processes: int
    memory: dict[str, dict[int, float]]

    @property
    def traces(self) -> int:
        return sum(row["traces"] for row in self.families)

    @property
    def states(self) -> int:
        return sum(row["states"] for row in self.families)

    @property
    def kept(self) -> int:
        return sum(row["kept"] for row in self.families)

    @property
    def holds(self) -> bool:
        """Whether there are kept traces and every one of them was carried out again without a fault."""
        return not self.proven.faults and self.proven.traces == self.kept > 0

    def as_json(self) -> dict[str, Any]:
        return {
            "traces": self.traces,
            "distinct_states": self.states / max(self.traces, 1),
            "seconds": self.seconds,
            "traces_per_second": self.traces / self.seconds if self.seconds else None,
            "funnel": self.funnel,
            "families": self.families,
            "proven": {**vars(self.proven), "faults": [vars(proof) for proof in self.proven.faults]},
            "peak_mib": {
                work: {mark or "all": round(mib) for mark, mib in at.items()} for work, at in self.memory.items()
            },
            "holds": self.holds,
        }


def prove_plan(plan: Plan) -> Report:
    """Make what is not there, then prove every kept trace of the first round from what the lake holds."""
    gauge, processes = Gauge(), plan.recipe.execution.processes
    last = [name for name in LAST if name in plan.nodes]
    nodes = with_inputs(plan, last)
    begun = any(plan.lake.find(node.key) or plan.lake.work(node.key).exists() for node in nodes)
    began = time.monotonic()
    run_named(plan, last, gauge)
    seconds = None if begun else time.monotonic() - began
    if isinstance(runner := runner_of(processes), Processes):
        runner.close()  # who made them has no part in the proof
    keys = [plan.lake.resolve(node.key) for node in nodes]
    families = by_family(plan.lake, keys)
    proven = prove_all(plan.lake, keys, sum(row["kept"] for row in families), processes, gauge)
    return Report(funnel(plan.lake, nodes), families, seconds, proven, processes, gauge.peaks)


def by_family(lake: Lake, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Per family: traces and how they left `verify`, its share, traces of each dial, distinct states."""
    with lake.connect(keys, only=["traces", "samples", "checks", "rejects", "failures"]) as connection:
        rows: list[dict[str, Any]] = connection.sql(FAMILIES).to_arrow_table().to_pylist()
    return rows


def prove_all(lake: Lake, keys: Sequence[str], kept: int, processes: int, gauge: Gauge) -> Proven:
    """Carry every kept trace out again, in processes that were started for it and have seen none of the making."""
    proven, began, said = Proven(), time.monotonic(), console.Progress("prove", unit="traces")
    with (
        lake.connect(keys, only=["checks", "traces", "samples"]) as connection,
        fresh_pool(processes) as pool,
    ):
        batches = connection.sql(SQL).to_arrow_reader(BATCH)
        waiting: deque[Future[list[Proof]]] = deque()

        def finished(most: int) -> Iterator[list[Proof]]:
            while len(waiting) > most:
                yield waiting.popleft().result()

        def submitted() -> Iterator[list[Proof]]:
            for batch in batches:
                waiting.append(pool.submit(prove_batch, lake.root, batch))
                yield from finished(2 * processes)  # few in flight, so that memory stays flat
            yield from finished(0)

        for proofs in submitted():
            proven.add(proofs)
            gauge.read("prove", proven.traces)
            said(proven.traces, kept)
    proven.seconds = time.monotonic() - began
    return proven
