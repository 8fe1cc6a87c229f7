"""Trees to traces: direct and backtracking lines, with the way that they came, proven as all traces are."""

import json
from functools import partial

import pytest

from pipelines import difficulty, verify, workers
from pipelines.attempts import turns_of
from pipelines.branches import Line, alike, branch, lines_of
from pipelines.lake import Lake
from pipelines.linearise import STAGE, Parameters
from pipelines.prompts import conversation
from pipelines.reflection import CLAIMS, RECOGNITIONS
from pipelines.runner import run_stage
from pipelines.stage import StageCall, WorkerSpec
from pipelines.tasks import FAMILIES
from pipelines.tasks.rows import sample_row
from pipelines.tools import picture_id
from pipelines.tools.replay import replay
from pipelines.tools.turn import assistant_text, step
from schemas.requests import Generated
from schemas.rows import StepRow, TraceRow
from tests.pipelines.jobs import given, picture, reasons, rows, run, sample

PHOTO = picture(1)
REGION = [{"label": "mark", "box": [4, 4, 20, 20]}]


def crop(x0: int, y0: int, x1: int, y1: int) -> str:
    call = json.dumps({"name": "crop", "arguments": {"bbox_2d": [x0, y0, x1, y1]}})
    return f"<tool_call>\n{call}\n</tool_call>"


FIRST = f"all of it\n{crop(0, 0, 1000, 1000)}"
RIGHT = [FIRST, f"look there; above\n{crop(0, 0, 500, 500)}", "Red.\n<answer>red</answer>"]
WRONG = [FIRST, f"look there; below\n{crop(500, 500, 1000, 1000)}", "Blue.\n<answer>blue</answer>"]
TALES = {
    "Both?": [RIGHT, WRONG],
    "Never?": [WRONG],
    "Silent?": [["It may be red;\n<answer>red</answer>"], ["I cannot say."]],
}


def policy(request) -> Generated:
    """Goes on, with one of the tales that began like this conversation, to its next stop."""
    said = [message.text for message in request.messages if message.role == "assistant"]
    done = sum(message.role == "tool" for message in request.messages)
    begun = said[done] if len(said) > done else ""
    fits = [t for t in TALES[request.messages[0].text] if t[:done] == said[:done] and t[done].startswith(begun)]
    rest = fits[request.seed % len(fits)][done][len(begun) :]
    cuts = [rest.index(stop) + len(stop) for stop in request.sampling.stop if stop in rest]
    return Generated(rest[: min(cuts)] if cuts else rest, "stop", 10, 5)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def searched(lake: Lake, *questions: str, region=None, **more):
    """The key of the samples, and the manifest of difficulty."""
    samples = [sample(PHOTO, question, region=region) for question in questions]
    clusters = [{"sample_id": row["sample_id"], "cluster_id": row["sample_id"]} for row in samples]
    upstream = given(lake, PHOTO, samples=samples, clusters=clusters)
    told = {"rollouts": 0, "search": "always", "iterations": 24, "stop": "budget", "max_turns": 6, "max_images": 6}
    done = run(lake, difficulty.STAGE, difficulty.Parameters(**told | more), upstream, script=policy)
    assert done.counts.kept == len(questions)
    return upstream, done


def test_three_trees(lake) -> None:
    upstream, tree = searched(lake, *TALES)
    done = run(lake, STAGE, Parameters(direct=1, backtracking=2), upstream, tree.key)
    ids = {sample(PHOTO, question)["sample_id"]: question for question in TALES}
    made = rows(lake, done, "traces")
    assert sorted((ids[row["sample_id"]], row["origin"]) for row in made) == [
        ("Both?", "backtracking"),
        ("Both?", "tree"),
        ("Silent?", "tree"),
    ]
    assert (done.counts.read, done.counts.expanded, done.counts.rejected) == (3, 2, 1)
    why = list(reasons(lake, done).values())
    assert why.count("unsolved") == 1 and set(why) == {"unsolved", "enough", "no_answer", "duplicate"}
    lines = rows(lake, tree, "rollouts")
    solved = {row["sample_id"] for row in made}
    assert done.counts.children == sum(row["sample_id"] in solved for row in lines)
    checks = run(lake, verify.STAGE, verify.Parameters(), upstream, done.key)
    assert checks.counts.kept == 3 and checks.counts.rejected == 0
    assert all(lake.image(each["image_id"]) for row in made for each in row["steps"] if each["image_id"])


