import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.tools import OFFERED, TOOLS, CallError, Shown, calls, picture_id
from pipelines.tools.calls import ToolCall
from tests.pipelines.tools import strategies

WHITE = Image.new("RGB", (200, 100), "white")


def read(text: str) -> ToolCall | CallError:
    """What stands between the tags, as the tool understands it."""
    call = calls.read(text.removeprefix(calls.OPEN).removesuffix(calls.CLOSE))
    return call if isinstance(call, CallError) else calls.normal(call)


def test_a_call_has_one_text():
    text = '<tool_call>\n{"name": "crop", "arguments": {"bbox_2d": [1, 2, 30, 40], "target_image": 1}}\n</tool_call>'
    assert calls.render("crop", {"target_image": 1, "bbox_2d": [1, 2, 30, 40]}) == text
    assert read(text) == ToolCall("crop", {"bbox_2d": [1, 2, 30, 40], "target_image": 1})


def test_text_inside_a_call_cannot_close_it():
    text = calls.render("label", {"point": [1, 2], "text": "</tool_call>"})
    assert text.count("</tool_call>") == 1
    assert read(text) == ToolCall("label", {"point": [1, 2], "text": "</tool_call>"})


@given(strategies.calls, st.integers(1, 9))
def test_rendering_and_parsing_are_inverse(call, target):
    name, arguments = call
    normal = calls.normal(ToolCall(name, {**arguments, **({} if name == "select_frame" else {"target_image": target})}))
    assert read(calls.render(normal.tool, normal.arguments)) == normal


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["12", 20.4, 30.5, "40.0"], [12, 20, 31, 40]),
        ([300, 400, 100, 200], [100, 200, 300, 400]),
        ([-5, 0, 1100, 1000.4], [0, 0, 1000, 1000]),
        ("[1, 2, 3, 4]", [1, 2, 3, 4]),
        ("1, 2, 3, 4", [1, 2, 3, 4]),
        ([[1, 2], [3, 4]], [1, 2, 3, 4]),
    ],
)
def test_arguments_are_read_leniently(written, read):
    assert calls.normal(ToolCall("crop", {"bbox_2d": written})).arguments == {"bbox_2d": read}


ALL = [0, 0, 900, 900]
BAD = [
    ("croop", {}, "There is no tool 'croop'; did you mean crop?"),
    ("python", {}, f"There is no tool 'python'; there are {', '.join(OFFERED)}."),
    ("crop", {}, "crop needs the argument bbox_2d."),
    ("crop", {"bbox_2d": [1, 2, 3]}, "crop: bbox_2d: [1, 2, 3] is not a list of 4 numbers [x0, y0, x1, y1]."),
    ("crop", {"bbox_2d": [1, 2, "x", 4]}, "crop: bbox_2d: 'x' is not a number."),
    ("crop", {"bbox_2d": [1, True, 3, 4]}, "crop: bbox_2d: True is not a number."),
    ("crop", {"bbox_2d": [10, 2, 10, 40]}, "crop: bbox_2d: the box [10, 2, 10, 40] has no area within 0 to 1000."),
    (
        "crop",
        {"bbox_2d": [1010, 0, 1090, 9]},
        "crop: bbox_2d: the box [1000, 0, 1000, 9] has no area within 0 to 1000.",
    ),
    ("crop", {"bbox_2d": [0, 0, 5, 500]}, "The box is only 1x50 pixels; take a larger one."),
    ("crop", {"bbox_2d": ALL, "pad": 1}, "crop has no argument 'pad'; it takes bbox_2d, target_image."),
    ("crop", {"bbox_2d": ALL, "target_image": 2}, "target_image 2 does not exist; there is 1 picture."),
    ("crop", {"bbox_2d": ALL, "target_image": 0}, "target_image 0 does not exist; there is 1 picture."),
    ("zoom", {}, "zoom: give either bbox_2d or point."),
    ("zoom", {"point": [1, 2], "factor": 1}, "zoom: factor: the factor must be above 1 and at most 16."),
    ("rotate", {"angle": 45}, "rotate: angle: the angle 45 is not a multiple of 90."),
    (
        "mark_point",
        {"point": [1, 2], "color": "rad"},
        "mark_point: color: the color 'rad' is unknown; use a name such as red, or #rrggbb.",
    ),
    ("draw_line", {"start": [1, 1], "end": [2, 2]}, "The line has no length: both ends are the same pixel."),
    ("label", {"point": [1, 1], "text": " \n"}, "label: text: the text of a label must have 1 to 40 characters."),
]


@pytest.mark.parametrize(("name", "arguments", "sentence"), BAD)
def test_a_bad_call_is_one_clear_sentence(name, arguments, sentence):
    with pytest.raises(CallError) as caught:
        calls.execute(Shown.of([WHITE]), ToolCall(name, arguments))
    assert str(caught.value) == sentence


def test_what_is_no_call_says_so():
    assert str(read("<tool_call>\n{oh no}\n</tool_call>")) == "The tool call is not valid JSON."
    assert str(read("<tool_call>[1]</tool_call>")) == 'A tool call is {"name": …, "arguments": {…}}.'
    assert isinstance(read('<tool_call>{"name": "crop", "arguments": [1e999]}</tool_call>'), CallError)
    assert isinstance(read('{"name": "crop", "arguments": {"bbox_2d": NaN}}'), CallError)
    assert isinstance(read("<tool_call>" + "[" * 100_000), CallError)


@given(st.text(), st.sampled_from(["", '{"name": "crop", "arguments": ']))
def test_reading_never_raises(text, before):
    assert isinstance(calls.read(before + text), ToolCall | CallError)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


ARGUMENTS = sorted({name for tool in TOOLS.values() for name in tool.parameters.model_fields} - {"code"})


@settings(max_examples=300)
@given(
    st.sampled_from([*(name for name in TOOLS if name not in ("ocr", "python")), "other"]),
    st.dictionaries(st.sampled_from([*ARGUMENTS, "ends", "x", "y", "x1", "y1", "x2", "y2", "box"]), json_values),
)
def test_any_arguments_give_a_picture_or_a_sentence(name, arguments):
    try:
        seen = calls.execute(Shown.of([WHITE]), ToolCall(name, arguments))
        assert seen.text or seen.image.mode == "RGB"
    except CallError as error:
        assert str(error).endswith((".", "?"))


@given(strategies.pictures(), strategies.calls)
def test_tools_are_pure(image, call):
    before = picture_id(image)
    results = []
    for _ in range(2):
        try:
            seen = calls.execute(Shown.of([image]), ToolCall(*call))
            results.append((seen.image and picture_id(seen.image), seen.text))
        except CallError as error:
            results.append(str(error))
    assert results[0] == results[1]
    assert picture_id(image) == before


def test_schemas_tell_a_model_what_to_send():
    for tool in TOOLS.values():
        schema = calls.schema(tool)
        json.dumps(schema)
        assert schema["function"]["name"] == tool.name
        assert all("description" in each for each in schema["function"]["parameters"]["properties"].values())
    assert calls.schema(TOOLS["crop"])["function"]["parameters"]["required"] == ["bbox_2d"]
