"""Proposals: each defect of an author is caught by the rule that names it, and what is kept can be injected."""

import itertools
import json
from collections import Counter
from functools import partial

import pytest
from PIL import Image

from pipelines import vicrit
from pipelines.captions.author import MEANS, sentences
from pipelines.captions.injection import inject
from pipelines.captions.swaps import KINDS, Swap, times
from pipelines.lake import Lake
from pipelines.propose import STAGE, Parameters
from pipelines.runner import run_stage
from pipelines.stage import StageCall
from pipelines.stage import WorkerSpec as Stated
from pipelines.tasks import FAMILIES
from pipelines.tasks.rows import caption_row, sample_row
from pipelines.tools import picture_id
from pipelines.verifiers import verify_row
from pipelines.workers import WorkerSpec, connect
from schemas.ids import content_id
from schemas.outcome import check_law
from schemas.requests import WorkerIdentity
from tests.pipelines.authored import AUTHORED, CAPTIONS, GOOD, VOTES
from tests.pipelines.jobs import Failed, given, picture, reasons, rows, run, said
from tests.pipelines.workers.server.test_worker import serve

PICTURES = [picture(seed) for seed in range(len(CAPTIONS))]
SCRIPT = {(number, kind): (answer, expected) for number, kind, answer, expected in AUTHORED}
AUTHOR = Parameters(injectors=("author",), max_tokens=64)


def caption(text: str, image: Image.Image) -> dict:
    image_id = picture_id(image)
    return {
        "caption_id": content_id("caption", [image_id, text]),
        "image_id": image_id,
        "text": text,
        "clauses": [],
        "source": "human",
        "license": "CC0-1.0",
        "task": "ingested",
        "domain": "natural",
    }


HUMAN = [caption(text, image) for text, image in zip(CAPTIONS, PICTURES, strict=True)]


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def scripted(text: str) -> tuple[list[str], bool]:
    """The author's answer, or as many votes as were asked for; and whether it was cut off."""
    if "Is this sentence true of it?" in text:
        sentence = text.partition("“")[2].rpartition("”")[0]
        usual = " ".join(["yes" if any(sentence in each for each in CAPTIONS) else "no"] * 3)
        return VOTES.get(sentence, usual).split(), False
    number = next(at for at, each in enumerate(CAPTIONS) if each in text)
    kind = next(kind for kind in KINDS if f"The phrase says {MEANS[kind]}." in text)
    answer, expected = SCRIPT[number, kind]
    if isinstance(answer, tuple):
        answer = json.dumps(dict(zip(("original", "replacement"), answer, strict=True)))
    return [answer], expected == "cut_off"


def behave(_: int, body: dict) -> tuple[int, dict, dict]:
    answers, cut = scripted(body["messages"][0]["content"][-1]["text"])
    choices = [
        {"index": at, "message": {"role": "assistant", "content": text}, "finish_reason": "length" if cut else "stop"}
        for at, text in enumerate(itertools.islice(itertools.cycle(answers), body.get("n", 1)))
    ]
    return 200, {}, {"choices": choices, "usage": {"prompt_tokens": 40, "completion_tokens": 3}}


def test_the_script_asks_every_type_of_every_caption():
    assert len(AUTHORED) == len(SCRIPT) == len(CAPTIONS) * len(KINDS) == 88


