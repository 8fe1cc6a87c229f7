"""Difficulty: pass rates that mean something, a search where nothing was right, and no sample lost."""

import json
from functools import partial

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines import workers
from pipelines.attempts import Moves
from pipelines.difficulty import STAGE, Parameters, zero_variance
from pipelines.lake import Lake
from pipelines.runner import run_stage
from pipelines.stage import StageCall, WorkerSpec
from pipelines.tasks import FAMILIES
from pipelines.tasks.rows import sample_row
from pipelines.tools import picture_id
from schemas.messages import pictures
from schemas.requests import Failed, Generated
from tests.pipelines.jobs import IDENTITY, given, picture, reasons, rows, run, said, sample

PHOTO, OTHER = picture(1), picture(2)
RIGHT, WRONG = "<answer>red</answer>", "<answer>blue</answer>"


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def script(request):
    """Always right, right when the seed is even, never right, or failing: as the question says."""
    question = request.messages[0].text
    if question == "Failing?":
        return Failed("timeout", "no answer in time", transient=True)
    even = request.seed % 2 == 0
    return said(RIGHT if question == "Easy?" or (question == "Even?" and even) else WRONG)


def measured(lake: Lake, *questions: str, worker=script, images=(PHOTO,), **parameters):
    samples = {question: sample(images[i % len(images)], question) for i, question in enumerate(questions)}
    clusters = [{"sample_id": row["sample_id"], "cluster_id": row["sample_id"]} for row in samples.values()]
    upstream = given(lake, *images, samples=list(samples.values()), clusters=clusters)
    done = run(lake, STAGE, Parameters(**parameters), upstream, script=worker)
    found = {row["sample_id"]: row for row in rows(lake, done, "difficulty")}
    return {question: found.get(row["sample_id"]) for question, row in samples.items()}, done


def test_three_samples(lake):
    found, done = measured(lake, "Easy?", "Even?", "Never?", rollouts=8, iterations=3, group=4)
    assert done.counts.kept == 3
    easy, even, never = found["Easy?"], found["Even?"], found["Never?"]
    assert (easy["k"], easy["n"], easy["pass_rate"], easy["iterations"], easy["censored_at"]) == (8, 8, 1.0, 1, None)
    assert easy["zero_variance"] == 1.0 and easy["high"] == 1.0 and easy["low"] < 0.9
    assert 0 < even["k"] < 8 and even["low"] < even["pass_rate"] < even["high"] and 1 <= even["iterations"] <= 8
    assert (never["k"], never["iterations"], never["censored_at"]) == (0, None, 11)  # 8 attempts, then 3 of the search
    assert never["suspicion"] == "label"  # every attempt gives the same other answer
    assert {row["policy"] for row in found.values()} == {IDENTITY.name}
    rollouts = rows(lake, done, "rollouts")
    flat = [row for row in rollouts if row["purpose"] == "difficulty"]
    assert len(flat) == 24 and len({row["seed"] for row in flat}) == 24
    searched = [row for row in rollouts if row["purpose"] == "mcts"]
    assert searched and {row["sample_id"] for row in searched} == {never["sample_id"]}
    nodes = rows(lake, done, "tree_nodes")
    assert {row["sample_id"] for row in nodes} == {never["sample_id"]}
    (root,) = [row for row in nodes if row["parent_id"] is None]
    assert root["visits"] == 3 and root["value"] == 0


def test_a_search_may_find_what_attempts_did_not(lake):
    def late(request):
        return said(RIGHT if "mcts/2/" in request.request_id or "mcts/3/" in request.request_id else WRONG)

    found, done = measured(lake, "Late?", worker=late, rollouts=4, iterations=5)
    late_row = found["Late?"]
    assert (late_row["k"], late_row["pass_rate"], late_row["censored_at"]) == (0, 0.0, None)
    assert late_row["iterations"] == 4 + 2
    assert any(row["correct"] and row["purpose"] == "mcts" for row in rows(lake, done, "rollouts"))


@pytest.mark.parametrize(
    ("said_by_all", "ended"),
    [
        (WRONG, ("answer", 0, 0)),
        ("I cannot say.", ("silent", 0, 0)),
        ('<tool_call>{"name": "rotate", "arguments": {"angle": 90}}</tool_call>', ("turns", 2, 2)),
    ],
)
def test_how_attempts_and_lines_of_a_search_ended_is_recorded(lake, said_by_all, ended):
    _, done = measured(lake, "Any?", worker=lambda _: said(said_by_all), rollouts=2, iterations=1, max_turns=2)
    found = rows(lake, done, "rollouts")
    assert {row["purpose"] for row in found} == {"difficulty", "mcts"}
    assert {(row["finish"], row["calls"], row["pictures"]) for row in found} == {ended}


def test_without_a_search_an_unsolved_sample_is_kept_and_censored(lake):
    found, done = measured(lake, "Never?", rollouts=4, iterations=0)
    assert (found["Never?"]["iterations"], found["Never?"]["censored_at"]) == (None, 4)
    assert rows(lake, done, "tree_nodes") == [] and done.counts.rejected == 0


def test_a_failed_request_is_a_transient_failure_and_no_wrong_answer(lake):
    found, done = measured(lake, "Failing?", "Easy?")
    assert found["Failing?"] is None and found["Easy?"]["k"] == 8
    assert list(reasons(lake, done).values()) == ["timeout"]
    assert rows(lake, done, "failures")[0]["transient"]
    assert all(row["text"] == RIGHT for row in rows(lake, done, "rollouts"))


