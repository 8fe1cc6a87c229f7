"""Lakes to report on: a small one in which everything happens that a page can show, and a large one made in SQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
from PIL import Image, ImageDraw

from pipelines.lake import Lake, manifest, parts, runs, tables
from pipelines.lake.manifest import Manifest
from pipelines.runner import run_stage
from pipelines.tools import picture_id
from pipelines.tools.replay import LIMIT, observation, with_observations
from schemas.arrow import TABLES
from schemas.outcome import Counts
from schemas.rows import TraceRow
from tests.pipelines import toy
from tests.pipelines.jobs import given, picture, sample

HOSTILE = '<script>document.title = "taken"</script> & "quoted" <b>?'
"""A question that would break a page that trusts it."""

QUALITY = {"base": 1, "sft": 4, "grpo": 6, "control_sft": 4, "control_grpo": 3}
"""How many of ten questions a policy answers right, before the round's number is added."""

LONG = "0123456789" * 40
"""A text without a place to break."""


def card(colour: str) -> Image.Image:
    image = Image.new("RGB", (400, 300), "white")
    ImageDraw.Draw(image).rectangle((40, 60, 160, 150), fill=colour)
    return image


def thought(text: str) -> dict[str, Any]:
    return {"kind": "thought", "text": text, "tool": None, "arguments": None, "image_id": None}


def crop(*box: int, target: int = 1) -> dict[str, Any]:
    arguments = {"bbox_2d": list(box), "target_image": target}
    return {"kind": "action", "text": None, "tool": "crop", "arguments": arguments, "image_id": None}


def answer(text: str) -> dict[str, Any]:
    return {**thought(text), "kind": "answer"}


def looking() -> list[dict[str, Any]]:
    """Two crops, the second of what the first made, then one over the limit."""
    steps = [
        thought("First the whole card."),
        crop(80, 180, 420, 520),
        thought("Closer."),
        crop(0, 0, 500, 500, target=2),
    ]
    done = with_observations([card("red")], [*steps, thought("It is red."), answer("red")])
    refused = [{**crop(0, 0, 10, 10), "arguments": json.dumps({"bbox_2d": [0, 0, 10, 10]})}, observation(text=LIMIT)]
    return [*done[:-2], *refused, *done[-2:]]


def lying() -> list[dict[str, Any]]:
    """A crop whose recorded picture is another one, and a call that no tool carries out."""
    steps = with_observations([card("red")], [crop(80, 180, 420, 520)])
    steps[1] = observation(image_id="f" * 32)
    bad = {**crop(0, 0, 10, 10), "arguments": json.dumps({"bbox_2d": [9, 9, 9, 9]})}
    return [*steps, bad, observation(text="something else"), answer("blue")]


def small(root: Path) -> tuple[Lake, str]:
    """A run of two rounds with every table in use; returns the lake and the id of the run."""
    lake = Lake(root)
    red, photo, blue = card("red"), picture(3, 720), card("blue")
    seen = sample(red, HOSTILE, answer="red", relation="colour", dial=2)
    twice = sample(photo, f"Which is larger? {LONG}", answer="B", options=("A", "B"), answer_type="text", task="photos")
    both = {**twice, "image_ids": [picture_id(photo), picture_id(blue)]}
    gone = sample("e" * 32, "Whose picture is lost?", answer="x", task="lost")
    samples = [seen, both, gone]
    traces = [
        trace(seen["sample_id"], "oracle", looking()),
        trace(seen["sample_id"], "policy", lying()),
        trace(gone["sample_id"], "oracle", [thought("?"), answer("x")]),
    ]
    checks = [
        {"trace_id": each["trace_id"], "sample_id": each["sample_id"], "origin": each["origin"], "actions": 3,
         "replayed": 3 if each["origin"] == "oracle" else 0, "tier": "compare", "correct": each["origin"] == "oracle"}
        for each in traces
    ]  # fmt: skip
    made = run_stage(lake, toy.call(toy.MAKE, count=12))
    looked = run_stage(lake, toy.call(toy.LOOK, made.key, bad=(3,)))
    pool = given(lake, red, photo, blue, samples=samples, traces=traces, checks=checks, lineage=[
        {"child_id": seen["sample_id"], "parent_id": "seed-1", "relation": "drawn_from", "stage": "synthesize"}
    ])  # fmt: skip
    nodes = [("ingest", 0, pool), ("r1/make", 1, made.key), ("r1/look", 1, looked.key)]
    nodes += [(f"r{number}/measure", number, given(lake, **measured(number, samples))) for number in (1, 2)]
    return lake, toy.record(lake, "everything", nodes).run_id


