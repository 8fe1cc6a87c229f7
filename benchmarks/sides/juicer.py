"""The other side of the picture benchmark, run by the Python of Data-Juicer's own environment; nothing of ours in it.

`python benchmarks/sides/juicer.py LIST WORK PROCESSES` loads a list of pictures, opens every picture for its size
(`image_shape_filter`, which drops none) and removes samples of equal perceptual hash (`image_deduplicator`). Prints one
JSON line. `seconds` runs from loading to the exported file, with the operators already imported; `wall` is everything.
"""

import json
import sys
import time
from pathlib import Path

BEGAN = time.perf_counter()


def main(listed: Path, work: Path, processes: str) -> None:
    """Load, deduplicate, export."""
    from data_juicer.config import init_configs
    from data_juicer.core import DefaultExecutor
    from data_juicer.ops import load_ops

    work.mkdir(parents=True, exist_ok=True)
    recipe, kept = work / "recipe.json", work / "kept.jsonl"
    steps = [{"image_shape_filter": {}}, {"image_deduplicator": {"method": "phash"}}]
    recipe.write_text(json.dumps({"project_name": "benchmark", "use_cache": False, "process": steps}))
    settings = init_configs(
        ["--config", str(recipe), "--dataset_path", str(listed), "--export_path", str(kept), "--np", processes]
    )
    load_ops(settings.process)  # half a minute of imports that we do not count
    start = time.perf_counter()
    DefaultExecutor(settings).run()
    ended = time.perf_counter()
    names = [Path(json.loads(line)["images"][0]).stem for line in kept.read_text().splitlines()]
    answer = {
        "seconds": round(ended - start, 3),
        "wall": round(time.perf_counter() - BEGAN, 3),
        "read": sum(1 for _ in listed.open()),
        "kept": len(names),
        "names": [int(name) for name in names],
    }
    print("\n" + json.dumps(answer), file=sys.__stdout__, flush=True)  # sys.stdout is its logger by now


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
