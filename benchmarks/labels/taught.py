"""Policies for the measurements: the seedling, taught for a minute or two what it cannot do yet.

Each is kept in the work folder under a name that its lessons decide, so it is trained once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.problems import told
from pipelines.prompts import step
from pipelines.tasks import FAMILIES, Made
from pipelines.tasks.rows import sample_row, trace_row
from pipelines.tools import picture_id
from pipelines.workers import WorkerSpec
from schemas.ids import content_id, seed_of
from trainers import policy, sft
from trainers.seedling import WEIGHTS

Lesson = tuple[Made, dict[str, Any]]
"""What was made, and its row: columns of `samples` and of `traces`."""


def taught(
    work: Path, name: str, lessons: Callable[[], Iterator[Lesson]], asked: list[Any], p: sft.Parameters
) -> WorkerSpec:
    """The worker that was taught these lessons, which the values in `asked` decide."""
    folder = work / "policies" / f"{name}-{content_id('lessons', [*asked, p.model_dump(mode='json')])[:8]}"
    if not (folder / "config.json").exists():
        pictures: dict[str, Image.Image] = {}
        rows = []
        for made, row in lessons():
            pictures |= {picture_id(image): image for image in made.images}
            rows.append(row)
        growing = folder.with_suffix(".new")
        sft.train_sft(rows, WEIGHTS, growing, p, pictures.__getitem__, folder.with_suffix(".scratch"))
        growing.rename(folder)
    return WorkerSpec(f"local:{folder}")


def weakened(work: Path, noise: float) -> WorkerSpec:
    """The seedling with noise on its weights, in units of each tensor's own spread: the seedling itself is stronger."""
    import torch

    folder = work / "policies" / f"weakened-{noise:g}"
    if not (folder / "config.json").exists():
        model, _ = policy.load(WEIGHTS)
        draw = torch.Generator().manual_seed(81)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(noise * weight.std(correction=0) * torch.randn(weight.shape, generator=draw))
        growing = folder.with_suffix(".new")
        policy.save(model, WEIGHTS, growing)
        growing.rename(folder)
    return WorkerSpec(f"local:{folder}")


def family(task: str, count: int) -> Iterator[Lesson]:
    """So many questions of a family, over its dials in turn, with the oracle's thoughts and without its tool calls.

    What the oracle thinks holds the whole reasoning; a turn in which nothing is looked up is taught and asked sooner.
    """
    for number in range(count):
        dial = number % len(FAMILIES[task].DIALS)
        made = FAMILIES[task].make(seed_of("lesson", task, number), dial)
        steps = [step(each.kind, each.text) for each in made.steps if each.kind != "action"]
        yield made, _row(task, dial, made, steps)


def reading(cells: tuple[tuple[str, int], ...], count: int) -> Iterator[Lesson]:
    """Questions half of which tell their answer, which is then all that is said; the others are answered as ever."""
    draw = random.Random("reading")
    for number in range(count):
        task, dial = cells[number % len(cells)]
        made = FAMILIES[task].make(seed_of("reading", task, number), dial)
        steps = [step(each.kind, each.text) for each in made.steps if each.kind != "action"]
        if draw.random() < 0.5:
            made, steps = told(made, task, dial), steps[-1:]
        yield made, _row(task, dial, made, steps)


def _row(task: str, dial: int, made: Made, steps: list[dict[str, Any]]) -> dict[str, Any]:
    sample = sample_row(task, dial, made, [picture_id(image) for image in made.images])
    return sample | trace_row(sample, steps, FAMILIES[task].VERSION)
