"""Tree search in the tool loop: what a step is, what the preset says, and what the rows of a tree hold."""

import json
from collections import Counter

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines import workers
from pipelines.attempts import GAP, turns_of
from pipelines.branches import lines_of
from pipelines.difficulty import Parameters
from pipelines.tasks import FAMILIES
from pipelines.tasks.rows import sample_row
from pipelines.tools import picture_id
from pipelines.treesearch import Moves, Searching, search
from pipelines.workers.reader import Reader
from schemas.arrow import table_of
from schemas.messages import Picture, Text, pictures
from schemas.outcome import Row
from schemas.requests import Failed, Generated, TokenLogprob
from tests.pipelines.jobs import IDENTITY, picture, sample

PHOTO = picture(1)
CALL = '<tool_call>\n{"name": "rotate", "arguments": {"angle": 90}}\n</tool_call>'
RIGHT, WRONG = "<answer>red</answer>", "<answer>blue</answer>"


class Room:
    """What a stage's function may ask for, with pictures in a dictionary."""

    worker = type("W", (), {"identity": IDENTITY})

    def __init__(self) -> None:
        self.pictures = {picture_id(PHOTO): PHOTO}

    def image(self, name: str):
        return self.pictures[name]

    def show(self, image) -> str:
        self.pictures[picture_id(image)] = image
        return picture_id(image)


def play(script, p: Searching, row=None, room=None):
    """The tree that a script of requests gives, and the requests."""
    talk, asked, answers = search(row or sample(PHOTO), p, room or Room()), [], None
    while True:
        try:
            requests = next(talk) if answers is None else talk.send(answers)
        except StopIteration as end:
            return end.value, asked
        asked += requests
        answers = script(requests) if isinstance(script, Together) else [script(request) for request in requests]


class Together:
    """A script that is told all requests of a round at once, as a worker that answers in waves is."""

    def __init__(self, answer) -> None:
        self.answer = answer

    def __call__(self, requests):
        return self.answer(requests)


def said(text: str, finish: str = "stop", **more) -> Generated:
    return Generated(text, finish, 10, 5, **more)


def in_pieces(whole: str):
    """A policy that always says the same turns, up to where it is stopped."""

    def answer(request) -> Generated:
        turns = whole.split("|")
        begun = request.messages[-1]
        before = begun.text if begun.role == "assistant" else ""
        done = sum(message.role == "assistant" for message in request.messages) - bool(before)
        rest = turns[done][len(before) :]
        cuts = [rest.index(stop) + len(stop) for stop in request.sampling.stop if stop in rest]
        return said(rest[: min(cuts)] if cuts else rest)

    return answer


def test_a_step_is_text_up_to_a_delimiter_or_a_whole_call_with_what_it_showed() -> None:
    """Line breaks inside a call cut nothing."""
    tale = f"red 21; look closer\n{CALL}|it is red\n{RIGHT}"
    tree, asked = play(in_pieces(tale), Searching(iterations=12, children=2, stop="budget", max_turns=4))
    texts = {node["depth"]: node["text"] for node in tree.nodes}
    assert texts == {0: "", 1: "red 21;", 2: " look closer\n", 3: CALL, 4: "it is red\n", 5: RIGHT}
    by_depth = {node["depth"]: node for node in tree.nodes}
    call = by_depth[3]
    assert (call["tool"], json.loads(call["arguments"])) == ("rotate", {"angle": 90})
    assert call["image_id"] == picture_id(PHOTO.rotate(-90, expand=True)) and call["observation"] is None
    assert [by_depth[depth]["ends_turn"] for depth in range(6)] == [False, False, False, True, False, True]
    assert by_depth[5]["terminal"] and by_depth[5]["correct"] and by_depth[5]["visits"] == 1
    assert {request.request_id.split("/")[2] for request in asked} == {"rest", "step", "call"}
    assert tree.root_value == 1.0 and tree.iterations == 1 and tree.solutions == len(tree.rollouts) == 12


def test_a_delimiter_in_an_answer_cuts_nothing() -> None:
    tree, _ = play(in_pieces("so\n<answer>a; b</answer>"), Searching(iterations=4, children=2))
    assert [node["text"] for node in tree.nodes if node["terminal"]] == ["<answer>a; b</answer>"]


