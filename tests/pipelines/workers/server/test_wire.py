from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pipelines.workers.server import wire
from schemas.messages import Message, Picture, Text
from schemas.requests import Failed, Generate, Generated, Sampling, TokenLogprob

QUESTION = (Message("user", (Text("how many?"),)),)


def asking(*messages: Message, **sampling: Any) -> Generate:
    return Generate("g", messages or QUESTION, Sampling(**{"temperature": 1.0, **sampling}), 7)


def body(request: Generate) -> dict[str, Any]:
    return wire.body_of(request, "tiny", lambda image_id: {"type": "image_url", "image_url": {"url": image_id}})


def choice(text: Any, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}, "finish_reason": finish, **more}


def answer(*choices: dict[str, Any], **more: Any) -> bytes:
    usage = {"prompt_tokens": 40, "completion_tokens": 6}
    return json.dumps({"choices": list(choices), "usage": usage, **more}).encode()


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        ({}, {}),
        ({"stop": (";", "\n")}, {"stop": [";", "\n"]}),
        ({"top_k": 20}, {"top_k": 20}),
        ({"n": 4}, {"n": 4}),
        ({"logprobs": 0}, {"logprobs": True, "top_logprobs": 0}),
        ({"logprobs": 3, "prompt_logprobs": 0}, {"logprobs": True, "top_logprobs": 3, "prompt_logprobs": 0}),
        (
            {"json_schema": '{"type":"object"}'},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "strict": True, "schema": {"type": "object"}},
                }
            },
        ),
    ],
)
def test_only_what_is_asked_for_is_said(sampling: dict[str, Any], said: dict[str, Any]) -> None:
    usual = {"model": "tiny", "max_tokens": 128, "temperature": 1.0, "top_p": 1.0, "seed": 7}
    found = body(asking(**sampling))
    assert found.pop("messages") == [{"role": "user", "content": [{"type": "text", "text": "how many?"}]}]
    assert found == usual | said


def test_pictures_stand_where_the_conversation_shows_them_in_tool_turns_too() -> None:
    talk = (
        Message("system", (Text("be brief"),)),
        Message("user", (Picture("a"), Text("and"), Picture("b"), Picture("a"))),
        Message("assistant", (Text("crop"), Text("!"))),
        Message("tool", (Text("cut"), Picture("c"))),
    )
    turns = body(asking(*talk))["messages"]
    assert [turn["role"] for turn in turns] == ["system", "user", "assistant", "user"]
    assert [turns[0]["content"], turns[2]["content"]] == ["be brief", "crop!"]
    shown = [[part.get("text") or part["image_url"]["url"] for part in turns[place]["content"]] for place in (1, 3)]
    assert shown == [["a", "and", "b", "a"], ["<tool_response>\n", "cut", "c", "\n</tool_response>"]]


def test_samples_come_in_their_order_and_tokens_are_counted_once() -> None:
    data = answer(choice("b", index=1), choice("c", "length", index=2), choice("a", index=0))
    assert wire.read(data, asking(n=3)) == Generated(
        "a", "stop", 40, 6, others=(Generated("b", "stop", 0, 0), Generated("c", "length", 0, 0))
    )


def test_one_sample_that_cannot_be_trusted_fails_the_request() -> None:
    data = answer(choice("a", stop_reason=None), choice("b"))
    result = wire.read(data, asking(n=2, stop=(";",)))
    assert isinstance(result, Failed)
    assert result.kind == "silent_stop"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_samples_is_no_answer(count: int) -> None:
    result = wire.read(answer(*[choice("a")] * count), asking(n=2))
    assert isinstance(result, Failed)
    assert (result.kind, result.transient) == ("malformed", False)


def test_logprobs_of_what_was_said() -> None:
    content = [
        {"token": "re", "logprob": -0.5, "bytes": [], "top_logprobs": [{"token": "re", "logprob": -0.5, "bytes": []}]},
        {"token": "d", "logprob": -0.25, "bytes": [], "top_logprobs": []},
    ]
    result = wire.read(answer(choice("red", logprobs={"content": content})), asking(logprobs=1))
    assert isinstance(result, Generated)
    assert result.logprobs == (TokenLogprob("re", -0.5, (("re", -0.5),)), TokenLogprob("d", -0.25))


def test_logprobs_of_what_was_read() -> None:
    def token(text: str, logprob: float, rank: int) -> dict[str, Any]:
        return {"decoded_token": text, "logprob": logprob, "rank": rank}

    places = [
        None,
        {"9": token("how", -3.0, 40), "5": token("who", -0.5, 1), "6": token("why", -1.0, 2)},
        {"7": token("?", -0.5, 1), "8": token("!", -1.5, 2)},
    ]
    result = wire.read(answer(choice("2"), prompt_logprobs=places), asking(prompt_logprobs=2))
    assert isinstance(result, Generated)
    assert result.prompt_logprobs == (
        TokenLogprob("", None),
        TokenLogprob("how", -3.0, (("who", -0.5), ("why", -1.0))),
        TokenLogprob("?", -0.5, (("?", -0.5), ("!", -1.5))),
    )
    bare = wire.read(answer(choice("2"), prompt_logprobs=places[:2]), asking(prompt_logprobs=0))
    assert isinstance(bare, Generated)
    assert bare.prompt_logprobs == (TokenLogprob("", None), TokenLogprob("how", -3.0))


@pytest.mark.parametrize("cut", range(1, 100, 7))
def test_a_body_cut_anywhere_is_no_answer_and_may_be_asked_for_again(cut: int) -> None:
    data = answer(choice("red"))
    result = wire.read(data[: len(data) * cut // 100], asking())
    assert isinstance(result, Failed)
    assert (result.kind, result.transient) == ("malformed", True)


@pytest.mark.parametrize(("missing", "kind"), [("logprobs", "malformed"), ("prompt_logprobs", "unsupported")])
def test_an_answer_without_the_logprobs_that_were_asked_for_is_none(missing: str, kind: str) -> None:
    result = wire.read(answer(choice("red")), replace(asking(), sampling=Sampling(**{missing: 1})))
    assert isinstance(result, Failed)
    assert result.kind == kind
