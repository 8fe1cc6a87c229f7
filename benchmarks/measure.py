"""What the benchmarks share: sides that take turns, ratios with their spread, peak memory of a child, the machine."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def interleave(sides: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[Any]]:
    """What each side returned, `repeats` times: all sides once, then all again, so that a slow minute slows them all.

    Every second turn goes backwards, so that no side always comes after the same other.
    """
    found: dict[str, list[Any]] = {name: [] for name in sides}
    for turn in range(repeats):
        for name in list(sides) if turn % 2 == 0 else reversed(list(sides)):
            found[name].append(sides[name]())
    return found


def ratio(over: Sequence[float], under: Sequence[float]) -> dict[str, float]:
    """`over` / `under`, turn by turn: the median of the ratios, the smallest and the largest."""
    each = [a / b for a, b in zip(over, under, strict=True)]
    return {"median": round(statistics.median(each), 3), "low": round(min(each), 3), "high": round(max(each), 3)}


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Median, smallest and largest."""
    found = {"median": statistics.median(values), "low": min(values), "high": max(values)}
    return {name: round(value, digits) for name, value in found.items()}


def tell(numbers: Mapping[str, float], unit: str = "") -> str:
    """A spread as a reader sees it: 3.1 (2.9 to 3.4)."""
    return f"{numbers['median']:,g}{unit} ({numbers['low']:,g} to {numbers['high']:,g})"


def child(arguments: Sequence[str], python: Path | None = None) -> dict[str, Any]:
    """Run a Python child from the repository's root; returns the JSON of its last line. Raises `RuntimeError`."""
    command = [str(python or sys.executable), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def peak_mib() -> float:
    """Largest resident memory of this process since it was started, in MiB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise RuntimeError("this system does not tell the peak memory of a process")


def machine() -> dict[str, Any]:
    """Where and when a figure was taken; `load` is that of the last minute before."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    packages = ("pillow", "pyarrow", "duckdb", "datasets", "imagehash", "faiss-cpu")
    return {
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "cores": len(os.sched_getaffinity(0)),
        "processor": names[0] if names else platform.processor(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
    }


def write(path: Path, result: Mapping[str, Any]) -> None:
    """A result beside the code that made it."""
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def keep(path: Path, part: str, measured: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Measure a part of a benchmark, print what it found, and put it beside what other parts found before."""
    at = machine()
    found = measured()
    result = {part: {"machine": at, **found}}
    print(json.dumps(result, indent=1, ensure_ascii=False), flush=True)
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write(path, known | result)
    return found
