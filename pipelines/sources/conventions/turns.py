"""Conversations: LLaVA and ShareGPT (`conversations`), and OpenAI's messages, as other trainers use them.

Each question of the user with the last reply to it becomes one sample. It sees the pictures that had been shown by
then; earlier turns, system prompts and tool turns are not carried along. A last question without reply takes `solution`
or `answer` of the record, as data for reinforcement learning have it. A record that states `question`, `answer` and
`answer_type` beside its turns, as our exports do, means those, about the pictures of its first question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.sources.conventions.plain import stated
from pipelines.sources.conventions.said import MARK, Asked, Convention, Said, marks_in, without_marks
from pipelines.sources.record import BadField

USER = frozenset({"human", "user"})
REPLY = frozenset({"gpt", "assistant", "model", "chatgpt", "bing", "bard"})
TOOLS = frozenset({"tool", "function", "observation", "tool_response"})
ASIDE = frozenset(
    {"system", "tool", "function", "function_call", "tool_call", "observation", "tool_response", "developer"}
)

_ANSWER = re.compile(r"\s*<answer>(.*)</answer>\s*", re.DOTALL)


def read_conversations(fields: Mapping[str, Any]) -> Said:
    """`conversations`: [{from, value}, …]."""
    return said(list(_turns(fields, "conversations", "from", "value")), fields)


def read_messages(fields: Mapping[str, Any]) -> Said:
    """`messages`, or `prompt` and `completion`: [{role, content}, …]; content is a text or a list of parts."""
    if fields.get("messages") is not None:
        return said(list(_turns(fields, "messages", "role", "content")), fields)
    turns = list(_turns(fields, "prompt", "role", "content"))
    if fields.get("completion") is not None:
        turns += _turns(fields, "completion", "role", "content")
    return said(turns, fields)


def said(turns: list[tuple[str, str]], fields: Mapping[str, Any]) -> Said:
    """Pairs of question and reply. `turns` are (role, text); `fields` may answer the last question."""
    marks = sum(marks_in(text) for _, text in turns)
    questions: list[Asked] = []
    open_question: str | None = None
    reply: str | None = None
    shown = before = visible = 0

    def close(answer: Any) -> None:
        assert open_question is not None
        objects = fields.get("objects")
        question, answer, kind = _grounded(open_question, answer, objects if isinstance(objects, dict) else None)
        asked = {"question": without_marks(question, before).strip(), "answer": answer, **kind}
        questions.append(Asked(asked, visible if marks else None))

    for number, (role, text) in enumerate(turns, start=1):
        if role in USER:
            if open_question is not None and reply is None:
                raise BadField(f"turn {number}: the question before it has no reply; a reply is needed between them")
            if open_question is not None:
                close(reply)
            open_question, reply, before = text, None, shown
        elif role in REPLY:
            if open_question is None:
                raise BadField(f"turn {number}: a reply stands before any question")
            reply = text
        shown += marks_in(text)
        visible = shown if role in USER else visible
    if open_question is None:
        raise BadField("no turn is the user's; a question is needed")
    given = next((fields[name] for name in ("solution", "answer") if fields.get(name) is not None), None)
    if given is None and reply is None:
        raise BadField("the last question has no reply, and there is no `solution` or `answer`")
    if isinstance(given, str) and (wrapped := _ANSWER.fullmatch(given)):
        given = wrapped[1].strip()
    close(reply if given is None else given)
    if own := stated({**fields, "answer": fields.get("answer") if given is None else given}, questions[0].shown):
        questions = [own]
    return Said(tuple(questions), (), marks, needs_picture=False)


def _turns(fields: Mapping[str, Any], name: str, role: str, content: str) -> Iterator[tuple[str, str]]:
    turns = fields.get(name)
    if not isinstance(turns, list) or not turns:
        raise BadField(f"field {name!r}: a list of turns with `{role}` and `{content}` is needed")
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, dict):
            raise BadField(f"field {name!r}, turn {number}: an object with `{role}` and `{content}` is needed")
        who = turn.get(role)
        if isinstance(who, str) and who in ASIDE:
            yield who, _shown_aside(who, turn.get(content))
            continue
        if not isinstance(who, str) or who not in USER | REPLY:
            raise BadField(
                f"field {name!r}, turn {number}: `{role}` is {str(who)[:60]!r}; `user` and `assistant` are known"
            )
        yield who, _text(turn.get(content), f"field {name!r}, turn {number}: `{content}`")


def _shown_aside(who: str, content: Any) -> str:
    """The marks alone of a turn that is left out: what a tool shows has its place in the list of pictures."""
    if who not in TOOLS:
        return ""
    parts = content if isinstance(content, list) else [content]
    return MARK * sum(
        marks_in(part.get("text")) + (part.get("type") == "image") if isinstance(part, dict) else marks_in(part)
        for part in parts
    )


def _text(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise BadField(f"{where}: a text is needed, or a list of parts, not {type(content).__name__}")
    found = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            found.append(part["text"])
        elif kind == "image":
            found.append(f"{MARK}\n")
        else:
            raise BadField(f"{where}: a part is {kind or type(part).__name__}; `text` and `image` are known")
    return "".join(found)


def _grounded(question: str, answer: Any, objects: Mapping[str, Any] | None) -> tuple[str, Any, dict[str, str]]:
    """ms-swift's `<ref-object>` and `<bbox>` filled in from `objects`; a reply that is one box becomes a box."""
    if objects is None or not isinstance(answer, str):
        return question, answer, {}
    refs, boxes = (iter(objects.get(name) or []) for name in ("ref", "bbox"))
    filled = []
    for text in (question, answer):
        whole = None
        if text.strip() == "<bbox>":
            whole = next(boxes, None)
            if not isinstance(whole, list):
                raise BadField("field 'objects': fewer boxes than `<bbox>` in the turns")
        named = re.sub("<ref-object>", lambda mark: str(next(refs, mark[0])), text)
        filled.append(whole if whole is not None else re.sub("<bbox>", lambda mark: str(next(boxes, mark[0])), named))
    kind = {"answer_type": "box"} if isinstance(filled[1], list) and len(filled[1]) == 4 else {}
    return str(filled[0]), filled[1], kind


def _is_turns(value: Any, *keys: str) -> bool:
    return (
        isinstance(value, list) and bool(value) and isinstance(value[0], dict) and all(key in value[0] for key in keys)
    )


CONVERSATIONS = Convention(
    says="LLaVA, ShareGPT: conversations [{from, value}]",
    uses={"conversations": "questions and answers", "solution": "answer of the last question", "system": "left out"},
    claims=lambda fields: _is_turns(fields.get("conversations"), "from", "value"),
    read=read_conversations,
)

MESSAGES = Convention(
    says="OpenAI messages of LLaMA-Factory, ms-swift, TRL: messages [{role, content}]",
    uses={
        "messages": "questions and answers",
        "prompt": "questions",
        "completion": "answers",
        "solution": "answer of the last question",
        "answer": "answer of the last question",
        "objects": "what <ref-object> and <bbox> stand for",
        "tools": "left out",
        "system": "left out",
    },
    claims=lambda fields: (
        _is_turns(fields.get("messages"), "role", "content")
        or (_is_turns(fields.get("prompt"), "role", "content") and "reward_model" not in fields)
    ),
    read=read_messages,
)
