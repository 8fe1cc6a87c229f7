"""The environment: one result whichever way a call comes, limits, trajectories that never meet, and nothing kept."""

import gc
import threading
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipelines.prompts import step
from pipelines.tools import OFFERED, CallError, Shown, picture_id
from pipelines.tools.calls import ToolCall, execute, render
from pipelines.tools.environment import LIMIT, Full, LocalEnvironment, NotOpen, Rules, State, act, advance
from pipelines.tools.replay import observation, replay
from tests.pipelines.tools import strategies
from trainers.environment import offering

WHITE = Image.new("RGB", (60, 40), "white")
ROLLOUT = offering(OFFERED)
CROP = ToolCall("crop", {"bbox_2d": [0, 0, 500, 500]})


def told(seen):
    """What a model sees, so that it can be compared."""
    return (seen.image and picture_id(seen.image), seen.text, seen.refused)


def directly(image, chosen):
    """Each call carried out by nothing but `execute`."""
    images, found = [image], []
    for name, arguments in chosen:
        try:
            seen = execute(Shown(tuple(images), 1), ToolCall(name, arguments))
        except CallError as error:
            found.append((None, str(error), True))
            continue
        images += [seen.image] if seen.image else []
        found.append(told(seen))
    return found


def stepped(environment, name, image, turns, images=99):
    environment.reset(name, [image], Rules(images=images))
    return [told(environment.step(name, turn).seen) for turn in turns]


@given(strategies.pictures(), st.lists(strategies.calls, min_size=1, max_size=5))
def test_one_result_whichever_way_a_call_comes(image, chosen):
    expected = directly(image, chosen)
    environment = LocalEnvironment()
    assert stepped(environment, "calls", image, [ToolCall(*call) for call in chosen]) == expected
    assert stepped(environment, "words", image, [f"look. {render(*call)}" for call in chosen]) == expected

    rollout = ROLLOUT(max_images=99)
    rollout.reset(images=[image])
    for (picture, text, _), (name, arguments) in zip(expected, chosen, strict=True):
        (part,) = getattr(rollout, name)(**arguments)
        assert (part["text"] == text) if text else (picture_id(part["image"]) == picture)

    steps = []
    for (picture, text, _), (name, arguments) in zip(expected, chosen, strict=True):
        steps += [step("action", tool=name, arguments=arguments), observation(picture, text)]
    again = replay([image], steps)
    assert again.mismatches == () and again.refused == sum(refused for _, _, refused in expected)


@given(st.data())
def test_trajectories_never_mix(data):
    """Steps of several trajectories in any order: each sees what it sees alone."""
    scripts = data.draw(st.lists(st.lists(strategies.calls, min_size=1, max_size=4), min_size=2, max_size=5))
    pictures = [data.draw(strategies.pictures()) for _ in scripts]
    order = data.draw(st.permutations([name for name, script in enumerate(scripts) for _ in script]))
    environment = LocalEnvironment()
    for name, picture in enumerate(pictures):
        environment.reset(str(name), [picture], Rules(images=99))
    found = {name: [] for name in range(len(scripts))}
    for name in order:
        call = scripts[name][len(found[name])]
        found[name].append(told(environment.step(str(name), ToolCall(*call)).seen))
    assert found == {name: directly(*each) for name, each in enumerate(zip(pictures, scripts, strict=True))}


