"""Fuzzing of ingest: real rows in every format, damaged by a seeded mutator, and the law of counts over all of them.

    python -m tests.hostile.fuzz --rows 100000 --seed 0

Each source is one file of some hundred rows. A part of its rows, of its pictures and of its bytes is damaged; then it
is ingested by the stage itself. What must hold, whatever the damage: the stage ends, or refuses the source with one
line; every row it read left exactly once, and stands in the table where its count says; every failure names file and
row; and in a file whose bytes were left alone, every undamaged row is kept, with its own picture. `--only N` repeats
one source.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.ingest import STAGE, Parameters
from pipelines.lake import Lake
from pipelines.runner import run_stage
from pipelines.sources import Source, SourceError, fingerprint
from pipelines.stage import StageCall
from schemas.outcome import Counts, check_law
from tests.hostile.layouts import LAYOUTS, Layout, Row, photographs
from tests.hostile.mutate import damaged, scrambled

SECONDS = 120
"""A source that takes longer hangs."""


@dataclass
class Found:
    """What came of some sources. `wrong` holds every broken promise, each with the source that broke it."""

    sources: int = 0
    refused: int = 0
    counts: Counts = field(default_factory=Counts)
    by_format: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    untouched: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        self.sources += other.sources
        self.refused += other.refused
        self.counts += other.counts
        self.by_format += other.by_format
        self.kinds += other.kinds
        self.untouched += other.untouched
        self.wrong += other.wrong


def rows_of(draw: random.Random, count: int, name: str) -> Iterator[tuple[Row, bool]]:
    """Rows, and whether their picture is whole. Each question is asked once."""
    whole = draw.sample(photographs(), 12)
    files = {photo.name: photo.data for photo in whole}
    for photo in whole[:2]:
        files[photo.name] = scrambled(photo.data, draw)
    for number in range(count):
        photo = draw.choice(whole)
        question, answer = draw.choice(photo.asked)
        row = Row(f"{question} {name}{number}", answer, photo, files[photo.name])
        yield row, files[photo.name] == photo.data


def build(root: Path, layout: Layout, draw: random.Random, count: int) -> dict[str, str]:
    """A damaged source; returns question → picture of the rows that must be kept."""
    rows = list(rows_of(draw, count, f"{draw.randrange(10**6)}-"))
    clean = [layout.record(row) for row, _ in rows]
    hit = [draw.random() < 0.5 for _ in rows]
    records = [damaged(record, draw) if bad else record for record, bad in zip(clean, hit, strict=True)]
    file = layout.write(root, records, clean)
    if layout.paths:
        for name, data in {row.photo.name: row.data for row, _ in rows}.items():
            (root / name).write_bytes(data)
    if draw.random() < 0.4:
        file.write_bytes(scrambled(file.read_bytes(), draw))
        return {}
    kept = [(row, bad) for (row, whole), bad in zip(rows, hit, strict=True) if whole]
    return {row.question: row.photo.image_id for row, bad in kept if not bad}


def one(index: int, seed: int, count: int) -> Found:
    """Build, ingest and judge one source."""
    layout = LAYOUTS[index % len(LAYOUTS)]
    draw = random.Random(f"hostile:{seed}:{index}")
    root = Path(tempfile.mkdtemp(prefix="evolens-fuzz-"))
    found = Found(sources=1)
    place = f"source {index} ({layout.name})"
    try:
        (root / "in").mkdir()
        expected = build(root / "in", layout, draw, count)
        _judge(root, layout, expected, found, place)
    except Exception as error:
        found.wrong.append(f"{place}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return found


def _judge(root: Path, layout: Layout, expected: dict[str, str], found: Found, place: str) -> None:
    path = root / "in"
    try:
        source = Source(name="f", path=path, fingerprint=fingerprint(path))
        lake = Lake(root / "lake")
        done = run_stage(lake, StageCall(STAGE, Parameters(sources=(source,)), max_failed=1.0))
    except SourceError as error:
        found.refused += 1
        if expected:
            found.wrong.append(f"{place}: refused, though no byte of it was damaged: {error}")
        return
    counts = done.counts
    found.counts, found.by_format[layout.name] = counts, counts.read
    check_law(place, counts)
    tables = {name: lake.read(done.key, name).to_pylist() for name in ("samples", "rejects", "failures")}
    ways = {
        "samples": counts.children_kept,
        "rejects": counts.rejected + counts.children_rejected,
        "failures": counts.failed + counts.children_failed,
    }
    for name, number in ways.items():
        if len(tables[name]) != number:
            found.wrong.append(f"{place}: {len(tables[name])} rows of {name}, but {number} were counted")
    for row in tables["failures"]:
        found.kinds[row["kind"]] += 1
        if row["kind"].startswith("exception"):
            found.wrong.append(f"{place}: {row['row_id']} raised {row['kind']}: {row['message'][:200]}")
        elif not re.match(r".+, row \d+(, question \d+)?: .+", row["message"], re.DOTALL):
            found.wrong.append(f"{place}: {row['row_id']} does not say where: {row['message'][:200]}")
    for row in tables["rejects"]:
        found.kinds[row["reason"]] += 1
    kept = {row["question"]: row["image_ids"] for row in tables["samples"]}
    found.untouched = len(expected)
    for question, image in expected.items():
        if kept.get(question) != [image]:
            problem = "lost" if question not in kept else "shown another picture"
            found.wrong.append(f"{place}: an undamaged row was {problem}: {question!r}")


def fuzz(rows: int, seed: int, per_source: int, only: int | None = None) -> Iterator[Found]:
    """What came of each source, until so many rows were read."""
    index = read = 0
    while read < rows:
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        found = one(index if only is None else only, seed, per_source)
        faulthandler.cancel_dump_traceback_later()
        yield found
        read += found.counts.read
        index += 1
        if only is not None:
            return


def main() -> int:
    """The command; exits 1 when a promise was broken."""
    import datasets

    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--rows", type=int, default=2_000)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--per-source", type=int, default=400)
    asked.add_argument("--only", type=int)
    options = asked.parse_args()
    faulthandler.enable()
    warnings.simplefilter("ignore")
    logging.disable()  # Pillow logs what is wrong with a picture beside raising it
    datasets.disable_progress_bars()
    began, said, total = time.monotonic(), 0, Found()
    for found in fuzz(options.rows, options.seed, options.per_source, options.only):
        total.add(found)
        for line in found.wrong[:3]:
            print(f"WRONG {line}", flush=True)
        if total.counts.read - said >= 10_000:
            said = total.counts.read
            print(f"{said} rows, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    counts, seconds = total.counts, time.monotonic() - began
    print(f"{counts.read} rows of {total.sources} sources in {len(total.by_format)} formats, seed {options.seed}")
    print(f"  {counts.expanded} read, {counts.rejected} rejected, {counts.failed} failed")
    print(
        f"  {counts.children} questions: {counts.children_kept} kept, {counts.children_rejected} rejected,"
        f" {counts.children_failed} failed"
    )
    print(f"  {total.refused} sources refused with one line; {total.untouched} undamaged rows all looked for")
    print("  " + ", ".join(f"{name} {number}" for name, number in sorted(total.by_format.items())))
    print("  " + ", ".join(f"{name} {number}" for name, number in total.kinds.most_common()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  {seconds:.0f} s, {counts.read / seconds:.0f} rows/s, peak memory {peak:.0f} MiB")
    print(f"  {len(total.wrong)} promises broken")
    return 1 if total.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
