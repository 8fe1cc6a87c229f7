"""Our side of the picture benchmark: `python -m benchmarks.sides.pictures FOLDER WORK PROCESSES` makes a lake of it.

Prints one JSON line. `seconds` runs from the folder to the manifest of deduplication, the start of two processes and
the hash over all files for the stage key included; `wall` adds the interpreter and its imports.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

BEGAN = time.perf_counter()


def main(folder: Path, work: Path, processes: int) -> None:
    """Ingest and deduplicate into a fresh lake under `work`."""
    from pipelines import deduplicate, ingest
    from pipelines.lake import Lake
    from pipelines.runner import Processes, run_stage
    from pipelines.sources import fingerprint
    from pipelines.stage import StageCall

    lake, runner = Lake(work / "lake"), Processes(processes)
    start = time.perf_counter()
    source = ingest.Source(name="photographs", path=folder, fingerprint=fingerprint(folder))
    call = StageCall(ingest.STAGE, ingest.Parameters(sources=(source,)), part_rows=100)
    read = run_stage(lake, call, runner=runner)
    ingested = time.perf_counter()
    unique = run_stage(lake, StageCall(deduplicate.STAGE, deduplicate.Parameters(), (read.key,)))
    ended = time.perf_counter()
    runner.close()
    near = sum(reason == "duplicate" for reason in lake.read(unique.key, "rejects")["reason"].to_pylist())
    answer = {
        "seconds": round(ended - start, 3),
        "ingest_seconds": round(ingested - start, 3),
        "wall": round(time.perf_counter() - BEGAN, 3),
        "read": read.counts.read,
        "failed": read.counts.failed,
        "exact_found": read.counts.children_kept - unique.counts.read,  # one sample id: the same pixels, asked the same
        "near_found": near,
        "kept": unique.counts.kept,
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
