"""What the seedling is fed, for how long, and how fast it learns: one table, one recipe for each kind of machine."""

from __future__ import annotations

from dataclasses import dataclass, field

from trainers.seedling.model import Size

Mix = dict[str, float]
"""Cell of the diet → its share; shares need not add up to one.

Cells: "family/dial", "caption:family/dial", or "listed:family/dial" (the first turn alone, without its picture).
"""

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


THEN: Mix = {
    "counting/0": 0.10,
    "counting/1": 0.26,
    "counting/2": 0.05,
    "search/0": 0.25,
    "charts/0": 0.12,
    "geometry/0": 0.18,
    "caption:counting/0": 0.01,
    "caption:search/2": 0.01,
    "search/1": 0.004,
    "charts/1": 0.004,
    "geometry/1": 0.004,
}
"""Once listing is learned: more of what follows from a list."""


THEREFORE: Mix = {
    "listed:counting/0": 0.30,
    "listed:counting/1": 0.18,
    "listed:search/0": 0.07,
    "listed:charts/0": 0.05,
    "counting/0": 0.16,
    "counting/1": 0.08,
    "search/0": 0.03,
    "charts/0": 0.05,
    "geometry/0": 0.06,
    "caption:counting/0": 0.01,
    "caption:search/2": 0.01,
}
"""Lists are right by now, and using them is what is left to learn."""


MARKS: Mix = {
    "listed:counting/0": 0.22,
    "listed:counting/1": 0.13,
    "listed:search/0": 0.04,
    "listed:charts/0": 0.04,
    "counting/0": 0.14,
    "counting/1": 0.07,
    "search/0": 0.22,
    "search/1": 0.02,
    "charts/0": 0.05,
    "geometry/0": 0.05,
    "caption:counting/0": 0.01,
    "caption:search/2": 0.01,
}
"""To end on: what a crop shows, and more of using lists."""


@dataclass(frozen=True)
class Phase:
    """A stretch of training: its diet, and how much more than a list's tokens those count that follow from the list.

    A list is perception, token after token; what follows ("look at green 33", "squares: 2") is one short step that
    drowns in it, and a small model only learns to look back at its own list when that step weighs more.
    """

    steps: int
    diet: Mix
    emphasis: float


@dataclass(frozen=True)
class Recipe:
    """A training run: the learning rate warms up, stays at `rate`, and falls to zero over the last `decay` steps.

    `parts` splits a batch by length, so that short rows are not padded to the longest. Sampled rows are a function of
    `seed` alone: row r of step s is the same on every machine.
    """

    device: str
    phases: tuple[Phase, ...]
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

    @property
    def steps(self) -> int:
        """Length of the whole training."""
        return sum(phase.steps for phase in self.phases)

    def phase(self, step: int) -> Phase:
        """The phase that `step` lies in."""
        for phase in self.phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        raise IndexError(step)


RECIPES = {
    "cpu": Recipe(
        device="cpu",
        phases=(Phase(2000, DIET, 1.0), Phase(1300, THEN, 6.0)),
        batch=32,
        parts=2,
        rate=1e-3,
        warmup=100,
        decay=800,
        workers=1,
        threads=2,
    ),
    "polish": Recipe(
        device="cpu",
        phases=(Phase(600, THEREFORE, 10.0),),
        batch=48,
        parts=2,
        rate=1e-3,
        warmup=50,
        decay=300,
        workers=1,
        threads=2,
        seed=21,
    ),
    "marks": Recipe(
        device="cpu",
        phases=(Phase(800, MARKS, 10.0),),
        batch=48,
        parts=2,
        rate=1e-3,
        warmup=50,
        decay=400,
        workers=1,
        threads=2,
        seed=22,
    ),
    "cuda": Recipe(
        device="cuda",
        phases=(Phase(5000, DIET, 1.0), Phase(15_000, THEN, 6.0)),
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
        device="cpu",
        phases=(Phase(10, DIET, 1.0), Phase(10, THEN, 6.0)),
        batch=8,
        parts=2,
        rate=1e-3,
        warmup=5,
        decay=10,
        workers=0,
        threads=1,
        vocabulary=600,
    ),
}
"""`cpu`, then `polish` and `marks`, each from the result of the one before: under two hours on two cores.
`cuda`: one GPU.

`crumb`: seconds; for tests and for trying the command.
"""
