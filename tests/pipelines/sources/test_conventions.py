"""What columns mean: rows as each project documents them, and what becomes of every one of their parts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.captions.injection import ASK
from pipelines.sources import BadField, SourceError
from pipelines.sources.conventions import CONVENTIONS, detect
from pipelines.sources.conventions.said import Said, marks_in, without_marks

TURNS = [("human", "<image>\nWhat is it?"), ("gpt", "A cat."), ("human", "Asleep?"), ("gpt", "No.")]

ROWS: dict[str, tuple[str, dict[str, Any], list[tuple[Any, Any]]]] = {
    "plain": ("plain", {"question": "Q?", "answer": 1}, [("Q?", 1)]),
    "captions alone": ("plain", {"caption": "A cat."}, []),
    "LLaVA": (
        "llava",
        {"id": "1", "conversations": [{"from": who, "value": says} for who, says in TURNS]},
        [("What is it?", "A cat."), ("Asleep?", "No.")],
    ),
    "LLaMA-Factory with tools": (
        "llava",
        {
            "conversations": [
                {"from": "system", "value": "Be brief."},
                {"from": "human", "value": "<image>Weather?"},
                {"from": "function_call", "value": "{}"},
                {"from": "observation", "value": "rain"},
                {"from": "gpt", "value": "It rains."},
            ]
        },
        [("Weather?", "It rains.")],
    ),
    "ms-swift": (
        "messages",
        {"messages": [{"role": "user", "content": "<image>How many?"}, {"role": "assistant", "content": "3"}]},
        [("How many?", "3")],
    ),
    "ms-swift GRPO": (
        "messages",
        {"messages": [{"role": "user", "content": "<image>How many?"}], "solution": "<answer> 3 </answer>"},
        [("How many?", "3")],
    ),
    "a checked answer beside a reply": (
        "messages",
        {
            "messages": [{"role": "user", "content": "<image>Sum?"}, {"role": "assistant", "content": "3 + 4 = 7"}],
            "solution": "7",
        },
        [("Sum?", "7")],
    ),
    "ms-swift grounding": (
        "messages",
        {
            "messages": [
                {"role": "user", "content": "<image>Find <ref-object>"},
                {"role": "assistant", "content": "<bbox>"},
            ],
            "objects": {"ref": ["the cat"], "bbox": [[1, 2, 30, 40]]},
        },
        [("Find the cat", [1, 2, 30, 40])],
    ),
    "ms-swift query": ("query_response", {"query": "<image>Colour?", "response": "red"}, [("Colour?", "red")]),
    "ms-swift history": (
        "query_response",
        {"query": "And now?", "response": "blue", "history": [["<image>Colour?", "red"]]},
        [("Colour?", "red"), ("And now?", "blue")],
    ),
    "TRL with typed parts": (
        "messages",
        {
            "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Shape?"}]}],
            "completion": [{"role": "assistant", "content": [{"type": "text", "text": "Round."}]}],
        },
        [("Shape?", "Round.")],
    ),
    "TRL for GRPO": ("messages", {"prompt": [{"role": "user", "content": "Shape?"}], "answer": "x"}, [("Shape?", "x")]),
    "Alpaca": (
        "alpaca",
        {"instruction": "<image>Describe", "input": "in one word", "output": "Cat"},
        [("Describe\nin one word", "Cat")],
    ),
    "FineVision": ("finevision", {"texts": [{"user": "A?", "assistant": "a"}, {"user": "B?", "assistant": "b"}]},
                   [("A?", "a"), ("B?", "b")]),
    "verl": (
        "verl",
        {
            "data_source": "geo3k",
            "prompt": [{"role": "user", "content": "<image>Find x. Think step by step."}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": "4"},
            "extra_info": {"question": "<image>Find x.", "index": 0},
        },
        [("Find x.", "4")],
    ),
    "verl without extra": (
        "verl",
        {"prompt": [{"role": "user", "content": "<image>Find x."}], "reward_model": {"ground_truth": "4"}},
        [("Find x.", "4")],
    ),
    "EasyR1": ("easyr1", {"problem": "<image>Find x.", "answer": "4"}, [("Find x.", "4")]),
    "EasyR1 by prompt": ("easyr1", {"prompt": "<image>Find x.", "answer": "4"}, [("Find x.", "4")]),
    "VLMEvalKit": ("vlmevalkit", {"index": "1", "question": "Q?", "A": "x", "B": "y", "answer": "B"}, [("Q?", "y")]),
    "VLMEvalKit with a hint": ("vlmevalkit", {"question": "Q?", "hint": "H.", "answer": "z"}, [("H.\nQ?", "z")]),
    "ViCrit-Bench": (
        "vicrit_bench",
        {"changed_caption": "A red cup.", "original_noun_phrases": "a blue cup", "changed_noun_phrases": "a red cup"},
        [(f"{ASK}\nA red cup.", "a red cup")],
    ),
    "ViCrit-Bench, all phrases": (
        "vicrit_bench",
        {"changed_caption": "A cup, two pens.", "original_noun_phrases": ["A cup", "six pens"],
         "changed_noun_phrases": ["A cup", "two pens"]},
        [(f"{ASK}\nA cup, two pens.", "two pens")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_each_convention_is_known_by_its_columns_and_read(name: str) -> None:
    convention, fields, wanted = ROWS[name]
    assert detect([fields]) == convention
    said = CONVENTIONS[convention].read(json.loads(json.dumps(fields)))
    assert [(asked.fields["question"], asked.fields["answer"]) for asked in said.questions] == wanted


@pytest.mark.parametrize("name", ROWS)
def test_every_column_that_is_read_is_told_in_the_preview(name: str) -> None:
    convention, fields, _ = ROWS[name]
    known = {*CONVENTIONS[convention].uses, "id", "index"}
    assert set(fields) <= known


CHANGED = {"changed_caption": "A cup.", "original_noun_phrases": "a cat", "changed_noun_phrases": "a cup"}
WRONG = {
    "no turns": ("llava", {"conversations": []}, "field 'conversations': a list of turns"),
    "turns of another kind": ("llava", {"conversations": ["hello"]}, "turn 1: an object"),
    "a role nobody knows": ("llava", {"conversations": [{"from": "cat", "value": "x"}]}, "turn 1: `from` is 'cat'"),
    "a content of numbers": ("messages", {"messages": [{"role": "user", "content": 3}]}, "turn 1: `content`: a text"),
    "a video": (
        "messages",
        {"messages": [{"role": "user", "content": [{"type": "video", "video": "a.mp4"}]}]},
        "a part is video; `text` and `image` are known",
    ),
    "two questions at once": (
        "messages",
        {"messages": [{"role": "user", "content": "a?"}, {"role": "user", "content": "b?"}]},
        "turn 2: the question before it has no reply",
    ),
    "a reply to nothing": ("messages", {"messages": [{"role": "assistant", "content": "a"}]}, "turn 1: a reply stands"),
    "no reply": ("messages", {"messages": [{"role": "user", "content": "a?"}]}, "the last question has no reply"),
    "no truth": ("verl", {"prompt": [], "reward_model": {}}, "field 'reward_model': an object with `ground_truth`"),
    "no problem": ("easyr1", {"problem": 3, "answer": "x"}, "field 'problem': a text is needed, not 3"),
    "no answer": ("easyr1", {"problem": "x"}, "field 'answer' is absent"),
    "fewer boxes": (
        "query_response",
        {"query": "find", "response": "<bbox>", "objects": {"ref": [], "bbox": []}},
        "fewer boxes than `<bbox>`",
    ),
    "no output": ("alpaca", {"instruction": "x", "output": None}, "field 'output': a text is needed"),
    "a history of texts": ("alpaca", {"instruction": "x", "output": "y", "history": ["a"]}, "field 'history'"),
    "texts of texts": ("finevision", {"texts": ["a"]}, "field 'texts'"),
    "a blank caption": ("plain", {"caption": " "}, "field 'caption'"),
    "questions of texts": ("plain", {"questions": ["a"]}, "field 'questions'"),
    "no phrase changed": (
        "vicrit_bench",
        {**CHANGED, "original_noun_phrases": ["a cup"]},
        "exactly one phrase must differ",
    ),
    "one phrase more": (
        "vicrit_bench",
        {**CHANGED, "original_noun_phrases": ["a cat", "a b"]},
        "exactly one phrase must",
    ),
    "a phrase elsewhere": ("vicrit_bench", {**CHANGED, "changed_noun_phrases": "a hat"}, "it stands 0 times"),
    "a phrase twice": ("vicrit_bench", {**CHANGED, "changed_caption": "A cup and a cup."}, "it stands 2 times"),
    "phrases of numbers": (
        "vicrit_bench",
        {**CHANGED, "changed_noun_phrases": [3]},
        "field 'changed_noun_phrases': a text",
    ),
    "captions in one text": ("plain", {"captions": "a"}, "field 'captions': a list"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_field_and_turn(name: str) -> None:
    convention, fields, words = WRONG[name]
    with pytest.raises(BadField) as caught:
        CONVENTIONS[convention].read(fields)
    assert words in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["from", "value", "role", "content",
        "type", "text", "user", "assistant", "ground_truth", "question", "answer", "bbox", "ref"]), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(st.data(), st.sampled_from(sorted(CONVENTIONS)))
def test_no_fields_whatever_make_a_convention_raise_anything_but_what_is_wrong(data: st.DataObject, name: str) -> None:
    convention = CONVENTIONS[name]
    fields = data.draw(st.dictionaries(st.sampled_from(sorted(convention.uses)), JSON, max_size=5))
    convention.claims(fields)
    try:
        said = convention.read(fields)
    except BadField:
        return
    assert isinstance(said, Said)


def test_columns_that_fit_two_conventions_are_asked_about() -> None:
    rows = [{"messages": [{"role": "user", "content": "x"}], "conversations": [{"from": "human", "value": "x"}]}]
    with pytest.raises(SourceError, match="conventions llava and messages alike; say which is meant"):
        detect(rows)


def test_one_strange_row_among_many_decides_nothing() -> None:
    rows: list[dict[str, Any]] = [{"question": "x", "answer": "y"}] * 9
    assert detect([{"conversations": [{"from": "human", "value": "x"}]}, *rows]) == "plain"
    turns = {"conversations": [{"from": "human", "value": "x"}]}
    assert detect([{"conversations": "broken"}, *[turns] * 9]) == "llava"


def test_a_question_sees_the_pictures_shown_by_then() -> None:
    turns = [("human", "<image>A?"), ("gpt", "a"), ("human", "<image>B?"), ("gpt", "b"), ("human", "C?"), ("gpt", "c")]
    said = CONVENTIONS["llava"].read({"conversations": [{"from": who, "value": says} for who, says in turns]})
    assert said.marks == 2
    assert [asked.shown for asked in said.questions] == [1, 2, 2]


PLACEHOLDERS = {
    "<image>\nWhat?": "What?",
    "<image> <image>\n\nSame?": "Same?",
    "What? <image>": "What?",
    "Is <image> like <image>?": "Is [image 1] like [image 2]?",
    "<image> is A. <image> is B. Which?": "[image 1] is A. [image 2] is B. Which?",
    "none": "none",
    "<image>": "",
}


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_placeholders_leave_the_question(text: str) -> None:
    assert without_marks(text) == PLACEHOLDERS[text]


@given(st.lists(st.sampled_from(["<image>", " ", "\n", "word", "<ima"]), max_size=8))
def test_no_placeholder_is_left_and_no_word_is_lost(parts: list[str]) -> None:
    text = "".join(parts)
    bare = without_marks(text)
    assert marks_in(bare) == 0
    assert bare.count("word") == text.count("word")