def test_each_defect_of_a_scripted_author_is_named_by_the_rule_that_caught_it(lake, monkeypatch):
    """88 answers over HTTP, from a server that knows nothing of the rules."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    upstream = given(lake, *PICTURES, captions=HUMAN)
    with serve(behave) as server:
        options = {"model": "author", "cache": "off", "picture_names": "off", "attempts": 2, "timeout_s": 20}
        spec = WorkerSpec(f"openai:{server.address}", "1", tuple(options.items()))
        stated = Stated(WorkerIdentity("openai", "author", "1", None), partial(connect, spec))
        done = run_stage(lake, StageCall(STAGE, AUTHOR, (upstream,), stated))
    check_law(STAGE.name, done.counts)
    rejected = reasons(lake, done)
    texts = {row["caption_id"]: number for number, row in enumerate(HUMAN)}
    found = {(texts[name.split("/")[0]], name.split("/")[2]): rule for name, rule in rejected.items()}
    kept = {(texts[row["caption_id"]], row["kind"]): GOOD for row in rows(lake, done, "proposals")}
    assert found | kept == {key: expected for key, (_, expected) in SCRIPT.items()}
    assert done.counts.read == 88 and done.counts.failed == 0
    schemas = {json.dumps(body.get("response_format"), sort_keys=True) for body in server.bodies}
    assert len(schemas) == 2  # guided JSON of the author, plain words of voters


def test_the_script_holds_every_kind_of_defect():
    counts = Counter(expected for _, _, _, expected in AUTHORED)
    named = {"unusable", "cut_off", "not_voted_true", "not_voted_false", "no_verdict"}
    words = {"not_in_caption", "no_change", "too_long", "more_than_one_change", "not_once", "said_of_another"}
    sense = {"wrong_type", "synonym", "indistinct", "broader_or_narrower", "negated", "hedged", "same_either_way"}
    assert set(counts) == {GOOD, *named, *words, *sense, "one_or_many", "article"}
    assert counts[GOOD] >= 40 and sum(counts.values()) - counts[GOOD] >= 30


def judge(request):
    answers, _ = scripted(request.messages[0].text)
    first, *others = [said(text) for text in itertools.islice(itertools.cycle(answers), request.sampling.n)]
    return type(first)(first.text, "stop", 10, 5, others=tuple(others))


def test_grammatical_proposals_are_voted_on_and_injected(lake):
    upstream = given(lake, *PICTURES, captions=HUMAN)
    done = run(lake, STAGE, Parameters(injectors=("grammatical",)), upstream, script=judge)
    proposals = rows(lake, done, "proposals")
    assert len(proposals) >= 40 and {row["kind"] for row in proposals} == set(KINDS)
    assert {"no_candidate"} <= set(reasons(lake, done).values())
    for row in proposals:
        votes = json.loads(row["proof"])["votes"]
        assert votes["original"] > 0.5 > votes["replacement"] and votes["of"] == 3
    injected = run(lake, vicrit.STAGE, vicrit.Parameters(per_caption=3), upstream, done.key)
    made = rows(lake, injected, "injections")
    assert len(made) >= 2 * len(CAPTIONS) and {row["injector"] for row in made} == {"grammatical"}
    asked = {row["sample_id"]: row for row in rows(lake, injected, "samples")}
    for row in made:
        assert times(row["replacement"], row["text"]) == 1 and row["text"] not in CAPTIONS
        assert verify_row(f"<answer>{row['replacement']}</answer>", asked[row["sample_id"]]).correct


def test_without_votes_for_it_nothing_is_kept(lake):
    upstream = given(lake, *PICTURES, captions=HUMAN)
    asked = Parameters(injectors=("grammatical",), kinds=("attribute",))
    yes = run(lake, STAGE, asked, upstream, script=lambda request: said("yes"))
    assert set(reasons(lake, yes).values()) <= {"not_voted_false", "no_candidate"} and yes.counts.kept == 0
    one = asked.model_copy(update={"votes": 1})
    unsure = run(lake, STAGE, one, upstream, script=lambda request: said("it may be"))
    assert set(reasons(lake, unsure).values()) <= {"no_verdict", "no_candidate"} and unsure.counts.kept == 0


def test_a_worker_that_fails_is_an_accident_and_no_vote(lake):
    upstream = given(lake, *PICTURES[:1], captions=HUMAN[:1])
    for injector in ("grammatical", "author"):
        asked = Parameters(injectors=(injector,), kinds=("attribute",))
        done = run(lake, STAGE, asked, upstream, script=lambda request: Failed("http_500", "busy", True))
        assert (done.counts.failed, done.counts.kept) == (1, 0)


def test_a_programs_caption_needs_no_votes(lake):
    """An author that swaps what the program proves is believed without a vote; nothing else of it is."""
    made = FAMILIES["stilllife"].make(4, 1)
    name = picture_id(made.images[0])
    sample = sample_row("stilllife", 1, made, [name])
    told = caption_row("stilllife", made, name, sample["sample_id"])
    clause = next(clause for clause in told["clauses"] if json.loads(clause["fact"])["path"][-1] == "material")
    other = next(word for word in json.loads(clause["fact"])["among"] if times(word, told["text"]) == 0)
    answer = json.dumps({"original": clause["text"], "replacement": other})
    asked = Parameters(injectors=("author",), kinds=("material",), programs=True)
    upstream = given(lake, *made.images, samples=[sample], captions=[told])

    def script(request):
        assert request.request_id.endswith("/author"), "nobody votes on what is proved"
        return said(answer)

    done = run(lake, STAGE, asked, upstream, script=script)
    if times(clause["text"], told["text"]) == 1:
        (row,) = rows(lake, done, "proposals")
        assert json.loads(row["proof"])["true"]["value"] == clause["text"] and row["injector"] == "author"
    else:
        assert set(reasons(lake, done).values()) == {"not_once"}
    assert run(lake, STAGE, asked.model_copy(update={"programs": False}), upstream).counts.read == 0


def test_the_sentence_around_a_phrase():
    text = "A dog sits here. Two red cups stand on it. No more."
    swap = Swap("attribute", "red", "blue", text.index("red"), {})
    assert sentences(text, swap) == ("Two red cups stand on it.", "Two blue cups stand on it.")
    first = Swap("object", "A dog", "A cat", 0, {})
    assert sentences(text, first) == ("A dog sits here.", "A cat sits here.")
    row = inject(HUMAN[0], {**HUMAN[0], "sample_id": None, "dial": None, "state_id": None}, first).sample
    assert row["parents"] == [] and row["state_id"] is None
