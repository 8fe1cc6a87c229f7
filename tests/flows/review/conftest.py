"""A lake to review: right and wrong labels, a proven trace, a suspicion, and answers that a judge judged both ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.lake import Lake
from pipelines.lake.catalog import build_catalog
from tests.flows.report.lakes import HOSTILE, card, looking, trace
from tests.pipelines import toy
from tests.pipelines.jobs import given, sample

COLOURS = ("red", "blue", "green", "black", "orange", "purple")


def make(root: Path) -> Lake:
    lake = Lake(root)
    cards = [card(colour) for colour in COLOURS]
    samples = [
        sample(image, HOSTILE if colour == "red" else f"Which colour is card {colour[0]}?", answer=colour, task="cards")
        for colour, image in zip(COLOURS, cards, strict=True)
    ]
    ids = [each["sample_id"] for each in samples]
    proven = trace(ids[0], "oracle", looking())
    check = {"trace_id": proven["trace_id"], "sample_id": ids[0], "origin": "oracle", "correct": True}
    said = [("a", '"crimson"', True), ("b", '"crimson"', False), ("c", '"scarlet"', True), ("d", '"rose"', None)]
    rollouts = [
        {"rollout_id": name * 32, "sample_id": ids[0], "purpose": "difficulty", "tier": "judge", "answer": answer,
         "correct": correct, "text": f"I would call it {answer}."}
        for name, answer, correct in said
    ]  # fmt: skip
    rollouts += [{"rollout_id": "e" * 32, "sample_id": ids[1], "purpose": "difficulty", "tier": "compare",
                  "answer": '"cyan"', "correct": False, "text": "cyan"}]  # fmt: skip
    measured = {
        "difficulty": [
            {
                "sample_id": each,
                "policy": "p",
                "k": 0,
                "n": 4,
                "pass_rate": 0.0,
                "low": 0.0,
                "high": 0.49,
                "suspicion": "label" if place == 1 else None,
            }
            for place, each in enumerate(ids)
        ],
        "clusters": [{"sample_id": each, "cluster_id": each, "size": 1} for each in ids[:4]],
        "curated": [
            {"sample_id": each, "arm": "curated", "split": "sft", "position": place}
            for place, each in enumerate(ids[:3])
        ],
        "rollouts": rollouts,
    }
    pool = given(lake, *cards, samples=samples, traces=[proven], checks=[check])
    toy.record(lake, "reviewed", [("r1/make", 1, pool), ("r1/measure", 1, given(lake, **measured))])
    build_catalog(lake)
    return lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return make(tmp_path / "lake")
