"""How good the labels of difficulty are: `python -m benchmarks.labels`, results in `labels.json` of the folder above.

    quality    which label is right most often for the same number of rollouts, beside the truth of 256
    suspects   5 % of the answers corrupted: how many `suspect` finds, and how many it blames wrongly
    leaks      answers told in questions and options: how many are found blind-solvable, and how many others
    dials      whether measured difficulty rises with the dial, in every family

What was measured once is kept in the work folder, so a run that was interrupted goes on where it ended.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.labels import dials, leaks, quality, suspects
from pipelines.tasks import FAMILIES

RESULTS = Path(__file__).parents[1] / "labels.json"
WORK = Path(tempfile.gettempdir()) / "evolens-labels"
PARTS: dict[str, Any] = {"quality": quality, "suspects": suspects, "leaks": leaks, "dials": dials}


def main() -> None:
    """Run the named parts, or all, and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all when none is named")
    parser.add_argument("--problems", type=int, help="how many: in all, or in `dials` at each dial")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, help="dials: only these")
    parser.add_argument("--attempts", type=int, default=8, help="dials: at each problem")
    parser.add_argument("--lessons", type=int, default=900, help="dials: questions that a family is taught with")
    parser.add_argument("--steps", type=int, default=150, help="dials: of that teaching")
    parser.add_argument("--work", type=Path, default=WORK, help="where everything that was measured stays")
    parser.add_argument("--keep", type=Path, default=RESULTS, help="where results are kept")
    options = parser.parse_args()
    for name in options.parts or PARTS:
        found = measure.keep(options.keep, name, partial(PARTS[name].measured, options.work, options))
        print(PARTS[name].table(found))


if __name__ == "__main__":
    main()
