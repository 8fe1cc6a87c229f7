"""The memory benchmark: `python -m benchmarks.sides.memory KIND FOLDER` does one thing and tells its peak.

Kinds: `listing` (ingest of FOLDER/source, records that ask nothing, in parts of 256), `stage` (a map stage over the
samples of the lake at FOLDER/lake, in parts of 4,096) and `query` (its catalog built, then the filter and group-by).
Prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmarks import measure
from benchmarks.sides import rows

KINDS = ("listing", "stage", "query")
FLAT = 1.5
"""Largest growth of the peak from the smallest size to the largest, a hundred times as many rows, that we call flat."""


def measured(work: Path, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Peak memory and seconds of each kind at each size, each in a process of its own."""
    found: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    for size in sizes:
        folder = work / str(size)
        prepare(folder, size)
        for kind in KINDS:
            found[kind][str(size)] = measure.child(["-m", "benchmarks.sides.memory", kind, str(folder)])
            assert found[kind][str(size)].pop("rows") == size, f"{kind} of {size} rows lost some"
    first, last = str(sizes[0]), str(sizes[-1])
    growth = {kind: round(found[kind][last]["peak_mib"] / found[kind][first]["peak_mib"], 2) for kind in KINDS}
    return {
        "kinds": {
            "listing": "ingest of JSON lines that ask nothing: listed, sorted, each row rejected by the stage",
            "stage": "a map stage over all samples of two upstream stages",
            "query": "catalog built, filter and group-by asked",
        },
        "peaks": found,
        "growth": growth,
        "target": f"growth from {first} to {last} rows <= {FLAT}",
        "met": max(growth.values()) <= FLAT,
    }


def prepare(folder: Path, size: int) -> None:
    """A source of so many lines, and a lake of so many samples."""
    source = folder / "source"
    source.mkdir(parents=True)
    line = json.dumps({"file_name": "none.png", "note": "a record that asks nothing " * 4})
    with (source / "metadata.jsonl").open("w") as stream:
        stream.writelines(f"{line}\n" for _ in range(size))
    rows.build(folder / "lake", size, max(size // 10_000, 2))


class Nothing(BaseModel):
    """A stage without settings."""


def look(row: dict[str, Any], p: Nothing, ctx: object) -> Any:
    """One sample → one check."""
    from schemas.outcome import Keep

    return Keep({"sample_id": row["sample_id"], "origin": "oracle", "tier": row["task"], "actions": row["dial"]})


def listing(folder: Path) -> int:
    """Ingest the source; returns how many records were read."""
    from pipelines import ingest
    from pipelines.lake import Lake
    from pipelines.runner import run_stage
    from pipelines.sources import fingerprint
    from pipelines.stage import StageCall

    path = folder / "source"
    source = ingest.Source(name="lines", path=path, fingerprint=fingerprint(path))
    call = StageCall(ingest.STAGE, ingest.Parameters(sources=(source,)))
    counts = run_stage(Lake(folder / "ingested"), call).counts
    return counts.rejected


def stage(folder: Path) -> int:
    """Run a map stage over the lake; returns how many rows it kept."""
    from pipelines.lake import Lake
    from pipelines.runner import run_stage
    from pipelines.stage import Stage, StageCall

    lake = Lake(folder / "lake")
    made = map(lake.manifest, lake.keys())
    keys = tuple(manifest.key for manifest in made if manifest.files("samples"))
    job = Stage("look", 1, "map", Nothing, "sample_id", "checks", look, sql="SELECT * FROM samples")
    return run_stage(lake, StageCall(job, Nothing(), keys, part_rows=4096)).counts.kept


def query(folder: Path) -> int:
    """Build the catalog and ask it; returns how many samples it shows."""
    import duckdb

    from benchmarks.sides.catalog import ASKED
    from pipelines.lake import Lake
    from pipelines.lake.catalog import build_catalog

    with duckdb.connect(str(build_catalog(Lake(folder / "lake"))), read_only=True) as connection:
        connection.execute(ASKED.format("samples")).fetchall()
        ((shown,),) = connection.execute("SELECT count(*) FROM samples").fetchall()
    return int(shown)


def main(kind: str, folder: Path) -> None:
    """Do one thing and tell."""
    start = time.perf_counter()
    count = {"listing": listing, "stage": stage, "query": query}[kind](folder)
    seconds = round(time.perf_counter() - start, 2)
    sys.stdout.write(json.dumps({"peak_mib": measure.peak_mib(), "seconds": seconds, "rows": count}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