def trace(sample_id: str, origin: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    whole = [{**step, "arguments": json.loads(step["arguments"]) if step["arguments"] else None} for step in steps]
    return TraceRow(sample_id=sample_id, origin=origin, steps=whole, answer="red", producer={"engine": "test"}).row()


def measured(number: int, samples: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What a round measures, chooses, trains and evaluates."""
    ids = [each["sample_id"] for each in samples]
    policy = f"p{number}"
    loss = [{"step": step, "loss": 3 / step, "mean_token_accuracy": 1 - 1 / step} for step in range(1, 400)]
    paid = [{"step": step, "reward": step / 20, "reward_std": 0.2, "frac_reward_zero_std": 0.5} for step in range(1, 9)]
    evals = [
        {"eval_id": f"{number}{arm}{bank}{place}", "policy": policy, "arm": arm, "bank": bank,
         "sample_id": f"{bank}-{place}", "correct": (place * 7) % 10 < QUALITY[arm] + number}
        for arm in ("base", "sft", "grpo", "control_sft", "control_grpo")
        for bank in ("cards", "a_bank_with_a_rather_long_name")
        for place in range(30)
    ]  # fmt: skip
    return {
        "difficulty": [
            {"sample_id": each, "policy": policy, "k": place, "n": 4, "pass_rate": place / 4, "low": 0.0, "high": 0.9,
             "iterations": place or None, "censored_at": None if place else 8, "zero_variance": 0.5,
             "suspicion": None if place else "label", "evidence": None if place else "agreement",
             "suggested": None if place else '"blue"'}
            for place, each in enumerate(ids)
        ],
        "influence": [{"sample_id": ids[0], "target": "cards", "score": 0.25, "checkpoint": policy}],
        "clusters": [{"sample_id": ids[0], "cluster_id": "c", "image_cluster": "i", "size": 2}],
        "rollouts": [
            {"rollout_id": f"{number}{each}{place}", "sample_id": each, "policy": policy, "purpose": "difficulty",
             "answer": None if place else '"red"', "correct": not place}
            for each in ids for place in (0, 1)
        ],
        "curated": [
            {"sample_id": ids[0], "arm": arm, "split": "rl", "position": 0, "selection": "s"}
            for arm in ("curated", "random")
        ],
        "policies": [
            {"policy": f"{policy}{trainer}{arm}", "trainer": trainer, "arm": arm, "steps": 8, "rows": 1,
             "weights": f"{number}{trainer}{arm}", "curve": json.dumps(curve)}
            for arm in ("curated", "random") for trainer, curve in (("sft", loss), ("grpo", paid))
        ],
        "rewards": [
            {"policy": policy, "trainer": "grpo", "arm": "curated", "step": step, "position": 0, "sample_id": ids[0],
             "reward": "accuracy", "value": step / 2}
            for step in (1, 2)
        ],
        "evals": evals,
    }  # fmt: skip


LARGE = {
    "samples": "SELECT md5('s' || i) AS sample_id, [md5('i' || i % 5000)] AS image_ids, 'Question ' || i AS question,"
    " '\"' || i || '\"' AS answer, 'text' AS answer_type, 'task' || i % 40 AS task, 'r' || i % 7 AS relation,"
    " i % 3 AS dial, 'CC0-1.0' AS license, 'made' AS source, repeat('x', 300) AS program FROM range({n}) t(i)",
    "traces": "SELECT md5('t' || i) AS trace_id, md5('s' || i) AS sample_id, 'oracle' AS origin, [{{'kind': 'answer',"
    " 'text': 'a', 'tool': NULL, 'arguments': NULL, 'image_id': NULL}}] AS steps FROM range({n}) t(i)",
    "rejects": "SELECT 'verify' AS stage, md5('x' || i) AS row_id, 'rule' || (i * i) % 83 AS reason, i % 11 AS value,"
    " 5 AS threshold FROM range({n}) t(i)",
    "failures": "SELECT 'ingest' AS stage, md5('f' || i) AS row_id, 'kind' || i % 3 AS kind, 'no' AS message"
    " FROM range({n} // 10) t(i)",
    "difficulty": "SELECT md5('s' || i) AS sample_id, 'p' AS policy, i % (n + 1) AS k, n, 0 AS low, 1 AS high,"
    " 1 AS iterations FROM (SELECT i, 8 + i % 3 AS n FROM range({n}) t(i))",
    "rollouts": "SELECT md5('o' || i) AS rollout_id, md5('s' || i // 3) AS sample_id, 'difficulty' AS purpose,"
    " '\"' || i % 9 || '\"' AS answer, i % 2 = 0 AS correct FROM range(3 * {n}) t(i)",
    "curated": "SELECT md5('s' || i) AS sample_id, if(i % 2 = 0, 'curated', 'random') AS arm,"
    " if(i % 3 = 0, 'rl', 'sft') AS split, i AS position FROM range({n}) t(i)",
    "evals": "SELECT md5('e' || i) AS eval_id, if(i % 2 = 0, 'base', 'sft') AS arm, 'bank' || (i // 2) % 30 AS bank,"
    " md5('q' || i // 2) AS sample_id, i % 5 < 2 AS correct FROM range({n} // 10) t(i)",
    "cost": "SELECT 'synthesize' AS stage, i AS part, 0.5 AS seconds, 3 AS requests, 1000 AS prompt_tokens,"
    " 10 AS completion_tokens FROM range(400) t(i)",
}
"""Tables of a run of `n` samples."""


def large(root: Path, n: int) -> tuple[Lake, dict[str, Path]]:
    """A lake of `n` samples without pictures, one stage; returns it and the file of each table."""
    lake, key = Lake(root), "0" * 32
    found = {}
    with duckdb.connect() as database:
        for table, sql in LARGE.items():
            whole = f"{tables.empty_select(table)} UNION ALL BY NAME ({sql.format(n=n)})"
            found[table] = root / parts.part_name(table, key, 0)
            found[table].parent.mkdir(parents=True)
            parts.write_table(found[table], database.sql(whole).to_arrow_table().cast(TABLES[table]))
    files = tuple(parts.describe(path, table, parts.part_name(table, key, 0), 0) for table, path in found.items())
    counts = Counts(read=2 * n, kept=n, rejected=n - n // 10, failed=n // 10)
    made = Manifest(key, "synthesize", 1, {}, (), None, True, {}, {}, counts, files)
    manifest.commit(lake.root, made)
    run = runs.start_run(lake.root, "large", "hash")
    run.plan("r1/synthesize", round=1, stage="synthesize", key=key)
    run.finish("complete")
    return lake, found
