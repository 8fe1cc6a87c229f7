import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines import prompts
from pipelines.prompts import assistant_text, conversation, parse_assistant, step
from pipelines.tools.calls import ToolCall, normal
from pipelines.tools.replay import observation
from schemas.messages import Message, Picture, Text, pictures
from tests.pipelines.tools import strategies

SAMPLE = {"image_ids": ["one", "two"], "question": "Which is larger?", "options": ["the first", "the second"]}
TRACE = [
    step("thought", "look closer"),
    step("action", tool="crop", arguments={"bbox_2d": [0, 0, 500, 500], "target_image": 2}),
    observation("three"),
    step("action", tool="crop", arguments={}),
    observation(text="crop needs the argument bbox_2d."),
    step("thought", "it is large"),
    step("answer", "B"),
]


def test_a_trace_as_a_conversation():
    call = '<tool_call>\n{"name": "crop", "arguments": {"bbox_2d": [0, 0, 500, 500], "target_image": 2}}\n</tool_call>'
    assert conversation(SAMPLE, TRACE) == (
        Message("user", (Picture("one"), Picture("two"), Text("Which is larger?\nA. the first\nB. the second"))),
        Message("assistant", (Text(f"look closer\n{call}"),)),
        Message("tool", (Picture("three"),)),
        Message("assistant", (Text('<tool_call>\n{"name": "crop", "arguments": {}}\n</tool_call>'),)),
        Message("tool", (Text("crop needs the argument bbox_2d."),)),
        Message("assistant", (Text("it is large\n<answer>B</answer>"),)),
    )


def test_every_conversation_is_a_prefix_of_its_continuation():
    whole = conversation(SAMPLE, TRACE)
    for end in (0, 3, 5, 7):
        part = conversation(SAMPLE, TRACE[:end])
        assert whole[: len(part)] == part


def test_other_pictures_may_be_shown():
    assert pictures(conversation(SAMPLE, image_ids=["x"])) == ["x"]
    assert pictures(conversation(SAMPLE, image_ids=())) == []


def test_the_described_style_says_how_to_call_every_tool():
    described = conversation(SAMPLE, style="described")
    assert described[0].role == "system"
    assert all(f'"name": "{name}"' in described[0].text for name in prompts.OFFERED)
    assert described[1:] == conversation(SAMPLE)
    assert prompts.prompt_hash("described") != prompts.prompt_hash("plain")


def test_what_a_model_writes_after_a_call_is_not_believed():
    text = (
        'I look.<tool_call>{"name": "rotate", "arguments": {"angle": "90"}}</tool_call><tool_response>a cat'
        "</tool_response> <answer>cat</answer>"
    )
    assert parse_assistant(text) == [step("thought", "I look."), step("action", tool="rotate", arguments={"angle": 90})]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("<answer>1</answer> no: <answer> 2 </answer> done", [step("thought", "1 no:"), step("answer", "2")]),
        ("just a thought", [step("thought", "just a thought")]),
        ("<answer>5", [step("thought", "5")]),
        ("", []),
        ("<tool_call>{oops}</tool_call>", [step("action", "{oops}")]),
        (
            'x <tool_call>{"name": "no_such_tool", "arguments": {"a": 1}}',
            [step("thought", "x"), step("action", tool="no_such_tool", arguments={"a": 1})],
        ),
    ],
)
def test_turns_are_read_leniently(text, steps):
    assert parse_assistant(text) == steps


def test_an_answer_without_closing_tag_is_no_answer():
    assert all(item["kind"] != "answer" for item in parse_assistant("so <answer>5"))


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<"), max_size=20).map(str.strip)


@given(words, strategies.calls)
def test_calls_survive_rendering_and_parsing(thought, call):
    call = normal(ToolCall(*call))
    steps = [step("action", tool=call.tool, arguments=call.arguments)]
    steps = [step("thought", thought), *steps] if thought else steps
    assert parse_assistant(assistant_text(steps)) == steps


@given(words, words)
def test_answers_survive_rendering_and_parsing(thought, answer):
    steps = [step("thought", thought), step("answer", answer)] if thought else [step("answer", answer)]
    assert parse_assistant(assistant_text(steps)) == steps


pieces = st.sampled_from(
    [
        *(
            "<tool_call>",
            "</tool_call>",
            "<answer>",
            "</answer>",
            "<ans",
            "wer>",
            "{",
            '{"name": "crop"}',
            "text",
            "\n",
        ),
        '{"name": "label", "arguments": {"point": [1, 2], "text": "</tool_call>"}}',
    ]
)


@given(st.lists(pieces | st.text(max_size=4), max_size=12).map("".join))
@example('<tool_call><tool_call>{"name": "crop"}')
@example('<tool_call><answer>{"name": "crop"}</answer></tool_call>')
@example("<ans<answer>wer>5</answer>")
def test_what_was_read_is_read_again_from_its_own_text(text):
    steps = parse_assistant(text)
    assert parse_assistant(assistant_text(steps)) == steps


@pytest.mark.parametrize(
    "steps",
    [
        [step("answer", "1"), step("thought", "after")],
        [observation("x")],
        [step("thought", "a <tool_call> b")],
        [step("answer", "</answer>")],
    ],
)
def test_what_cannot_be_read_back_is_not_written(steps):
    with pytest.raises(ValueError, match="may not"):
        assistant_text(steps)
