"""Task families, answer first: draw a latent state, compute the answer, then render.

Label, region, checklist and oracle trace are right by construction, because all of them are read off the same state.
"""

from __future__ import annotations

from pipelines.tasks import (
    charts,
    documents,
    frames,
    functions,
    geometry,
    mazes,
    puzzles,
    scenes,
    search,
    stilllife,
    structure,
    transform,
    transit,
    views,
)
from pipelines.tasks.made import Box, Fact, Family, Made, Region, Step, state_id

FAMILIES: dict[str, Family] = {
    "counting": scenes,
    "search": search,
    "charts": charts,
    "geometry": geometry,
    "mazes": mazes,
    "transform": transform,
    "transit": transit,
    "puzzles": puzzles,
    "functions": functions,
    "documents": documents,
    "stilllife": stilllife,
    "frames": frames,
    "views": views,
    "structure": structure,
}

__all__ = ["FAMILIES", "Box", "Fact", "Family", "Made", "Region", "Step", "check_dial", "check_task", "state_id"]


def check_task(name: str, *more: str) -> None:
    """Raise `ValueError` unless `name` is a family or one of `more`."""
    if name not in FAMILIES and name not in more:
        raise ValueError(f"{name!r} is no task; there are {', '.join([*sorted(FAMILIES), *more])}")


def check_dial(family: str, dial: int) -> None:
    """Raise `ValueError` unless the family has that dial."""
    if dial >= len(FAMILIES[family].DIALS):
        raise ValueError(f"dial {dial}: {family} has dials 0 to {len(FAMILIES[family].DIALS) - 1}")
