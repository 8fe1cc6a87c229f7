"""How fast the lake is, beside what others do: `python -m benchmarks.lake`, results in `lake.json` beside this file.

    pictures   3,000 JPEGs of 448 x 448, 300 of them exact copies: ingest and perceptual deduplication on two processes,
               and the same two operations in Data-Juicer 1.6.1
    catalog    one filter and group-by over a million samples in 104 parts of two rounds: the catalog's view,
               read_parquet, and filter and map of `datasets`
    memory     peak memory of a listing, a map stage and a query at 10,000, 100,000 and a million rows

Sides take turns in one run; every ratio is the median over the turns, with the smallest and the largest. README.md
says how Data-Juicer's environment is made; without it our side is measured alone, and the result says so.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.sides import catalog, memory, photographs

RESULTS = Path(__file__).with_suffix(".json")
RATE = 250.0
"""Pictures a second that we want of two cores."""


def pictures(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Ours and Data-Juicer's, each turn in a fresh process and an empty folder."""
    total, copies, encoded = (300, 30, 10) if options.small else (3000, 300, 100)
    folder = photographs.make(work / "photographs", total, copies, encoded)
    theirs = options.data_juicer / "bin" / "python"

    def ours() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=work) as lake:
            return measure.child(["-m", "benchmarks.sides.pictures", str(folder.path), lake, str(options.processes)])

    def juicer() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=work) as place:
            arguments = [str(folder.theirs), place, str(options.processes)]
            script = measure.ROOT / "benchmarks" / "sides" / "juicer.py"
            answer = measure.child([str(script), *arguments], theirs)
        left = [folder.original(number) for number in answer.pop("names")]
        assert set(left) == set(range(folder.distinct)), "Data-Juicer dropped a picture that nothing resembles"
        return answer

    sides: dict[str, Callable[[], dict[str, Any]]] = {"ours": ours}
    if theirs.exists():
        sides["data_juicer"] = juicer
    found = measure.interleave(sides, options.repeats)
    for answer in found["ours"]:
        assert (answer["exact_found"], answer["near_found"], answer["failed"]) == (copies, encoded, 0), answer
        assert answer["kept"] == folder.distinct, answer
    rates = {name: [total / answer["seconds"] for answer in answers] for name, answers in found.items()}
    walls = {name: [answer["wall"] for answer in answers] for name, answers in found.items()}
    result = {
        "pictures": {"files": total, "exact_copies": copies, "encoded_again": encoded, "distinct": folder.distinct},
        "processes": options.processes,
        "operations": {
            "ours": "hash of all files for the stage key; decode, turn upright, hash over the pixels, perceptual hash,"
            " rows checked, original bytes packed with their hash; exact copies found by id, near ones by perceptual"
            " hash within 4 bits (no embedder); everything committed to a lake. The start of the processes counts.",
            "data_juicer": "image_shape_filter (opens each picture for its size) and image_deduplicator (decode,"
            " perceptual hash, equal hashes), kept rows exported as JSON lines. Its imports do not count.",
        },
        "images_per_second": {name: measure.spread(each, 1) for name, each in rates.items()},
        "wall_seconds": {name: measure.spread(each, 1) for name, each in walls.items()},
        "duplicates_found": {
            "ours": copies + encoded,
            **{name: total - answers[0]["kept"] for name, answers in found.items() if name != "ours"},
        },
        "target": {"images_per_second": f">= {RATE:g}"},
        "met": result_rate(rates) >= RATE,
    }
    if "data_juicer" in rates:
        result["ours_over_data_juicer"] = measure.ratio(rates["ours"], rates["data_juicer"])
    else:
        result["data_juicer"] = "not measured: its environment is not there (benchmarks/README.md)"
    return result


def result_rate(rates: dict[str, list[float]]) -> float:
    """Our median rate."""
    return measure.spread(rates["ours"])["median"]


def views(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The catalog's view against read_parquet and `datasets`."""
    count, parts, repeats, slow = (20_000, 8, 5, 2) if options.small else (1_040_000, 104, 25, 3)
    return catalog.measured(work, count, parts, repeats, slow)


def peaks(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Peak memory over the number of rows."""
    return memory.measured(work, (500, 5_000) if options.small else (10_000, 100_000, 1_000_000))


PARTS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "pictures": pictures,
    "catalog": views,
    "memory": peaks,
}


def main() -> None:
    """Run the named parts, or all, and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all of them when none is named")
    parser.add_argument("--repeats", type=int, default=3, help="turns of the pictures benchmark")
    parser.add_argument("--processes", type=int, default=2, help="processes of each side of the pictures benchmark")
    parser.add_argument("--data-juicer", type=Path, default=Path(".venv-data-juicer"), help="its environment")
    parser.add_argument("--work", type=Path, help="where pictures and lakes are made (default: a temporary folder)")
    parser.add_argument("--small", action="store_true", help="a quick try at small sizes; writes no results")
    options = parser.parse_args()
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
    for name in options.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix=f"evolens-{name}-", dir=options.work) as work:
            at = measure.machine()
            found = {"machine": at, **PARTS[name](Path(work).resolve(), options)}
            shutil.rmtree(work, ignore_errors=True)
        print(json.dumps({name: found}, indent=1, ensure_ascii=False))
        if not options.small:
            known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
            measure.write(
                RESULTS, {part: (known | {name: found})[part] for part in PARTS if part in known | {name: found}}
            )


if __name__ == "__main__":
    main()
