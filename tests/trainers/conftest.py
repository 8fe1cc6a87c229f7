"""A tiny policy and a few lessons, made once a session: real classes throughout, only the weights are random."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.prompts import assistant_text, conversation
from pipelines.tasks import FAMILIES
from pipelines.tasks.rows import oracle_steps, sample_row, trace_row
from pipelines.tools import picture_id


@dataclass(frozen=True)
class Classroom:
    """Rows as the lake would hold them; `pictures` are the samples' own, by id."""

    samples: list[dict[str, Any]]
    traces: list[dict[str, Any]]
    pictures: dict[str, Image.Image]

    @property
    def lessons(self) -> list[dict[str, Any]]:
        """As `trainers.dataset.lessons` gives them."""
        return [
            {**sample, "trace_id": trace["trace_id"], "steps": trace["steps"]}
            for sample, trace in zip(self.samples, self.traces, strict=True)
        ]

    def load(self, image_id: str) -> Image.Image:
        return self.pictures[image_id]


def classroom(tasks: dict[str, int]) -> Classroom:
    room = Classroom([], [], {})
    for task, count in tasks.items():
        for seed in range(count):
            made = FAMILIES[task].make(seed, 0)
            ids = [picture_id(image) for image in made.images]
            room.pictures.update(zip(ids, made.images, strict=True))
            room.samples.append(sample_row(task, 0, made, ids))
            steps, _ = oracle_steps(made)
            room.traces.append(trace_row(room.samples[-1], steps, FAMILIES[task].VERSION))
    return room


@pytest.fixture(scope="session")
def room() -> Classroom:
    return classroom({"counting": 6, "search": 6})


def save_policy(folder: Path, room: Classroom, seed: int = 0) -> Path:
    from trainers.seedling.model import Size, build, save
    from trainers.seedling.tokenizer import learn, processor

    said = [step["text"] or "" for trace in room.traces for step in trace["steps"]]
    asked = [conversation(sample)[-1].text for sample in room.samples]
    acted = [assistant_text([step]) for trace in room.traces for step in trace["steps"] if step["kind"] == "action"]
    tokenizer = learn([*said, *asked, *acted], 500)
    small = Size(width=64, text_layers=2, text_mlp=96, vision_layers=2, vision_mlp=96, heads=2)
    save(build(tokenizer, small, seed), processor(tokenizer), folder)
    return folder


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory, room: Classroom) -> Path:
    return save_policy(tmp_path_factory.mktemp("policy"), room)