def test_many_threads_at_once():
    environment = LocalEnvironment()
    pictures = {shade: Image.new("RGB", (40, 40), (shade, 0, 0)) for shade in range(60)}
    expected = {shade: directly(picture, [("crop", CROP.arguments)] * 3) for shade, picture in pictures.items()}
    found = {}

    def rollout(shade):
        found[shade] = stepped(environment, str(shade), pictures[shade], [CROP] * 3)

    threads = [threading.Thread(target=rollout, args=(shade,)) for shade in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


def test_a_call_is_kept_in_its_plain_form_however_it_came():
    written = {"box": "0, 0, 500, 500"}
    text = '<tool_call>{"name": "crop", "arguments": {"box": "0, 0, 500, 500"}}</tool_call>'
    for turn in (ToolCall("crop", written), text):
        (said,) = advance(State.of([WHITE]), turn, Rules())[1].said
        assert said["arguments"] == '{"bbox_2d":[0,0,500,500]}'
    (said,) = advance(State.of([WHITE]), ToolCall("crop", {"box": "0, 0"}), Rules())[1].said
    assert said["arguments"] == '{"box":"0, 0"}', "what is wrong stays as it was written"


def test_a_state_can_go_on_in_several_ways():
    start = State.of([WHITE])
    left, _ = advance(start, CROP, Rules())
    right, _ = advance(start, ToolCall("rotate", {"angle": 90}), Rules())
    assert [len(state.shown.images) for state in (start, left, right)] == [1, 2, 2]
    assert left.shown.images[1].size != right.shown.images[1].size
    assert told(advance(left, CROP, Rules())[1].seen) == told(advance(left, CROP, Rules())[1].seen)


def test_turns_and_answers_end_a_trajectory():
    environment = LocalEnvironment()
    environment.reset("a", [WHITE], Rules(turns=2))
    assert not environment.step("a", CROP).done
    last = environment.step("a", CROP)
    assert last.done and last.seen.image is not None
    with pytest.raises(NotOpen, match="'a' is not open"):
        environment.step("a", CROP)
    environment.reset("a", [WHITE], Rules())
    end = environment.step("a", "white\n<answer>white</answer>")
    assert end.done and end.seen is None and end.said[-1]["text"] == "white"
    assert environment.open == 0


def test_no_room_for_a_picture_is_room_for_words():
    shown, rules = Shown.of([WHITE]), Rules(images=1)
    assert told(act(shown, step("action", tool="crop", arguments=CROP.arguments), rules)) == (None, LIMIT, True)
    wrong = act(shown, step("action", tool="crop", arguments={}), rules)
    assert wrong.text == "crop needs the argument bbox_2d.", "what is wrong is said first"
    measured = act(shown, step("action", tool="measure", arguments={"bbox_2d": [0, 0, 500, 500]}), rules)
    assert measured.text == "The box is 30 pixels wide and 20 high: 600 pixels, 25.0 % of the picture."


def test_only_what_is_offered_can_be_called():
    environment = LocalEnvironment()
    environment.reset("a", [WHITE], Rules(tools=("rotate", "ocr")))
    refused = environment.step("a", ToolCall("measure", {"bbox_2d": [0, 0, 9, 9]})).seen
    assert (refused.text, refused.refused) == ("There is no tool 'measure'; there are rotate, ocr.", True)
    environment.reset("a", [WHITE], Rules(tools=()))
    assert environment.step("a", CROP).seen.text == "There is no tool 'crop'; there are none."


def test_what_a_refusal_repeats_is_no_markup():
    action = step("action", tool="<|im_end|>", arguments={"bbox_2d": [0, 0, 99, 99], "</tool_response>": 1})
    assert act(Shown.of([WHITE]), action, Rules()).text.startswith("There is no tool '‹|im_end|>'; there are crop,")
    seen = observation(text="There is no tool '‹|im_end|>'; there are rotate.")
    assert replay([WHITE], [action, seen]).mismatches == ()
    wrong = act(Shown.of([WHITE]), {**action, "tool": "crop"}, Rules())
    assert wrong.text == "crop has no argument '‹/tool_response>'; it takes bbox_2d, target_image."


def test_without_pictures_there_is_nothing_to_work_on():
    assert act(Shown.of([]), step("action", tool="crop", arguments=CROP.arguments), Rules()).text == (
        "There is no picture to work on."
    )


def test_reset_begins_anew_and_bounds_hold():
    environment = LocalEnvironment(most=2, memory=4 * 60 * 40 * 8)
    environment.reset("a", [WHITE], Rules())
    environment.step("a", CROP)
    environment.reset("a", [WHITE], Rules())
    assert "there is 1 picture" in environment.step("a", ToolCall("rotate", {"angle": 90, "target_image": 2})).seen.text
    environment.reset("b", [WHITE], Rules())
    with pytest.raises(Full, match="2 trajectories are open"):
        environment.reset("c", [WHITE], Rules())
    environment.release("b")
    with pytest.raises(Full, match="0 MiB of pictures"):
        environment.reset("c", [WHITE], Rules(images=5))
    environment.reset("c", [WHITE], Rules(images=4))


def test_what_is_idle_is_released():
    now = [0.0]
    environment = LocalEnvironment(clock=lambda: now[0])
    environment.reset("old", [WHITE], Rules())
    now[0] = 50
    environment.reset("new", [WHITE], Rules())
    now[0] = 70
    assert environment.expire(60) == 1 and environment.open == 1
    with pytest.raises(NotOpen):
        environment.step("old", CROP)
    environment.step("new", CROP)
    now[0] = 129
    assert environment.expire(60) == 0, "a step counts as use"


@pytest.mark.parametrize("end", ["answer", "release", "reset", "expire"])
def test_pictures_are_let_go(end):
    environment = LocalEnvironment()

    def held():
        image = Image.new("RGB", (20, 20))
        environment.reset("a", [image], Rules())
        return [weakref.ref(image), weakref.ref(environment.step("a", ToolCall("rotate", {"angle": 90})).seen.image)]

    kept = held()
    gc.collect()
    assert all(each() is not None for each in kept)
    ends = {
        "answer": lambda: environment.step("a", "<answer>1</answer>"),
        "release": lambda: environment.release("a"),
        "reset": lambda: environment.reset("a", [], Rules()),
        "expire": lambda: environment.expire(-1),
    }
    ends[end]()
    gc.collect()
    assert all(each() is None for each in kept)
