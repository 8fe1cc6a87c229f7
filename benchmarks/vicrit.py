"""Whether reinforcement on planted errors raises accuracy on held-out ones: a cold start, then GRPO from several seeds.

    .venv/bin/python -m benchmarks.vicrit              # see benchmarks/README.md
    .venv/bin/python -m benchmarks.vicrit --small      # a try, which keeps nothing

The policy is the seedling, which has read counting and search but no caption. The cold start teaches it injected
captions of at most 60 words until it names some of the phrases; where it is right on fewer than 10 % or more than 60 %
of the bank, the benchmark says so, because the comparison would be of another thing. From there GRPO goes on with
captions that the cold start has not read, once for each seed. Everything else is the same, so the paired difference is
GRPO's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from benchmarks.measure import machine, write
from flows import policies
from pipelines import banks, retell, synthesize, vicrit
from pipelines.lake import Lake
from pipelines.runner import run_stage
from pipelines.stage import Context, Stage, StageCall
from pipelines.tools import LIBRARIES
from schemas.outcome import Drop, Keep, Outcome
from schemas.recipe import WorkerRecipe
from trainers import evaluate, grpo, sft
from trainers.statistics import paired_bootstrap

FAMILIES = ("counting", "search")
COLD = 0.10, 0.60
"""Between which accuracies a cold start leaves something to reinforce."""
KEPT = Path(__file__).with_suffix(".json")


class Sizes(BaseModel):
    """How much is drawn and taught."""

    pictures: int = 1500
    bank: int = 240
    cold_steps: int = 1200
    steps: int = 150
    prompts: int = 8
    generations: int = 8
    learning_rate: float = 1e-5
    seeds: int = 3


SMALL = Sizes(pictures=24, bank=8, cold_steps=2, steps=2, prompts=4, generations=2, seeds=2)


class Choice(BaseModel):
    """Which share of the pictures is left to GRPO."""

    rl: int = 3


def split(tables: Mapping[str, pa.Table], p: Choice, ctx: Context) -> Iterator[tuple[str, Outcome]]:
    """Injected captions whose picture is in no bank: one picture in `rl` for GRPO, the others for the cold start."""
    del ctx
    held = {row["state_id"] for row in tables["fingerprints"].to_pylist()}
    for position, row in enumerate(tables["input"].to_pylist()):
        chosen = "rl" if int(row["state_id"][:8], 16) % p.rl == 0 else "sft"
        known = {"arm": "curated", "split": chosen, "position": position, "selection": "benchmark"}
        mine = {"sample_id": row["sample_id"], "trace_id": row["trace_id"], "cluster_id": row["state_id"]}
        yield row["sample_id"], Drop("in_bank:vicrit") if row["state_id"] in held else Keep(known | mine)


SPLIT = Stage(
    name="split",
    version=1,
    kind="whole",
    parameters=Choice,
    sql="SELECT sample_id, state_id, trace_id FROM samples JOIN traces USING (sample_id) WHERE task = 'vicrit'",
    id_column="sample_id",
    table="curated",
    run=split,
)


class Chain:
    """Stages run one after the other into a lake."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def __call__(self, stage: Stage, parameters: BaseModel, *inputs: str, worker: Any = None) -> str:
        from importlib.metadata import version

        versions = {name: version(name) for name in LIBRARIES}
        call = StageCall(stage, parameters, inputs, worker, versions)
        print(stage.name, flush=True, file=sys.stderr)
        return run_stage(self.lake, call).key

    def score(self, bank: str, trained: str) -> dict[str, tuple[str, float]]:
        """Of each question of the bank: the type of its false phrase, and whether a trained policy names it."""
        asked = evaluate.Parameters(max_tokens=96)
        key = self(evaluate.STAGE, asked, bank, trained, worker=policies.trained(self.lake, trained))
        kinds = {row["sample_id"]: row["relation"] for row in self.lake.read(bank, "banks").to_pylist()}
        found = self.lake.read(key, "evals").to_pylist()
        return {row["sample_id"]: (kinds[row["sample_id"]], float(bool(row["correct"]))) for row in found}


