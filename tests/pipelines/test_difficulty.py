"""Difficulty: pass rates that mean something, a search where nothing was right, and no sample lost."""

import json
from functools import partial

import pytest
from pydantic import ValidationError

from pipelines import workers
from pipelines.difficulty import STAGE, Parameters
from pipelines.lake import Lake
from pipelines.runner import run_stage
from pipelines.stage import StageCall, WorkerSpec
from pipelines.tasks import FAMILIES
from pipelines.tasks.rows import sample_row
from pipelines.tools import picture_id
from pipelines.workers.pair import Pair
from schemas.messages import pictures
from schemas.requests import Failed
from tests.pipelines.jobs import IDENTITY, Scripted, given, picture, reasons, rows, run, said, sample

PHOTO, OTHER = picture(1), picture(2)
SPENT = ("flat_tokens", "expansion_tokens", "rollout_tokens")
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
    assert easy["high"] == 1.0 and easy["low"] < 0.9 and easy["interval"] == "mixture"
    assert easy["zero_variance"] > even["zero_variance"] and easy["curriculum"] < even["curriculum"]
    assert (easy["solutions"], easy["root_value"], never["solutions"], never["root_value"]) == (None, None, 0, 0.0)
    assert 0 < even["k"] < 8 and even["low"] < even["pass_rate"] < even["high"] and 1 <= even["iterations"] <= 8
    assert (never["k"], never["iterations"], never["censored_at"]) == (0, None, 11)  # 8 attempts, then 3 of the search
    assert (never["suspicion"], never["evidence"]) == (
        "label",
        "agreement",
    )  # every attempt gives the same other answer
    assert json.loads(never["suggested"]) == "blue" and never["curriculum"] == 11.5 / 12 > even["curriculum"]
    assert never["flat_tokens"] == 40 and never["tokens"] == sum(never[name] for name in SPENT) > 40
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


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"bands": (0.2, 1.0)}, "between 0 and 1"),
        ({"rollouts": 0}, "nothing is measured"),
    ],
)
def test_what_would_measure_nothing_is_refused(wrong, why):
    with pytest.raises(ValidationError, match=why):
        Parameters(**wrong)


def test_greedy_attempts_are_refused():
    with pytest.raises(ValidationError, match="greater than 0"):
        Parameters(temperature=0)


def test_attempts_are_topped_up_while_the_interval_straddles_a_band(lake):
    asked = Parameters(bands=(0.9,), most=32, iterations=0)
    found, done = measured(lake, "Easy?", "Even?", "Never?", **asked.model_dump(exclude_unset=True))
    rule = asked.rule("rollouts")
    for row in found.values():
        assert (row["low"], row["high"]) == rule.interval(row["k"], row["n"]) and row["interval"] == rule.method
        assert rule.settled(row["k"], row["n"]) or row["n"] == 32
        assert not any(rule.settled(0, n) for n in rule.looks if row["k"] == 0 and n < row["n"])
    assert [found[name]["n"] for name in ("Easy?", "Never?")] == [32, 8]
    tried = [row for row in rows(lake, done, "rollouts") if row["purpose"] == "difficulty"]
    assert len(tried) == len({(row["sample_id"], row["seed"]) for row in tried}) == 40 + found["Even?"]["n"]


def test_a_search_at_every_sample_counts_the_tree_alone(lake):
    found, done = measured(lake, "Easy?", "Never?", search="always", rollouts=0, iterations=3)
    easy, never = found["Easy?"], found["Never?"]
    assert (easy["iterations"], easy["solutions"], easy["root_value"], easy["n"]) == (1, 1, 1.0, 0)
    assert (never["iterations"], never["censored_at"], never["suspicion"]) == (None, 3, None)
    assert easy["pass_rate"] is None and (easy["low"], easy["high"], easy["zero_variance"]) == (0.0, 1.0, None)
    assert easy["curriculum"] == 0.25 and never["curriculum"] == 3.5 / 4
    assert {row["purpose"] for row in rows(lake, done, "rollouts")} == {"mcts"}
    both, _ = measured(lake, "Never?", search="always", rollouts=4, iterations=3)
    assert (both["Never?"]["censored_at"], both["Never?"]["n"]) == (3, 4)


