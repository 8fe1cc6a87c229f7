"""How fast difficulty is measured: `python -m benchmarks.difficulty`, results in `difficulty.json` of the folder above.

    local    trees in waves, beside a serial search in the way of ThinkLite-VL's public code: about 12 minutes
    server   trees at a vLLM server: how busy it is, and problems per second by trees in flight: about 10 minutes
    killed   `kill -9` amid 500 trees on `local:`, and whether the lake ends byte-identical: about 5 minutes

Times are of two quiet cores. All three without a name.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.difficulty import killed, local, server

RESULTS = Path(__file__).parents[1] / "difficulty.json"
PARTS: dict[str, Any] = {"local": local, "server": server, "killed": killed}


def main() -> None:
    """Run the named parts, or all, and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all when none is named")
    parser.add_argument("--problems", type=int, default=300, help="local: that our code searches")
    parser.add_argument("--few", type=int, default=24, help="local: that are searched one after the other")
    parser.add_argument("--iterations", type=int, default=8, help="local: of each tree")
    parser.add_argument("--turns", type=int, default=3, help="local: of each side")
    parser.add_argument("--trees", type=int, default=500, help="killed: how many")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 4, 16, 64, 256, 1024], help="server: trees")
    parser.add_argument("--server-python", default=".venv-vllm", help="server: the environment that has vLLM")
    parser.add_argument("--keep", type=Path, default=RESULTS, help="where results are kept")
    options = parser.parse_args()
    for name in options.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="evolens-difficulty-") as work:
            found = measure.keep(options.keep, name, partial(PARTS[name].measured, Path(work), options))
        print(PARTS[name].table(found))


if __name__ == "__main__":
    main()