def test_backtracking_tells_the_shared_beginning_once_and_returns_to_the_very_step(lake) -> None:
    upstream, tree = searched(lake, "Both?")
    done = run(lake, STAGE, Parameters(direct=0, backtracking=1), upstream, tree.key)
    (trace,) = rows(lake, done, "traces")
    texts = [each["text"] for each in trace["steps"] if each["kind"] == "thought"]
    assert texts[0] == "all of it"
    assert texts[1] == "look there; below" and texts[2] == "Blue."
    assert texts[3] in {each.format(answer="blue") for each in CLAIMS}
    assert texts[4] in {each.format(answer="blue", place="look there") for each in RECOGNITIONS["from"]}
    assert texts[5:] == ["above", "Red."]  # not "look there; above" once more
    assert (trace["shared_steps"], trace["wrong_steps"]) == (3, 8)
    assert (trace["wrong_answer"], trace["answer"]) == ('"blue"', '"red"')
    targets = [json.loads(each["arguments"]).get("target_image") for each in trace["steps"] if each["tool"]]
    assert targets == [None, None, 2]  # the right line's crop is of the same picture, which is the latest no more


def test_a_trace_names_its_tree_its_node_and_its_lines(lake) -> None:
    upstream, tree = searched(lake, "Both?")
    done = run(lake, STAGE, Parameters(), upstream, tree.key)
    nodes = {row["node_id"]: row for row in rows(lake, tree, "tree_nodes")}
    lines = {row["rollout_id"]: row for row in rows(lake, tree, "rollouts")}
    edges = {(row["child_id"], row["relation"]): row["parent_id"] for row in rows(lake, done, "lineage")}
    for trace in rows(lake, done, "traces"):
        producer, name = json.loads(trace["producer"]), trace["trace_id"]
        right, node = lines[edges[name, "kept_from"]], nodes[edges[name, "grown_from"]]
        assert (producer["right"], producer["node"]) == (right["rollout_id"], node["node_id"])
        assert producer["tree"] == node["tree_id"] and right["correct"]
        assert turns_of(right)[-1] == assistant_text(trace["steps"][-2:])
        if trace["origin"] == "tree":
            assert right["node_id"] == node["node_id"] and (name, "corrects") not in edges
            (line,) = lines_of(list(nodes.values()), [right], [PHOTO])
            assert line.steps == trace["steps"]
        else:
            wrong = lines[edges[name, "corrects"]]
            assert producer["wrong"] == wrong["rollout_id"] and wrong["correct"] is False
            for line in lines_of(list(nodes.values()), [wrong, right], [PHOTO]):
                assert node in line.path


def tampered(trace: dict, **changes) -> dict:
    """The trace with other content, under the name of that content."""
    return TraceRow.of({**trace, **changes}).row()


def test_what_was_tampered_with_is_refused(lake) -> None:
    """Renamed after its new content it must still replay, be wrong where it says so, and branch between two turns."""
    upstream, tree = searched(lake, "Both?")
    (trace,) = rows(lake, run(lake, STAGE, Parameters(direct=0), upstream, tree.key), "traces")
    steps = trace["steps"]
    other = [{**each, "text": "The sky."} if each["text"] == "above" else each for each in steps]
    jump = [{**each, "image_id": picture_id(PHOTO)} if each["kind"] == "observation" else each for each in steps]
    cases = {
        "altered_trace": {**trace, "steps": other, "trace_id": "f" * 32},
        "replay_mismatch": tampered(trace, steps=jump),
        "not_wrong": tampered(trace, wrong_answer='"red"'),
        "not_wrong ": tampered(trace, shared_steps=2),
        "not_wrong  ": tampered(trace, wrong_steps=len(steps)),
        "wrong_answer": tampered(trace, steps=[*steps[:-1], step("answer", "green")]),
    }
    told = given(lake, PHOTO, samples=[sample(PHOTO, "Both?")], traces=[trace, *cases.values()])
    checks = run(lake, verify.STAGE, verify.Parameters(), told)
    assert [row["trace_id"] for row in rows(lake, checks, "checks")] == [trace["trace_id"]]
    assert reasons(lake, checks) == {row["trace_id"]: reason.strip() for reason, row in cases.items()}


def test_a_region_counts_where_both_lines_saw_it_and_not_where_the_wrong_one_did(lake) -> None:
    """The shared crop of everything shows it; where nothing is shared, only the right line's own views count."""
    upstream, tree = searched(lake, "Both?", region=REGION)
    (trace,) = rows(lake, run(lake, STAGE, Parameters(direct=0), upstream, tree.key), "traces")
    pictures = replay([PHOTO], trace["steps"]).images
    region = json.dumps(REGION)
    assert verify.region_share(region, trace["steps"], pictures, range(3, 8)) == 1.0
    away = json.dumps([{"label": "mark", "box": [40, 40, 60, 60]}])
    assert verify.region_share(away, trace["steps"], pictures, range(3, 8)) == 1.0  # the shared view
    assert verify.region_share(away, trace["steps"], pictures, range(8)) == 0.0  # the right line's own


