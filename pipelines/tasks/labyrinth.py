"""Mazes on squared ground in which exactly one way joins any two squares, and routes through them."""

from __future__ import annotations

import random
from itertools import groupby

WAYS = {"up": (0, -1), "right": (1, 0), "down": (0, 1), "left": (-1, 0)}
BACK = {"up": "down", "right": "left", "down": "up", "left": "right"}

Cell = tuple[int, int]
"""Column and row, counted from 1 at the top left."""
Maze = dict[Cell, set[str]]
"""The ways that are open from each square."""


def go(cell: Cell, way: str, count: int = 1) -> Cell:
    """The square so many steps further."""
    return cell[0] + count * WAYS[way][0], cell[1] + count * WAYS[way][1]


def grow(rng: random.Random, side: int) -> Maze:
    """A maze of `side` by `side` squares: a walk that backs up where it is stuck; now and then it jumps."""
    maze: Maze = {(x, y): set() for x in range(1, side + 1) for y in range(1, side + 1)}
    trail = [rng.choice(list(maze))]
    while trail:
        free = [way for way in WAYS if go(trail[-1], way) != trail[0] and maze.get(go(trail[-1], way)) == set()]
        if not free:
            trail.pop()
            continue
        way = rng.choice(free)
        cell = go(trail[-1], way)
        join(maze, trail[-1], way)
        trail.append(cell)
        if rng.random() < 0.2:
            rng.shuffle(trail)
    return maze


def join(maze: Maze, cell: Cell, way: str) -> None:
    """Open the wall on that side of a square."""
    maze[cell].add(way)
    maze[go(cell, way)].add(BACK[way])


def part(maze: Maze, cell: Cell, way: str) -> None:
    """Close it again."""
    maze[cell].discard(way)
    maze[go(cell, way)].discard(BACK[way])


def routes(maze: Maze, start: Cell) -> dict[Cell, list[str]]:
    """The way from `start` to every square that can be reached, nearest first."""
    found: dict[Cell, list[str]] = {start: []}
    queue = [start]
    for cell in queue:
        for way in WAYS:
            if way in maze[cell] and go(cell, way) not in found:
                found[go(cell, way)] = [*found[cell], way]
                queue.append(go(cell, way))
    return found


def legs(route: list[str]) -> list[tuple[str, int]]:
    """A route as straight legs: (way, steps)."""
    return [(way, len(list(same))) for way, same in groupby(route)]
