"""Transit networks on a lattice: lines that bend gently, meet only in stations, and hang together."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

COLUMNS, ROWS = 7, 7
WAYS = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))

NAMES = (
    "Abbey Alder Ashton Barrow Beacon Birch Bridge Brook Castle Chapel Cliff Clover Copper Corn Cove Dale Dover Eden "
    "Elm Falcon Fern Field Forge Garden Glen Granby Grove Hagley Harbor Hazel Heath Hill Holly Island Ivy Kelso Kirk "
    "Lake Laurel Linden Manor Maple Marsh Mill Moor Museum Nile Oakley Opera Orchard Park Pine Port Quay Ridge River "
    "Rose Salt Sedge Stone Summit Temple Thorn Tower Union Vale Violet Water Willow York Zoo"
).split()

Node = tuple[int, int]
"""Column and row, from 0."""


def network(rng: random.Random, count: int, stops: tuple[int, int], drawings: Iterator[int]) -> list[list[Node]]:
    """So many lines, each a list of its stations in order; `drawings` counts those that were tried."""
    lines: list[list[Node]] = []
    edges: set[frozenset[Node]] = set()
    while len(lines) < count:
        next(drawings)
        line = _line(rng, rng.randint(*stops), edges)
        used = Counter(node for other in lines for node in other)
        shared = [len(set(line) & set(other)) for other in lines]
        if lines and (not any(shared) or max(shared) > 2 or max(used[node] for node in line) > 2):
            continue
        if len(line) < stops[0]:
            continue
        lines.append(line)
        edges |= {frozenset(pair) for pair in pairwise(line)}
    return lines


def _line(rng: random.Random, length: int, edges: set[frozenset[Node]]) -> list[Node]:
    line = [(rng.randrange(COLUMNS), rng.randrange(ROWS))]
    way = rng.randrange(8)
    while len(line) < length:
        turns = [0, 0, 0, 0, rng.choice((-1, 1))]
        rng.shuffle(turns)
        for turn in [*turns, 1, -1]:
            x, y = line[-1]
            step = WAYS[(way + turn) % 8]
            node = (x + step[0], y + step[1])
            across = frozenset(((x + step[0], y), (x, y + step[1])))  # the other diagonal of the same square
            inside = 0 <= node[0] < COLUMNS and 0 <= node[1] < ROWS
            if inside and node not in line and frozenset((line[-1], node)) not in edges and across not in edges:
                line.append(node)
                way = (way + turn) % 8
                break
        else:
            break
    return line


def itineraries(lines: dict[str, list[str]], start: str, end: str, changes: int) -> Iterator[list[tuple[str, str]]]:
    """Every way to go from one station to another with so many changes, as (line, station where one leaves it)."""

    def ride(at: str, legs: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
        for line, stops in lines.items():
            if at not in stops or any(line == name for name, _ in legs):
                continue
            if len(legs) == changes:
                if end in stops:
                    yield [*legs, (line, end)]
                continue
            for stop in stops:
                if stop not in (at, end) and sum(stop in other for other in lines.values()) > 1:
                    yield from ride(stop, [*legs, (line, stop)])

    yield from ride(start, [])


def fewest_changes(lines: dict[str, list[str]], start: str, end: str) -> int:
    """How often one must change; the network hangs together."""
    return next(changes for changes in range(len(lines)) if any(itineraries(lines, start, end, changes)))


def distances(lines: dict[str, list[str]], start: str) -> dict[str, list[str]]:
    """The stations on a way with the fewest stops to every station, the start first."""
    near: dict[str, list[str]] = {}
    for stops in lines.values():
        for one, other in pairwise(stops):
            near.setdefault(one, []).append(other)
            near.setdefault(other, []).append(one)
    found, queue = {start: [start]}, [start]
    for at in queue:
        for other in near[at]:
            if other not in found:
                found[other] = [*found[at], other]
                queue.append(other)
    return found