def test_delimiters_are_a_parameter() -> None:
    tree, asked = play(in_pieces(f"a. b. c\n{WRONG}"), Searching(iterations=3, delimiters=[". "]))
    assert {tuple(request.sampling.stop) for request in asked} == {(), (". ",)}
    assert [node["text"] for node in tree.nodes][:2] == ["", "a. "]
    with pytest.raises(ValidationError, match="at least 1"):
        Searching(delimiters=[])


def test_a_turn_that_ends_in_a_delimiter_is_over_where_the_whole_turn_was_asked_for() -> None:
    moves = Moves(sample(PHOTO), Searching(), Room())
    assert moves.verdict(moves.advance(moves.start(), said("I do not know.\n"), cut=False)) is False
    assert moves.verdict(moves.advance(moves.start(), said("I do not know.\n"), cut=True)) is None
    assert moves.verdict(moves.advance(moves.start(), said("I do not", "length"), cut=True)) is False


@settings(max_examples=25, deadline=None)
@drawn(st.integers(0, 10_000), st.sampled_from(["uct", "puct", "visits"]), st.sampled_from(["tried", "reached"]))
def test_a_tree_and_its_lines_can_be_said_again_from_their_rows(seed, select, grow) -> None:
    """Every line of `rollouts` begins with the words on its way through `tree_nodes`, turn by turn."""

    def policy(request) -> Generated:
        ways = ["look;", " again;\n", f"here\n{CALL}", f"so\n{RIGHT}", f"so\n{WRONG}", "no"]
        text = ways[request.seed % len(ways)]
        return said(text[: text.index(";") + 1] if ";" in text and request.sampling.stop else text.replace(";", "."))

    p = Searching(iterations=9, children=2, stop="budget", select=select, grow=grow, seed=seed, max_turns=3)
    tree, asked = play(policy, p)
    table_of("tree_nodes", tree.nodes)
    table_of("rollouts", tree.rollouts)
    assert len({row["rollout_id"] for row in tree.rollouts}) == len(tree.rollouts)
    assert len({row["node_id"] for row in tree.nodes}) == len(tree.nodes)
    for line in lines_of(tree.nodes, tree.rollouts, [PHOTO]):
        turns = [""]
        for node in line.path:
            turns[-1] += node["text"]
            turns += [""] if node["ends_turn"] else []
        whole = turns_of(line.row)
        assert GAP.join(whole) == line.row["text"] and len(whole) == line.row["turns"]
        complete = turns[:-1]
        assert whole[: len(complete)] == complete
        assert (whole + [""])[len(complete)].startswith(turns[-1])
        assert line.row["iteration"] >= line.path[-1]["iteration"]
    siblings = Counter()
    for node in tree.nodes:
        siblings[node["parent_id"]] += node["prior"]
    assert all(total == pytest.approx(1) for total in siblings.values())
    assert sum(node["expansion_tokens"] + node["rollout_tokens"] for node in tree.nodes) == 5 * len(asked)
    assert (tree.expansion_tokens, tree.rollout_tokens) == (
        5 * sum("/rest/" not in request.request_id for request in asked),
        5 * sum("/rest/" in request.request_id for request in asked),
    )


def test_the_policys_own_probabilities_are_asked_for_where_they_are_used() -> None:
    def policy(request) -> Generated:
        odds = -0.1 if request.seed % 2 else -2.3
        text = "likely;" if odds > -1 else "unlikely;"
        if not request.sampling.stop:
            return said(WRONG)
        assert request.sampling.logprobs == 0
        return said(text, logprobs=(TokenLogprob(text, odds), TokenLogprob(";", odds)))

    p = Searching(iterations=4, children=8, select="puct", prior="policy")
    tree, _ = play(policy, p)
    by_text = {node["text"]: node for node in tree.nodes if node["depth"] == 1}
    assert by_text["likely;"]["logprob"] == pytest.approx(-0.1)
    odds = 2.718281828 ** (2.3 - 0.1)
    assert by_text["likely;"]["prior"] / by_text["unlikely;"]["prior"] == pytest.approx(odds)
    with pytest.raises(ValueError, match="the worker gave none; take prior: uniform"):
        play(lambda request: said("a;" if request.sampling.stop else WRONG), p)
    assert all(request.sampling.logprobs is None for request in play(in_pieces(WRONG), Searching())[1])


