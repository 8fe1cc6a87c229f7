"""All jobs in their order on one small lake with the shipped policy: what each leaves is what the next can read."""

from functools import partial
from pathlib import Path

import pytest

from pipelines import (
    banks,
    curate,
    deduplicate,
    difficulty,
    explore,
    influence,
    ingest,
    synthesize,
    verify,
    vicrit,
)
from pipelines.lake import Lake, Manifest
from pipelines.runner import run_stage
from pipelines.sources import fingerprint
from pipelines.stage import Stage, StageCall, WorkerSpec
from pipelines.workers import WorkerSpec as Url
from pipelines.workers import connect, identity_of
from schemas.outcome import check_law
from trainers.seedling.corpus import TAUGHT

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "examples" / "photographs"
SQL = """
SELECT sample_id, CASE WHEN trace_id IS NULL THEN 'rl' ELSE 'sft' END AS split FROM pool ORDER BY influence LIMIT 12
"""


def worker(url: str) -> WorkerSpec:
    return WorkerSpec(identity_of(Url(url)), partial(connect, Url(url)))


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[Lake, dict[str, Manifest]]:
    """Every job once: manifests by name."""
    lake, made = Lake(tmp_path_factory.mktemp("jobs") / "lake"), dict[str, Manifest]()

    def go(name: str, stage: Stage, parameters, *inputs: str, worker: WorkerSpec | None = None) -> None:
        keys = tuple(made[upstream].key for upstream in inputs)
        made[name] = run_stage(lake, StageCall(stage, parameters, keys, worker, part_rows=5))
        check_law(name, made[name].counts)

    policy, embedder = worker("local:seedling"), worker("embed:clip")
    held = {"crit": banks.Bank(task="vicrit", count=2), "count": banks.Bank(task="counting", count=2)}
    aims = {"find": banks.Bank(task="search", count=2), "read": banks.Bank(task="charts", count=2)}
    source = ingest.Source(name="photographs", path=PHOTOGRAPHS, fingerprint=fingerprint(PHOTOGRAPHS), limit=2)
    mix = tuple(synthesize.Mix(task=task, count=2) for task in (*TAUGHT, "transform", "mazes"))
    short = {"max_tokens": 24, "max_turns": 2}
    go("banks", banks.STAGE, banks.Parameters(role="evaluation", banks=held))
    go("targets", banks.STAGE, banks.Parameters(role="influence", banks=aims), "banks")
    go("ingest", ingest.STAGE, ingest.Parameters(sources=(source,)))
    go("synthesize", synthesize.STAGE, synthesize.Parameters(mix=mix))
    go("explore", explore.STAGE, explore.Parameters(attempts=1, **short), "synthesize", worker=policy)
    go("verify", verify.STAGE, verify.Parameters(), "synthesize", "explore")
    samples, traces = ("ingest", "synthesize", "vicrit"), ("explore", "verify")
    go("vicrit", vicrit.STAGE, vicrit.Parameters(), "ingest", "synthesize")
    go("deduplicate", deduplicate.STAGE, deduplicate.Parameters(), *samples, "banks", "targets", worker=embedder)
    hard = difficulty.Parameters(rollouts=2, iterations=2, depth=2, blind=1, **short)
    go("difficulty", difficulty.STAGE, hard, *samples, "deduplicate", worker=policy)
    few = influence.Parameters(dimension=64)
    go("influence", influence.STAGE, few, *samples, *traces, "deduplicate", "targets", worker=policy)
    measured = ("deduplicate", "difficulty", "influence")
    go("curate", curate.STAGE, curate.Parameters(sql=SQL), *samples, *traces, *measured)
    return lake, made


def test_no_row_fails_and_every_pool_sample_is_measured(done):
    lake, made = done
    assert {
        name: manifest.counts.failed + manifest.counts.children_failed for name, manifest in made.items()
    } == dict.fromkeys(made, 0)
    pool = set(lake.read(made["deduplicate"].key, "clusters")["sample_id"].to_pylist())
    assert len(pool) == made["deduplicate"].counts.kept > 8
    for name in ("difficulty", "influence"):
        assert set(lake.read(made[name].key, name)["sample_id"].to_pylist()) == pool
    assert len(lake.read(made["influence"].key, "influence")) == 2 * len(pool)


def test_every_oracle_trace_is_verified(done):
    lake, made = done
    oracle = set(lake.read(made["synthesize"].key, "traces")["trace_id"].to_pylist())
    assert oracle <= set(lake.read(made["verify"].key, "checks")["trace_id"].to_pylist())


def test_one_query_joins_a_curated_row_to_everything_known_about_it(done):
    lake, made = done
    sql = """
    SELECT c.sample_id, c.split, i.width, t.trace_id, d.pass_rate, f.score
    FROM curated c
    JOIN samples s USING (sample_id)
    JOIN images i ON i.image_id = s.image_ids[1]
    LEFT JOIN traces t ON t.trace_id = c.trace_id
    JOIN difficulty d ON d.sample_id = c.sample_id
    JOIN influence f ON f.sample_id = c.sample_id AND f.target = 'find'
    WHERE c.arm = 'curated' ORDER BY c.split, c.position
    """
    with lake.connect(
        [manifest.key for name, manifest in made.items() if name not in ("banks", "targets")]
    ) as database:
        found = database.execute(sql).fetchall()
    assert len(found) == 12
    assert all((split == "sft") == (trace is not None) for _, split, _, trace, _, _ in found)
