"""Proving planted errors: made where they are not there, made again from the seed, held against the picture by a second
path to the truth, and tried on readers who see no picture.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from flows.engine import open_lake, runner_of, with_inputs
from flows.plan import Plan, make_plan
from flows.results import funnel
from flows.running import run_named
from pipelines.captions.swaps import KINDS
from pipelines.runner.move import Processes, fresh_pool
from pipelines.textonly.audit import DETECTORS, area
from schemas.arrow import MEASUREMENTS

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.lake import Lake

MADE, TRIED = "r1/vicrit", "r1/blind"
BATCH = 256
LEAST_TRUE, LEAST_EVEN, MOST_SEEN, LEAST_KEPT = 0.995, 0.97, 0.57, 0.6

JUDGED = """
SELECT s.task AS family, s.program, c.text AS caption, i.text, i."start", i."end", i.original_start, i.original_end
FROM injections i JOIN captions c USING (caption_id) JOIN samples s ON s.sample_id = c.sample_id
WHERE i.injector = 'program' ORDER BY i.injection_id
"""
SEEN = """
SELECT d.*, i.kind, s.task AS family
FROM detectability d JOIN injections i USING (injection_id) JOIN captions c USING (caption_id)
JOIN samples s ON s.sample_id = c.sample_id WHERE d.part IS NOT NULL ORDER BY d.injection_id
"""
ASKED = """
SELECT d.* REPLACE ('held' AS part) FROM detectability d WHERE d.part = 'bank' ORDER BY d.sample_id
"""
COUNTED = """
SELECT count(*) AS injections, count(DISTINCT c.text) AS captions, count(DISTINCT i.image_id) AS pictures
FROM injections i JOIN captions c USING (caption_id)
"""


@dataclass(frozen=True)
class Truth:
    """How many injections the second path judged, and of how many it says: what replaces is false, and nothing else in
    the caption is; what was replaced was true; the phrase stands once.
    """

    judged: int
    false: int
    true: int
    once: int

    @property
    def holds(self) -> bool:
        least = LEAST_TRUE * self.judged
        return min(self.false, self.true) >= least > 0 and self.once == self.judged


@dataclass(frozen=True)
class Sight:
    """The area under the curve of one detector on held-out pictures, with its 95 % interval, before and after."""

    detector: str
    before: tuple[float, float, float]
    after: tuple[float, float, float]
    n_before: int
    n_after: int


@dataclass(frozen=True)
class Report:
    """What `evolens prove` tells of planted errors. Times are in seconds, None where some was made before; `even` is
    the entropy of the types over that of eight alike, as made and as kept; `bank` is of questions of `vicrit` banks.
    """

    funnel: list[dict[str, Any]]
    injections: int
    captions: int
    pictures: int
    seconds: float | None
    trying: float | None
    kinds: list[dict[str, Any]]
    even: tuple[float, float]
    same: bool
    truth: Truth
    sights: list[Sight]
    cells: list[dict[str, Any]]
    kept: float
    bank: list[Sight]

    @property
    def faults(self) -> list[str]:
        """What does not hold, in words."""
        highest = max(sight.after[2] for sight in self.sights)
        says = {
            f"the second path to the truth says otherwise: {asdict(self.truth)}": self.truth.holds,
            "made again from the seed, it is not the same": self.same,
            f"types are not even: {self.even[1]:.3f} of {LEAST_EVEN}": self.even[1] >= LEAST_EVEN,
            f"the words give too much away: {highest:.3f}, {MOST_SEEN} at most": highest <= MOST_SEEN,
            f"too few are left: {self.kept:.1%} of {LEAST_KEPT:.0%}": self.kept >= LEAST_KEPT,
        }
        return [fault for fault, holds in says.items() if not holds]

    def as_json(self) -> dict[str, Any]:
        rate = self.injections / self.seconds if self.seconds else None
        return {**asdict(self), "injections_per_second": rate, "faults": self.faults}


def prove_planted(plan: Plan) -> Report:
    """Make what is not there, then judge every injection of the first round from what the lake holds."""
    nodes = with_inputs(plan, [TRIED])
    seconds, trying = _timed(plan, MADE), _timed(plan, TRIED)
    if isinstance(runner := runner_of(plan.recipe.execution.processes), Processes):
        runner.close()  # who made them has no part in the judgement
    lake, keys = plan.lake, [plan.lake.resolve(node.key) for node in nodes]
    with lake.connect(keys, only=["injections", "captions", "samples", "detectability"]) as connection:
        counted = connection.sql(COUNTED).to_arrow_table().to_pylist()[0]
        seen = connection.sql(SEEN).to_arrow_table().to_pylist()
        asked = connection.sql(ASKED).to_arrow_table().to_pylist()
    left = [row for row in seen if row["kept"]]
    made, kept = (Counter(row["kind"] for row in rows) for rows in (seen, left))
    return Report(
        funnel=funnel(lake, nodes),
        **counted,
        seconds=seconds,
        trying=trying,
        kinds=[{"type": kind, "made": made[kind], "kept": kept[kind]} for kind in KINDS],
        even=(evenness(made), evenness(kept)),
        same=made_again(plan),
        truth=judge(lake, keys, plan.recipe.execution.processes),
        sights=[sight(seen, detector) for detector in DETECTORS],
        cells=cells(seen),
        kept=len(left) / max(len(seen), 1),
        bank=[sight(asked, detector) for detector in DETECTORS],
    )


def _timed(plan: Plan, name: str) -> float | None:
    nodes = with_inputs(plan, [name])
    todo = [node for node in nodes if plan.lake.find(plan.lake.resolve(node.key)) is None]
    begun = len(todo) < len(nodes) if name == MADE else any(plan.lake.work(node.key).exists() for node in todo)
    began = time.monotonic()
    run_named(plan, [name])
    return None if begun or not todo else time.monotonic() - began


def evenness(counts: Counter[str]) -> float:
    """The entropy of the types over that of all types alike, 0–1."""
    shares = [counts[kind] / max(counts.total(), 1) for kind in KINDS]
    return -sum(share * math.log(share) for share in shares if share) / math.log(len(KINDS))


def made_again(plan: Plan) -> bool:
    """Whether the same recipe makes the same bytes in an empty lake, from the first picture to the last injection."""
    with tempfile.TemporaryDirectory(prefix="evolens-again-") as folder:
        again = make_plan(plan.recipe, open_lake(folder))
        nodes = run_named(again, [MADE])
        same = all(_digests(plan.lake, node.key) == _digests(again.lake, node.key) for node in nodes)
        if isinstance(runner := runner_of(plan.recipe.execution.processes), Processes):
            runner.close()
    return same


def _digests(lake: Lake, key: str) -> list[tuple[str, str]]:
    """Table and digest of every file of data that a stage left."""
    manifest = lake.find(key)
    assert manifest is not None, "the stage has just been run"
    return sorted((part.table, part.hash) for part in manifest.parts if part.table not in MEASUREMENTS)


def judge(lake: Lake, keys: Sequence[str], processes: int) -> Truth:
    """What the second path says of every injection that a program proves, in processes that made none of them."""
    verdicts: Counter[str] = Counter()
    with lake.connect(keys, only=["injections", "captions", "samples"]) as connection, fresh_pool(processes) as pool:
        waiting: deque[Future[Counter[str]]] = deque()
        for batch in connection.sql(JUDGED).to_arrow_reader(BATCH):
            waiting.append(pool.submit(judge_batch, batch))
            if len(waiting) > 2 * processes:
                verdicts += waiting.popleft().result()
        for future in waiting:
            verdicts += future.result()
    return Truth(*(verdicts[name] for name in ("judged", "false", "true", "once")))


def judge_batch(batch: pa.RecordBatch) -> Counter[str]:
    """How many rows of `JUDGED` there are, and of how many each claim holds."""
    return Counter(name for row in batch.to_pylist() for name in _holding(row))


def _holding(row: dict[str, Any]) -> Iterator[str]:
    from pipelines.truth.captions import Unread, judged

    yield "judged"
    program, phrase = json.loads(row["program"]), row["text"][row["start"] : row["end"]]
    if len(re.findall(rf"(?<!\w){re.escape(phrase)}(?!\w)", row["text"], re.IGNORECASE)) == 1:
        yield "once"
    try:
        false = [(claim.start, claim.end) for claim in judged(row["family"], row["text"], program) if not claim.true]
        true = {(claim.start, claim.end): claim.true for claim in judged(row["family"], row["caption"], program)}
    except Unread:
        return
    if false == [(row["start"], row["end"])]:
        yield "false"
    if true.get((row["original_start"], row["original_end"])) and all(true.values()):
        yield "true"


def sight(seen: Sequence[dict[str, Any]], detector: str) -> Sight:
    """How well one detector does on the held-out pictures."""
    held = [row for row in seen if row["part"] == "held"]
    left = [row for row in held if row["kept"]]
    before = area([row[f"before_{detector}"] for row in held], [row["image_id"] for row in held])
    after = area([row[f"after_{detector}"] for row in left], [row["image_id"] for row in left])
    return Sight(detector, before, after, len(held), len(left))


def cells(seen: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each type in each family: how many were judged on held-out pictures and how well the best detector does."""
    found = []
    for kind, family in sorted({(row["kind"], row["family"]) for row in seen}):
        own = [row for row in seen if (row["kind"], row["family"]) == (kind, family)]
        sights = [sight(own, detector) for detector in DETECTORS]
        best = {
            when: max((getattr(each, when) for each in sights), key=lambda area: area[0])
            for when in ("before", "after")
        }
        found.append(
            {
                "type": kind,
                "family": family,
                "made": len(own),
                "kept": sum(row["kept"] for row in own),
                "held": sights[0].n_before,
                "before": round(best["before"][0], 3),
                "held, kept": sights[0].n_after,
                "after": round(best["after"][0], 3),
                "low": round(best["after"][1], 3),
                "high": round(best["after"][2], 3),
            }
        )
    return found