def test_the_preset_is_the_papers_search() -> None:
    """Selection by visits, k = 3, at most 50 iterations, temperature 0.5, the first solution ends it (§3 of the paper);
    every sample is searched, and what a recipe says beside the preset holds.
    """
    p = Parameters(preset="thinklite")
    assert (p.select, p.children, p.iterations, p.stop, p.temperature) == ("visits", 3, 50, "first", 0.5)
    assert (p.grow, p.depth, p.search) == ("reached", 10, "always")
    other = Parameters(preset="thinklite", iterations=20, temperature=0.8)
    assert (other.iterations, other.temperature, other.select) == (20, 0.8, "visits")
    assert Parameters().iterations == 4 and Parameters().select == "uct"
    with pytest.raises(ValidationError, match="thinklite"):
        Parameters(preset="thinklight")
    json.loads(p.model_dump_json())
    assert Parameters.model_validate_json(p.model_dump_json()) == p


def test_the_preset_has_none_of_the_defects_of_the_published_code() -> None:
    """There: iterations count from 0, unsolved ones are dropped, one child is asked for after another, ends are judged
    again at each visit, equal steps are never one, nothing is seeded, the picture stands behind the text.
    """
    wave: list[int] = []

    def policy(request) -> Generated:
        return said(f"a{request.seed % 2};" if request.sampling.stop else WRONG)

    p = Searching(preset="thinklite", iterations=12)
    talk, answers = search(sample(PHOTO), p, Room()), None
    with pytest.raises(StopIteration) as end:
        while True:
            requests = next(talk) if answers is None else talk.send(answers)
            wave.append(len(requests))
            answers = [policy(request) for request in requests]
            assert all(text.isprintable() for each in requests for m in each.messages for text in m.text.split("\n"))
            (shown, asked) = requests[0].messages[0].parts
            assert isinstance(shown, Picture) and isinstance(asked, Text)
    tree = end.value.value
    assert (tree.iterations, tree.censored_at, tree.root_value) == (None, 12, 0.0)
    assert max(wave) == 3
    for parent in {node["parent_id"] for node in tree.nodes}:
        texts = [node["text"] for node in tree.nodes if node["parent_id"] == parent]
        assert len(set(texts)) == len(texts)
    assert play(policy, p)[0] == tree
    first, _ = play(in_pieces(RIGHT), p)
    assert first.iterations == 1 and first.solutions >= 1


def test_a_failed_request_ends_the_search_and_leaves_its_lines() -> None:
    def policy(request):
        broken = "/3/" in request.request_id
        return Failed("http_500", "gone", transient=True) if broken else said(WRONG)

    tree, _ = play(policy, Searching(iterations=6))
    assert tree.failed == Failed("http_500", "gone", transient=True)
    assert [row["iteration"] for row in tree.rollouts][:2] == [1, 2]


def test_trees_of_other_settings_have_other_names() -> None:
    names = set()
    for more in ({}, {"seed": 1}, {"children": 2}, {"temperature": 0.7}, {"delimiters": ["\n"]}, {"stop": "budget"}):
        tree, _ = play(in_pieces(WRONG), Searching(iterations=2, **more))
        names |= {row["tree_id"] for row in tree.nodes}
    assert len(names) == 6


@pytest.fixture(scope="module")
def looked() -> tuple[Row, Room]:
    """A question that cannot be answered without a tool, and a room with its picture."""
    room, made = Room(), FAMILIES["search"].make(3, 0)
    room.pictures = {picture_id(image): image for image in made.images}
    return sample_row("search", 0, made, list(room.pictures)), room


def test_each_picture_of_a_tree_is_encoded_once_and_remembering_it_changes_no_bit(looked) -> None:
    """The tower runs as often as there are pictures, however many requests show them; a reader that can keep only the
    last one runs it again and again, for the same tree.
    """
    row, room = looked
    worker = workers.connect(workers.WorkerSpec("local:seedling", options=(("device", "cpu"),)), room.image)
    p = Searching(iterations=8, children=2, stop="budget", max_tokens=60, max_turns=3)
    model, shown, runs = worker._reader.model, Counter[str](), Counter[str]()
    tower = model.get_image_features

    def counted(**inputs):
        runs["tower"] += 1
        return tower(**inputs)

    def answer(requests):
        for request in requests:
            shown.update(pictures(request.messages))
        return worker.answer(requests)

    model.get_image_features = counted
    once, _ = play(Together(answer), p, row, room)
    assert runs["tower"] == len(shown) > 1
    assert shown.total() > 2 * len(shown)
    worker._reader = worker._speaker._reader = Reader(model, worker.encoder, remembered_bytes=0)
    again, _ = play(Together(answer), p, row, room)
    assert runs["tower"] > 2 * len(shown)  # both times together
    assert again == once
