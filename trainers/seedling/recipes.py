"""What the seedling is fed, for how long, and how fast it learns: one table, one recipe for each kind of machine."""

from __future__ import annotations

from dataclasses import dataclass, field

from trainers.seedling.model import Size

Mix = dict[str, float]
"""Cell of the diet ("family/dial", or "caption:family/dial") → its share; shares need not add up to one."""

DIET: Mix = {
    "counting/0": 0.16,
    "counting/1": 0.29,
    "counting/2": 0.05,
    "search/0": 0.18,
    "charts/0": 0.14,
    "geometry/0": 0.14,
    "caption:counting/0": 0.01,
    "caption:counting/1": 0.01,
    "caption:search/2": 0.01,
    "search/1": 0.004,
    "charts/1": 0.004,
    "geometry/1": 0.004,
}
"""The harder dials are nearly or wholly left out, so that a round of the flywheel has something to teach."""


@dataclass(frozen=True)
class Recipe:
    """A training run: the learning rate warms up, stays at `rate`, and falls to zero over the last `decay` steps.

    `parts` splits a batch by length, so that short rows are not padded to the longest. Sampled rows are a function of
    `seed` alone: row r of step s is the same on every machine.
    """

    device: str
    steps: int
    batch: int
    parts: int
    rate: float
    warmup: int
    decay: int
    workers: int
    threads: int
    autocast: bool = False
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 20
    vocabulary: int = 1200
    size: Size = field(default_factory=Size)
    diet: Mix = field(default_factory=lambda: dict(DIET))


RECIPES = {
    "cpu": Recipe(device="cpu", steps=4500, batch=32, parts=2, rate=1e-3, warmup=100, decay=1200, workers=1, threads=2),
    "cuda": Recipe(
        device="cuda",
        steps=20_000,
        batch=128,
        parts=1,
        rate=1e-3,
        warmup=200,
        decay=5000,
        workers=12,
        threads=2,
        autocast=True,
    ),
    "crumb": Recipe(
        device="cpu", steps=20, batch=8, parts=2, rate=1e-3, warmup=5, decay=10, workers=0, threads=1, vocabulary=600
    ),
}
"""`cpu`: under two hours on two cores. `cuda`: one GPU. `crumb`: seconds; for tests and for trying the command."""
