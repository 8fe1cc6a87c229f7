from __future__ import annotations

import inspect

from PIL import Image
from transformers.utils import get_json_schema

from pipelines.tools import OFFERED, TOOLS, Shown, picture_id
from pipelines.tools.calls import ToolCall, execute, schema
from pipelines.tools.environment import LIMIT, LocalEnvironment
from trainers.environment import ToolEnvironment, offering

CANVAS = Image.linear_gradient("L").convert("RGB")


def fresh(max_images: int = 3, tools: tuple[str, ...] = OFFERED, **options) -> ToolEnvironment:
    environment = offering(tools)(max_images, tools, **options)
    environment.reset(images=[CANVAS], sample_id="s", answer="7")
    return environment


def test_public_methods_are_the_tools_offered_and_describe_themselves() -> None:
    for tools in (OFFERED, ("crop", "measure")):
        found = inspect.getmembers(offering(tools), inspect.isfunction)
        assert {name for name, _ in found if not name.startswith("_")} == {"reset", *tools}
    for name, tool in TOOLS.items():
        told = get_json_schema(getattr(fresh(tools=(name,)), name))["function"]
        ours = schema(tool)["function"]
        assert told["name"] == name and told["description"] == tool.description
        assert told["parameters"]["properties"].keys() == ours["parameters"]["properties"].keys()
        assert told["parameters"].get("required", []) == ours["parameters"]["required"]


def test_the_same_pixels_as_replay_and_the_latest_picture_by_default() -> None:
    environment = fresh()
    first = environment.crop(bbox_2d=[0, 0, 500, 500])[0]["image"]
    second = environment.rotate(angle=90)[0]["image"]
    expected = execute(Shown.of([CANVAS]), ToolCall("crop", {"bbox_2d": [0, 0, 500, 500]}))
    assert picture_id(first) == picture_id(expected.image)
    turned = execute(Shown.of([CANVAS, expected.image]), ToolCall("rotate", {"angle": 90}))
    assert picture_id(second) == picture_id(turned.image)


def test_wrong_calls_are_answered_by_sentences_and_nothing_leaks_into_the_next_rollout() -> None:
    environment = fresh(2)
    assert environment.crop() == [{"type": "text", "text": "crop needs the argument bbox_2d."}]
    (extra,) = environment.crop(bbox_2d=[0, 0, 500, 500], zoom=2)
    assert "no argument 'zoom'" in extra["text"]
    assert environment.crop(bbox_2d=[0, 0, 500, 500])[0]["type"] == "image"
    assert environment.crop(bbox_2d=[0, 0, 500, 500]) == [{"type": "text", "text": LIMIT}]
    assert "distance" in environment.measure(points=[[0, 0], [9, 9]])[0]["text"], "words need no room for a picture"
    environment.reset(images=[CANVAS])
    (missing,) = environment.crop(bbox_2d=[0, 0, 500, 500], target_image=2)
    assert missing["text"] == "target_image 2 does not exist; there is 1 picture."


def test_rollouts_share_an_environment_without_meeting() -> None:
    shared = LocalEnvironment()
    one, other = fresh(environment=shared), fresh(environment=shared)
    one.rotate(angle=90)
    assert "there is 1 picture" in other.rotate(angle=90, target_image=2)[0]["text"]
    one.reset(images=[CANVAS])
    assert shared.open == 2
