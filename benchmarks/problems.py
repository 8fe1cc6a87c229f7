"""Problems for the benchmarks of difficulty: questions of the task families in a lake, some of them spoiled.

A share may be planted. `answers` stores the answer of another question of the same kind; `leaks` tells the right one
beside its option, or behind the question where there are no options. Which ones were planted stands in `lineage` alone
(specs whose id ends in `:planted`), where no stage of ours looks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from pipelines import workers
from pipelines.lake import Lake, Manifest
from pipelines.runner import run_stage
from pipelines.stage import Context, Stage, StageCall, WorkerSpec
from pipelines.tasks import FAMILIES, Made
from pipelines.tasks.rows import LICENSE, sample_row
from pipelines.verifiers import written
from pipelines.workers.pair import connect_both
from schemas.ids import seed_of
from schemas.outcome import Child, Expansion, Keep, Row
from schemas.rows import lineage


class Cell(BaseModel):
    """So many questions of one family at one dial."""

    model_config = ConfigDict(frozen=True)

    task: str
    dial: int
    count: int


class Drawn(BaseModel):
    """What is drawn, and what is done to a share of it. `programs` leaves the latent states in."""

    model_config = ConfigDict(frozen=True)

    cells: tuple[Cell, ...]
    seed: int = 0
    plant: Literal["nothing", "answers", "leaks"] = "nothing"
    share: float = 0.05
    programs: bool = True


def specs(p: Drawn) -> Iterator[dict[str, Any]]:
    """One row for each question; exactly the share is planted."""
    places = [(cell.task, cell.dial, index) for cell in p.cells for index in range(cell.count)]
    planted = round(p.share * len(places)) if p.plant != "nothing" else 0
    chosen = set(random.Random(f"planted:{p.seed}").sample(range(len(places)), planted))
    for place, (task, dial, index) in enumerate(places):
        mark = ":planted" if place in chosen else ""
        yield {
            "spec_id": f"{task}:{dial}:{index:06d}{mark}",
            "task": task,
            "dial": dial,
            "seed": seed_of("problem", p.seed, task, dial, index),
        }


def run(row: dict[str, Any], p: Drawn, ctx: Context) -> Expansion:
    """One spec → its sample, alone in its cluster."""
    made = FAMILIES[row["task"]].make(row["seed"], row["dial"])
    if row["spec_id"].endswith(":planted"):
        made = PLANTED[p.plant](made, row["task"], row["dial"])
    images = [ctx.store(image, origin="task", license=LICENSE)["image_id"] for image in made.images]
    sample = sample_row(row["task"], row["dial"], made, images) | ({} if p.programs else {"program": None})
    also = {
        "clusters": [{"sample_id": sample["sample_id"], "cluster_id": sample["sample_id"], "size": 1}],
        "lineage": [lineage(sample["sample_id"], row["spec_id"], "drawn_from", STAGE.name)],
    }
    return Expansion([Child(f"{row['spec_id']}/0", Keep(sample, also))])


def another(made: Made, task: str, dial: int) -> Made:
    """The same question with the answer of another one of its kind."""
    for number in count():
        other = FAMILIES[task].make(seed_of("another", made.question, number), dial)
        alike = (other.relation, other.answer_type, len(other.options))
        if alike == (made.relation, made.answer_type, len(made.options)) and other.answer != made.answer:
            return replace(made, answer=other.answer)
    raise AssertionError("counting never ends")


def told(made: Made, task: str, dial: int) -> Made:
    """The question with its answer told."""
    said = written(made.answer)
    if said in made.options:
        return replace(made, options=tuple(f"{each} (correct)" if each == said else each for each in made.options))
    return replace(made, question=f"{made.question} (Answer: {said})")


PLANTED: dict[str, Callable[[Made, str, int], Made]] = {"answers": another, "leaks": told}

STAGE = Stage(
    name="problems",
    version=1,
    kind="expand",
    parameters=Drawn,
    source=specs,
    id_column="spec_id",
    table="samples",
    side_tables=("clusters",),
    run=run,
)


@dataclass(frozen=True)
class Problems:
    """Drawn problems of a lake, by the key of their stage."""

    lake: Lake
    key: str

    @classmethod
    def draw(cls, lake: Lake, drawn: Drawn) -> Problems:
        """Draw them, or find them drawn."""
        return cls(lake, run_stage(lake, StageCall(STAGE, drawn)).key)

    @property
    def samples(self) -> dict[str, Row]:
        """Rows of table `samples` by id."""
        return {row["sample_id"]: row for row in self.lake.read(self.key, "samples").to_pylist()}

    @property
    def planted(self) -> set[str]:
        """Ids of the samples that were spoiled."""
        edges = self.lake.read(self.key, "lineage").to_pylist()
        return {edge["child_id"] for edge in edges if edge["parent_id"].endswith(":planted")}

    def ask(
        self,
        stage: Stage,
        parameters: BaseModel,
        spec: workers.WorkerSpec,
        stronger: workers.WorkerSpec | None = None,
        **options: Any,
    ) -> Manifest:
        """Run an Ask stage over them with this worker, or find it run; a finished part is never run again."""
        connect = partial(workers.connect, spec)
        if stronger:
            connect = partial(connect_both, connect, partial(workers.connect, stronger))
        worker = WorkerSpec(workers.identity_of(spec), connect)
        return run_stage(self.lake, StageCall(stage, parameters, (self.key,), worker, **options))

    def measured(self, *asked: Any, **options: Any) -> list[Row]:
        """The rows of `difficulty` that `ask` comes to."""
        key = self.ask(*asked, **options).key
        found: list[Row] = self.lake.read(key, "difficulty").to_pylist()
        return found
