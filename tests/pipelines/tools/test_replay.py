import gc
import json
import weakref

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from pipelines.prompts import step
from pipelines.tools import CallError, Shown, picture_id
from pipelines.tools.replay import LIMIT, again, observation, replay, with_observations
from tests.pipelines.tools import strategies


def picture() -> Image.Image:
    image = Image.new("RGB", (60, 40))
    image.putdata([(x, y, (7 * x * y) % 251) for y in range(40) for x in range(60)])
    return image


def oracle() -> list[dict]:
    return [
        step("thought", "look left"),
        step("action", tool="crop", arguments={"bbox_2d": [0, 0, 500, 1000]}),
        step("action", tool="rotate", arguments={"angle": 90}),
        step("thought", "now mark it"),
        step("action", tool="mark_point", arguments={"point": [100, 100], "target_image": 1}),
        step("answer", "3"),
    ]


def test_an_oracle_trace_gets_its_observations():
    steps = with_observations([picture()], oracle())
    assert [item["kind"] for item in steps] == [
        *("thought", "action", "observation", "action", "observation"),
        *("thought", "action", "observation", "answer"),
    ]
    found = replay([picture()], steps)
    assert found.mismatches == ()
    assert (found.actions, found.matched) == (3, 3)
    assert [image.size for image in found.images] == [(60, 40), (30, 40), (40, 30), (60, 40)]
    assert list(found.ids) == [picture_id(image) for image in found.images]
    assert list(found.ids[1:]) == [item["image_id"] for item in steps if item["kind"] == "observation"]


def test_a_failing_oracle_is_an_error():
    with pytest.raises(CallError, match=r"step 0, crop: crop needs the argument bbox_2d\."):
        with_observations([picture()], [step("action", tool="crop", arguments={})])


def test_one_changed_pixel_is_caught():
    steps = with_observations([picture()], oracle())
    changed = picture()
    changed.putpixel((5, 30), (255, 255, 255))  # in the left half, and not under the mark
    found = replay([changed], steps)
    assert [mismatch.step for mismatch in found.mismatches] == [2, 4, 7]
    assert found.matched == 0


def test_one_changed_argument_is_caught():
    steps = with_observations([picture()], oracle())
    steps[6]["arguments"] = json.dumps({"point": [120, 100], "target_image": 1})
    found = replay([picture()], steps)
    assert [mismatch.step for mismatch in found.mismatches] == [7]
    assert found.matched == 2


def test_a_planted_observation_is_caught():
    steps = with_observations([picture()], oracle())
    steps[2], steps[4] = steps[4], steps[2]
    assert [mismatch.step for mismatch in replay([picture()], steps).mismatches] == [2, 4]


@pytest.mark.parametrize("index", [2, 4, 7])
def test_a_missing_observation_is_caught(index):
    steps = with_observations([picture()], oracle())
    del steps[index]
    assert [mismatch.step for mismatch in replay([picture()], steps).mismatches] == [index - 1]


def test_an_observation_without_an_action_is_caught():
    steps = [step("thought", "x"), observation(picture_id(picture()))]
    assert [mismatch.step for mismatch in replay([picture()], steps).mismatches] == [1]


def test_errors_are_observations_too():
    action = step("action", tool="rotate", arguments={"angle": 1})
    good = observation(text="rotate: angle: the angle 1 is not a multiple of 90.")
    assert replay([picture()], [action, good]).matched == 1
    assert replay([picture()], [action, observation(text="It worked.")]).mismatches[0].step == 1
    assert replay([picture()], [action, observation(picture_id(picture()))]).mismatches[0].step == 1


def test_words_are_compared_too():
    action = step("action", tool="measure", arguments={"points": [[0, 0], [500, 0]]})
    steps = with_observations([picture()], [action, step("answer", "30")])
    assert steps[1] == observation(text="The distance is 30.0 pixels: 30.0 right.")
    found = replay([picture()], steps)
    assert (found.matched, found.refused, len(found.images)) == (1, 0, 1)
    steps[1] = observation(text="The distance is 31.0 pixels: 31.0 right.")
    (wrong,) = replay([picture()], steps).mismatches
    assert wrong.step == 1 and "31.0" in wrong.reason and "30.0" in wrong.reason
    steps[1] = observation(picture_id(picture()), "The distance is 30.0 pixels: 30.0 right.")
    assert [mismatch.step for mismatch in replay([picture()], steps).mismatches] == [1]


def test_a_refused_call_makes_no_picture():
    steps = [step("action", tool="rotate", arguments={"angle": 90}), observation(text=LIMIT)]
    found = replay([picture()], steps)
    assert found.mismatches == () and len(found.images) == 1 and found.refused == 1


@given(strategies.pictures(), st.lists(strategies.drawings, min_size=1, max_size=5), st.data())
def test_any_trace_replays_and_any_changed_pixel_that_matters_is_caught(image, chosen, data):
    steps = [step("action", tool=name, arguments=arguments) for name, arguments in chosen]
    try:
        steps = with_observations([image], steps)
    except CallError:
        assume(False)
    found = replay([image], steps)
    assert found.mismatches == () and found.matched == len(chosen)
    changed = image.copy()
    x, y = data.draw(st.integers(0, image.width - 1)), data.draw(st.integers(0, image.height - 1))
    red, green, blue = image.getpixel((x, y))
    changed.putpixel((x, y), ((red + 128) % 256, green, blue))
    other = replay([changed], with_observations([changed], [item for item in steps if item["kind"] == "action"]))
    caught = replay([changed], steps).mismatches
    # Caught exactly where the pictures differ.
    assert [mismatch.step for mismatch in caught] == [
        2 * index + 1 for index in range(len(chosen)) if other.ids[index + 1] != found.ids[index + 1]
    ]


def test_a_refused_call_keeps_no_picture_alive():
    def carry_out():
        image = Image.new("RGB", (20, 20))
        seen = again(Shown.of([image]), step("action", tool="crop", arguments={"bbox_2d": [9, 9, 9, 9]}))
        assert seen.refused
        return weakref.ref(image)

    picture = carry_out()
    gc.collect()
    assert picture() is None