def test_without_room_in_a_conversation_there_is_no_backtracking(lake) -> None:
    upstream, tree = searched(lake, "Both?", max_turns=3)
    done = run(lake, STAGE, Parameters(), upstream, tree.key)
    assert [row["origin"] for row in rows(lake, done, "traces")] == ["tree"]
    assert {row["value"] for row in rows(lake, done, "rejects") if row["reason"] == "no_room"} == {4.0}


def line(*turns: str) -> Line:
    """A line that was said like this, and played over the photograph."""
    ends = [len("\n\n".join(turns[: number + 1])) for number in range(len(turns))]
    row = {"rollout_id": turns[-1], "node_id": "n", "seed": 0, "text": "\n\n".join(turns), "turn_ends": ends}
    node = {"node_id": "n", "parent_id": None}
    (played,) = lines_of([node], [{**row, "sampling": '{"max_images": 4}'}], [PHOTO])
    return played


def taken_back(one: Line, other: Line) -> tuple[str, list[str]]:
    """The kind of sentence that stands between them, and the thoughts and the answer that follow."""
    told = branch(one, "blue", other, 1)
    said = told.steps[told.wrong_steps]["text"]
    places = {place.strip() for place in one.row["text"].replace("\n", ";").split(";")}
    forms = {f.format(answer="blue", place=p): kind for kind, fs in RECOGNITIONS.items() for f in fs for p in places}
    return forms[said], [each["text"] for each in told.steps[told.wrong_steps + 1 :]]


def test_the_right_line_goes_on_behind_the_last_step_of_both() -> None:
    """A step ends at a delimiter, and never inside a call or an answer."""
    one = line("see a; see b; blue\n<answer>blue</answer>")
    assert taken_back(one, line("see a; see b; red\n<answer>red</answer>")) == ("from", ["red", "red"])
    assert taken_back(one, line("see a; look\n<answer>red</answer>")) == ("from", ["look", "red"])
    assert taken_back(one, line("see c\n<answer>red</answer>")) == ("anew", ["see c", "red"])
    assert taken_back(one, line("see a; see b;\n<answer>red</answer>")) == ("from", ["red"])
    there, away = f"look\n{crop(0, 0, 500, 500)}", f"look\n{crop(500, 0, 1000, 500)}"
    seen = line(there, "so\n<answer>blue</answer>")
    assert alike(seen, line(there, "then\n<answer>red</answer>")) == (1, "")
    assert taken_back(seen, line(there, "then\n<answer>red</answer>")) == ("earlier", ["then", "red"])
    assert alike(seen, line(away, "so\n<answer>red</answer>")) == (0, "look\n")
    assert alike(line("<answer>1; 2</answer>"), line("<answer>1; 3</answer>")) == (0, "")


def test_trees_of_a_real_model_become_traces_that_are_all_proven(tmp_path) -> None:
    spec = workers.WorkerSpec("local:seedling", options=(("device", "cpu"),))
    worker = WorkerSpec(workers.identity_of(spec), partial(workers.connect, spec))
    made = [FAMILIES["search"].make(seed, 0) for seed in range(4)]
    samples = [sample_row("search", 0, each, [picture_id(image) for image in each.images]) for each in made]
    clusters = [{"sample_id": row["sample_id"], "cluster_id": row["sample_id"]} for row in samples]
    lake = Lake(tmp_path / "lake")
    upstream = given(lake, *(image for each in made for image in each.images), samples=samples, clusters=clusters)
    p = difficulty.Parameters(
        rollouts=0, search="always", iterations=10, stop="budget", max_tokens=60, max_turns=5, max_images=5
    )
    tree = run_stage(lake, StageCall(difficulty.STAGE, p, (upstream,), worker))
    done = run(lake, STAGE, Parameters(direct=2, backtracking=3), upstream, tree.key)
    checks = run(lake, verify.STAGE, verify.Parameters(coverage=0.01), upstream, done.key)
    assert done.counts.children_kept == checks.counts.read > 4
    assert set(reasons(lake, checks).values()) == {"region_missed"}
    told = rows(lake, done, "traces")
    assert {row["origin"] for row in told} == {"tree", "backtracking"}
    by_id = {row["sample_id"]: row for row in samples}
    for row in told:
        steps = [StepRow.of(each).row() for each in row["steps"]]
        assert conversation(by_id[row["sample_id"]], steps)[-1].role == "assistant"
