"""The tool loop against scripted answers: the loop is what is tested, so a script stands where a model would."""

import pytest
from PIL import Image

from pipelines.prompts import conversation, step
from pipelines.toolloop import converse, together
from pipelines.tools import picture_id
from pipelines.tools.environment import LocalEnvironment, Lost
from pipelines.tools.replay import LIMIT, replay
from schemas.messages import pictures
from schemas.requests import Failed, Generated, Sampling

SAMPLING = Sampling(max_tokens=50, temperature=1.0)
CROP = '<tool_call>{"name": "crop", "arguments": {"bbox_2d": [0, 0, 500, 500]}}</tool_call>'
BLUE = Image.new("RGB", (40, 40), "blue")


def sample(name: str = "s") -> dict:
    return {"sample_id": name, "image_ids": [picture_id(BLUE)], "question": "What?", "options": []}


class Store(dict):
    def __call__(self, image: Image.Image) -> str:
        self[picture_id(image)] = image
        return picture_id(image)


def drive(asking, answer):
    """Runs a generator; `answer(request)` gives each result. Returns what it returns, and all requests by round."""
    rounds, results = [], None
    try:
        while True:
            requests = asking.send(results)
            rounds.append(requests)
            results = [answer(request) for request in requests]
    except StopIteration as stop:
        return stop.value, rounds


def script(*texts, finish="stop"):
    return lambda request: Generated(texts[int(request.request_id.rsplit(":", 1)[1])], finish, 10, 5)


def talk(*texts, finish="stop", **options):
    store = Store()
    options = {"sampling": SAMPLING, "seed": 7, "purpose": "test", **options}
    episode, rounds = drive(converse(sample(), [BLUE], store, **options), script(*texts, finish=finish))
    return episode, [request for requests in rounds for request in requests], store


def test_an_episode_with_a_call():
    episode, requests, store = talk(f"closer {CROP}", "blue\n<answer>blue</answer>")
    assert [item["kind"] for item in episode.steps] == ["thought", "action", "observation", "thought", "answer"]
    assert (episode.answer, episode.finish, episode.turns) == ("blue", "answer", 2)
    assert (episode.prompt_tokens, episode.completion_tokens) == (20, 10)
    assert episode.text == "blue\n<answer>blue</answer>"
    assert [request.request_id for request in requests] == ["s:test:0:0", "s:test:0:1"]
    assert requests[0].seed != requests[1].seed
    assert requests[1].messages == conversation(sample(), episode.steps[:3])
    assert pictures(requests[1].messages)[1] in store
    again = replay([BLUE], episode.steps)
    assert again.mismatches == () and list(store) == list(again.ids[1:])


@pytest.mark.parametrize(
    ("text", "finish", "answer", "ended"),
    [
        ("<answer>4</answer>", "stop", "4", "answer"),
        ("so \\boxed{4}", "stop", "4", "answer"),
        ("so \\boxed{4} <answer>5</answer>", "stop", "4", "answer"),
        ("I cannot say", "stop", None, "silent"),
        ("", "stop", None, "silent"),
        ("and then and then", "length", None, "length"),
    ],
)
def test_how_an_episode_ends(text, finish, answer, ended):
    episode, _, _ = talk(text, finish=finish)
    assert (episode.answer, episode.finish) == (answer, ended)
    answers = [item["text"] for item in episode.steps if item["kind"] == "answer"]
    assert answers == ([answer] if answer else [])


def test_errors_are_read_by_the_model():
    episode, requests, _ = talk('<tool_call>{"name": "crop"}</tool_call>', "<answer>1</answer>")
    assert requests[1].messages[-1].text == "crop needs the argument bbox_2d."
    assert replay([BLUE], episode.steps).mismatches == ()


def test_turns_end():
    episode, requests, _ = talk(CROP, CROP, CROP, max_turns=2)
    assert (episode.finish, episode.turns, len(requests)) == ("turns", 2, 2)
    assert replay([BLUE], episode.steps).mismatches == ()


def test_pictures_end():
    episode, requests, store = talk(CROP, CROP, "<answer>1</answer>", max_images=2)
    assert requests[2].messages[-1].text == LIMIT
    assert len(store) == 1 and episode.finish == "answer"
    assert replay([BLUE], episode.steps).mismatches == ()


def test_words_of_a_tool_need_no_room_for_a_picture():
    measure = '<tool_call>{"name": "measure", "arguments": {"points": [[0, 0], [500, 0]]}}</tool_call>'
    episode, requests, store = talk(measure, "<answer>1</answer>", max_images=1)
    assert requests[1].messages[-1].text == "The distance is 20.0 pixels: 20.0 right."
    assert not store and replay([BLUE], episode.steps).matched == 1


def test_where_the_tools_are_lost_there_is_no_attempt():
    class Gone(LocalEnvironment):
        def step(self, trajectory, turn):
            raise Lost("the tool server does not answer")

    episode, _, _ = talk(CROP, environment=Gone())
    assert (episode.finish, episode.answer) == ("failed", None)
    assert episode.failed == Failed("tools", "the tool server does not answer", transient=True)


def test_an_episode_that_nobody_finishes_lets_its_pictures_go():
    environment = LocalEnvironment()
    asking = converse(sample(), [BLUE], Store(), sampling=SAMPLING, seed=1, purpose="p", environment=environment)
    next(asking)
    assert environment.open == 1
    asking.close()
    assert environment.open == 0


def test_a_failed_request_is_no_answer():
    failed = Failed("timeout", "too slow", transient=True)
    asking = converse(sample(), [BLUE], Store(), sampling=SAMPLING, seed=1, purpose="p")
    episode, _ = drive(asking, lambda request: failed)
    assert (episode.failed, episode.answer, episode.finish, episode.texts) == (failed, None, "failed", ())


def test_together_asks_for_everything_at_once_and_keeps_each_apart():
    scripts = {"a": ("<answer>1</answer>",), "b": (CROP, "<answer>2</answer>"), "c": (CROP, CROP, "<answer>3</answer>")}

    def answer(request):
        name, _, _, turn = request.request_id.split(":")
        return Generated(scripts[name][int(turn)], "stop", 1, 1)

    askings = [
        converse(sample(name), [BLUE], Store(), sampling=SAMPLING, seed=1, purpose="p", max_turns=5) for name in scripts
    ]
    episodes, rounds = drive(together(askings), answer)
    assert [episode.answer for episode in episodes] == ["1", "2", "3"]
    assert [[request.request_id[0] for request in requests] for requests in rounds] == [list("abc"), list("bc"), ["c"]]
    assert len({request.seed for requests in rounds for request in requests}) == 6


def test_together_with_nothing_asks_nothing():
    assert drive(together([]), None) == ([], [])


def test_the_trace_is_what_the_model_saw():
    episode, requests, _ = talk(f"a <answer> b {CROP} dreamt picture", "done \\boxed{7}")
    last = conversation(sample(), episode.steps)
    assert last[:-1] == requests[-1].messages
    assert last[-1].text == "done \\boxed{7}\n<answer>7</answer>"
    assert episode.steps[-1] == step("answer", "7")
