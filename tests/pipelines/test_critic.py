"""Critic: traces that look at what the caption speaks of, and hold when they are carried out again."""

import json
from functools import reduce

import pytest
from PIL import ImageChops

from pipelines.critic import STAGE, Parameters
from pipelines.lake import Lake
from pipelines.tasks import frames, stilllife, transform
from pipelines.tasks.places import box_of
from pipelines.verify import STAGE as VERIFY
from pipelines.verify import Parameters as VerifyParameters
from pipelines.vicrit import STAGE as VICRIT
from pipelines.vicrit import Parameters as VicritParameters
from schemas.ids import canonical_json
from tests.pipelines.jobs import given, reasons, rows, run
from tests.pipelines.test_vicrit import CAPTIONED, captioned

PLACED = set(CAPTIONED) - {"charts", "puzzles"}


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """A lake with injections of every family and the critic's traces of them."""
    lake = Lake(tmp_path_factory.mktemp("critic") / "lake")
    made = [captioned(task, dial, seed) for task in CAPTIONED for dial in (0, 1) for seed in range(2)]
    pictures = [image for drawn, _, _ in made for image in drawn.images]
    upstream = given(lake, *pictures, samples=[row for _, row, _ in made], captions=[row for _, _, row in made])
    injected = run(lake, VICRIT, VicritParameters(per_caption=9), upstream)
    return lake, upstream, injected, run(lake, STAGE, Parameters(looks=3), upstream, injected.key)


def test_each_trace_looks_and_then_names_the_false_phrase(looked):
    lake, _, injected, done = looked
    injections = {row["sample_id"]: row for row in rows(lake, injected, "injections")}
    traces = rows(lake, done, "traces")
    assert traces and set(reasons(lake, done).values()) == {"no_place"}
    for trace in traces:
        false = injections[trace["sample_id"]]
        steps = trace["steps"]
        calls = [step for step in steps if step["kind"] == "action"]
        assert 1 <= len(calls) <= 3 and {step["tool"] for step in calls} == {"crop"}
        assert steps[-1]["text"] == false["replacement"] == json.loads(trace["answer"])
        assert steps[-2]["text"] == f"Not {false['replacement']}: {false['original']}."
        assert trace["origin"] == "critic"


def test_they_hold_when_verify_carries_them_out_again(looked):
    lake, upstream, injected, done = looked
    proof = VerifyParameters(origins=("critic",))
    verified = run(lake, VERIFY, proof, upstream, injected.key, done.key)
    traces = rows(lake, done, "traces")
    assert verified.counts.kept == verified.counts.read == len(traces)
    checks = {row["trace_id"]: row for row in rows(lake, verified, "checks")}
    for trace in traces:
        actions = sum(step["kind"] == "action" for step in trace["steps"])
        assert checks[trace["trace_id"]]["replayed"] == actions > 0


def facts(task: str, seed: int):
    made, _, caption = captioned(task, 1, seed)
    for clause in caption["clauses"]:
        fact = json.loads(clause["fact"])
        box = box_of(task, fact, made.program)
        if box is not None:
            yield made, fact, box


@pytest.mark.parametrize("task", sorted(PLACED))
def test_places_lie_in_the_picture_and_show_something(task):
    found = [each for seed in range(6) for each in facts(task, seed)]
    assert found
    for made, fact, (left, top, right, bottom) in found:
        width, height = made.images[0].size
        assert 0 <= left < right <= width and 0 <= top < bottom <= height, fact
        assert len(made.images[0].crop((left, top, right, bottom)).getcolors(1 << 20)) > 1, fact


@pytest.mark.parametrize(
    ("task", "render"), [("transform", transform.render), ("frames", frames.render), ("stilllife", stilllife.render)]
)
def test_drawn_with_the_false_value_the_picture_changes_there(task, render):
    """Most of what changes lies in the box; of a thing that stands before another one, or throws a shadow, not all."""
    tried = 0
    for made, fact, box in (each for seed in range(8) for each in facts(task, seed)):
        if fact["claim"] != "at" or not isinstance(fact["value"], str):
            continue
        program = json.loads(canonical_json(made.program))
        entry = reduce(lambda value, key: value[key], fact["path"][:-1], program)
        entry[fact["path"][-1]] = fact["among"][0]
        drawn = render(program)
        after = drawn[0] if isinstance(drawn, tuple) else drawn
        change = ImageChops.difference(made.images[0], after).convert("L").point(lambda value: 255 * (value > 24))
        whole, inside = (sum(1 for value in part.tobytes() if value) for part in (change, change.crop(box)))
        if whole:  # a thing may be hidden
            assert inside / whole > 0.8, fact
            tried += 1
    assert tried > 5


def test_a_family_without_places_has_none():
    made, _, caption = captioned("charts", 1, 3)
    assert all(box_of("charts", json.loads(clause["fact"]), made.program) is None for clause in caption["clauses"])