def test_greedy_attempts_are_refused():
    with pytest.raises(ValidationError, match="greater than 0"):
        Parameters(temperature=0)


def test_controls_show_no_other_and_blurred_pictures(lake):
    shown: dict[str, set[tuple[str, ...]]] = {}

    def watch(request):
        purpose = request.request_id.split(":")[1]
        shown.setdefault(purpose, set()).add(tuple(pictures(request.messages)))
        return said(WRONG if purpose == "blurred" else RIGHT)

    found, _ = measured(lake, "A?", "B?", worker=watch, images=(PHOTO, OTHER), blind=2, wrong_image=2, blurred=2)
    row = found["A?"]
    assert (row["blind_rate"], row["wrong_image_rate"], row["blurred_rate"]) == (1.0, 1.0, 0.0)
    assert row["suspicion"] == "blind"
    assert shown["blind"] == {()} and shown["wrong_image"] == shown["difficulty"] and len(shown["difficulty"]) == 2
    assert not shown["blurred"] & shown["difficulty"] and len(shown["blurred"]) == 2


def test_the_order_of_rows_and_how_they_are_cut_change_nothing(lake, tmp_path):
    names = ("Easy?", "Even?", "Never?", "Even?".replace("E", "O"))
    one, _ = measured(lake, *names)
    samples = [sample(PHOTO, name) for name in reversed(names)]
    clusters = [{"sample_id": row["sample_id"], "cluster_id": "c"} for row in samples]
    other = Lake(tmp_path / "other")
    upstream = given(other, PHOTO, samples=samples, clusters=clusters)
    done = run(other, STAGE, Parameters(), upstream, script=script, part_rows=1, wave_rows=3)
    assert {row["sample_id"]: row for row in rows(other, done, "difficulty")} == {
        row["sample_id"]: row for row in one.values()
    }


def test_with_a_real_model_other_part_sizes_give_the_same_labels(tmp_path):
    """Parts of 3 and of 8 rows are other batches; what is said, hence k of n and every label, must not depend on it."""
    spec = workers.WorkerSpec("local:seedling", options=(("device", "cpu"),))
    worker = WorkerSpec(workers.identity_of(spec), partial(workers.connect, spec))
    made = [(task, FAMILIES[task].make(seed, 0)) for task in ("counting", "charts") for seed in range(4)]
    samples = [sample_row(task, 0, each, [picture_id(image) for image in each.images]) for task, each in made]
    images = [image for _, each in made for image in each.images]
    clusters = [{"sample_id": row["sample_id"], "cluster_id": row["sample_id"]} for row in samples]
    asked = Parameters(rollouts=3, iterations=1, max_tokens=24, max_turns=2)
    found = []
    for part_rows in (3, 8):
        lake = Lake(tmp_path / str(part_rows))
        upstream = given(lake, *images, samples=samples, clusters=clusters)
        done = run_stage(lake, StageCall(STAGE, asked, (upstream,), worker, part_rows=part_rows, wave_rows=8))
        assert (done.counts.read, done.counts.kept) == (8, 8)
        said = {row["rollout_id"]: (row["text"], row["correct"]) for row in rows(lake, done, "rollouts")}
        found.append((rows(lake, done, "difficulty"), said))
    assert found[0] == found[1]
    assert len({text for text, _ in found[0][1].values()}) > 8  # it did say something


@drawn(st.floats(0, 1), st.integers(2, 64))
def test_the_forecast_is_a_chance_lowest_in_the_middle(rate, group):
    assert 0 <= zero_variance(rate, group) <= 1
    assert zero_variance(0.5, group) <= zero_variance(rate, group) + 1e-12
    assert zero_variance(rate, group) == pytest.approx(zero_variance(1 - rate, group))


def test_a_line_of_the_search_is_a_conversation(lake):
    """Steps end at `;` or a line; the unfinished turn is what the policy goes on from; a call is carried out."""

    class Stub:
        worker = type("W", (), {"identity": IDENTITY})
        image = staticmethod(lambda name: PHOTO)
        show = staticmethod(lambda image: "made")

    row = sample(PHOTO)
    moves = Moves(row, Parameters(), Stub())
    start = moves.start()
    first = moves.step(start, "x/1", 7)
    assert first.sampling.stop == (";", "\n") and first.messages[-1].role == "user"
    line = moves.advance(start, Generated("red circle 21;", "stop", 10, 4))
    assert line.said == "red circle 21;" and moves.verdict(line) is None
    again = moves.rest(line, "x/2", 8)
    assert again.messages[-1].role == "assistant" and again.messages[-1].text == line.said and again.sampling.stop == ()
    call = ' look\n<tool_call>\n{"name": "rotate", "arguments": {"angle": 90}}\n</tool_call>'
    turned = moves.advance(line, Generated(call, "stop", 14, 9))
    assert turned.said == "" and len(turned.texts) == 1 and turned.steps[-1]["kind"] == "observation"
    ended = moves.advance(turned, Generated(f"so it is\n{RIGHT}", "stop", 20, 6))
    assert moves.verdict(ended) is True and ended.completion_tokens == 19
    (rollout,) = moves.rollouts
    assert rollout["correct"] and rollout["turns"] == 2 and json.loads(rollout["answer"]) == "red"
    cut = moves.advance(line, Generated(" and so on", "length", 14, 9))
    assert moves.verdict(cut) is False