def test_controls_show_no_other_and_blurred_pictures(lake):
    shown: dict[str, set[tuple[str, ...]]] = {}

    def watch(request):
        purpose = request.request_id.split(":")[1]
        shown.setdefault(purpose, set()).add(tuple(pictures(request.messages)))
        return said(WRONG if purpose == "blurred" else RIGHT)

    found, _ = measured(lake, "A?", "B?", worker=watch, images=(PHOTO, OTHER), blind=2, wrong_image=2, blurred=2)
    row = found["A?"]
    assert (row["blind_rate"], row["wrong_image_rate"], row["blurred_rate"]) == (1.0, 1.0, 0.0)
    assert row["suspicion"] == "blind" and row["blind_solvable"] and row["blind_low"] > 0.5
    assert shown["blind"] == {()} and shown["wrong_image"] == shown["difficulty"] and len(shown["difficulty"]) == 2
    assert not shown["blurred"] & shown["difficulty"] and len(shown["blurred"]) == 2


def both(policy, stronger, *loaders):
    return Pair(Scripted(policy), Scripted(stronger))


def better(request):
    """Knows one of the two answers, and is sure of another in place of the second label."""
    return said(RIGHT if request.messages[0].text == "Hard?" else "<answer>green</answer>")


def test_a_stronger_worker_tells_a_hard_question_from_a_wrong_label(lake):
    samples = {name: sample(PHOTO, name) for name in ("Easy?", "Hard?", "Wrong?")}
    clusters = [{"sample_id": row["sample_id"], "cluster_id": row["sample_id"]} for row in samples.values()]
    upstream = given(lake, PHOTO, samples=list(samples.values()), clusters=clusters)
    asked = Parameters(rollouts=8, iterations=1, stronger="better@1", opinions=4)
    worker = WorkerSpec(IDENTITY, partial(both, script, better))
    done = run_stage(lake, StageCall(STAGE, asked, (upstream,), worker))
    found = {row["sample_id"]: row for row in rows(lake, done, "difficulty")}
    easy, hard, wrong = (found[row["sample_id"]] for row in samples.values())
    assert easy["k"] == 8 and (easy["suspicion"], hard["suspicion"]) == (None, None)  # though all say the same of it
    assert (hard["k"], hard["iterations"], wrong["suspicion"], wrong["evidence"]) == (0, None, "label", "stronger")
    assert json.loads(wrong["suggested"]) == "green"
    opinions = [row for row in rows(lake, done, "rollouts") if row["purpose"] == "stronger"]
    assert len(opinions) == 8 and {row["policy"] for row in opinions} == {"better@1"}
    assert {row["sample_id"] for row in opinions} == {hard["sample_id"], wrong["sample_id"]}
    assert {row["policy"] for row in rows(lake, done, "difficulty")} == {IDENTITY.name}


@pytest.mark.parametrize("knows", ["text", "letter"])
def test_moved_options_tell_the_answer_from_its_letter(lake, knows):
    """The letters of a question move with every attempt; whoever knows its text is right all the same."""

    def answers(request):
        (line,) = [line for line in request.messages[-1].text.splitlines() if line.endswith(". red")]
        return said(f"<answer>{line[0] if knows == 'text' else 'B'}</answer>")

    asked = sample(PHOTO, "Which?", "B", options=("blue", "red", "green"), answer_type="choice")
    clusters = [{"sample_id": asked["sample_id"], "cluster_id": "c"}]
    upstream = given(lake, PHOTO, samples=[asked], clusters=clusters)
    done = run(lake, STAGE, Parameters(rollouts=4, shuffled=4, iterations=0), upstream, script=answers)
    (row,) = rows(lake, done, "difficulty")
    assert (row["pass_rate"], row["shuffled_rate"]) == (1.0, 1.0 if knows == "text" else 0.0)


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
    asked = Parameters(rollouts=3, bands=(0.3,), most=6, blind=1, iterations=1, max_tokens=24, max_turns=2)
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
    assert {row["n"] for row in found[0][0]} == {3, 6}  # some were topped up