def measured(lake: Lake, sizes: Sizes) -> dict[str, Any]:
    """The cold start, GRPO from each seed, and what came of it on the bank."""
    run = Chain(lake)
    mix = tuple(synthesize.Mix(task=name, dial=dial, count=sizes.pictures // 4) for name in FAMILIES for dial in (0, 1))
    made = run(synthesize.STAGE, synthesize.Parameters(mix=mix, seed=5))
    told = run(retell.STAGE, retell.Parameters(), made)
    injected = run(vicrit.STAGE, vicrit.Parameters(per_caption=2), made, told)
    held = banks.Bank(task="vicrit", count=sizes.bank, families=FAMILIES, words=60)
    bank = run(banks.STAGE, banks.Parameters(role="evaluation", banks={"vicrit": held}, seed=5))
    chosen = run(SPLIT, Choice(), injected, bank)
    folder, name = policies.start_of(WorkerRecipe(url="local:seedling"))
    lessons = sft.Parameters(base=name, steps=sizes.cold_steps, batch=16, learning_rate=4e-4)
    cold = run(sft.stage(folder), lessons, injected, chosen)
    before = run.score(bank, cold)
    after = []
    for seed in range(sizes.seeds):
        settings = grpo.Parameters(
            steps=sizes.steps,
            prompts=sizes.prompts,
            generations=sizes.generations,
            learning_rate=sizes.learning_rate,
            order="shuffled",
            seed=seed,
        )
        after.append(run.score(bank, run(grpo.STAGE, settings, injected, chosen, cold)))
    return told_of(before, after)


def told_of(before: Mapping[str, tuple[str, float]], after: list[dict[str, tuple[str, float]]]) -> dict[str, Any]:
    """Accuracy before and after, the paired difference of the mean over seeds with its interval, in all and by type."""
    names = sorted(before)
    first = [before[name][1] for name in names]
    means = [mean(each[name][1] for each in after) for name in names]
    kinds: dict[str, list[int]] = defaultdict(list)
    for at, name in enumerate(names):
        kinds[before[name][0]].append(at)

    def paired(places: list[int]) -> dict[str, float]:
        found = paired_bootstrap([first[at] for at in places], [means[at] for at in places])
        return {
            key: round(getattr(found, key), 4) for key in ("n", "before", "after", "difference", "low", "high", "p")
        }

    return {
        "all": paired(list(range(len(names)))),
        "seeds": [round(mean(each[name][1] for name in names), 4) for each in after],
        "types": {kind: paired(places) for kind, places in sorted(kinds.items())},
    }


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description="GRPO on planted errors, from a cold start.")
    parser.add_argument("--small", action="store_true", help="a try at small sizes, which keeps nothing")
    parser.add_argument("--lake", type=Path, help="a folder to keep the lake in, so that a stopped run can go on")
    arguments = parser.parse_args()
    sizes = SMALL if arguments.small else Sizes()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Lake(arguments.lake or Path(folder) / "lake"), sizes)
    whole = found["all"]
    print(f"{'':12} {'n':>5} {'cold':>7} {'GRPO':>7} {'change':>7}   95 %")
    for name, row in {"all": whole, **found["types"]}.items():
        line = f"{name:12} {row['n']:5} {row['before']:7.1%} {row['after']:7.1%} {row['difference']:+7.1%}"
        print(f"{line}   {row['low']:+.1%} to {row['high']:+.1%}")
    print("by seed:", ", ".join(f"{share:.1%}" for share in found["seeds"]))
    if not COLD[0] <= whole["before"] <= COLD[1]:
        print(f"the cold start is right on {whole['before']:.1%}, outside {COLD[0]:.0%} to {COLD[1]:.0%}")
    if not arguments.small:
        write(KEPT, {"machine": machine(), "sizes": sizes.model_dump(), **found})


if __name__ == "__main__":
    main()
