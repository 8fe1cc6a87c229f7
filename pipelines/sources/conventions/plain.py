"""Our own fields: question and answer, or several, and captions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pipelines.sources.conventions.said import Asked, Convention, Said, fit
from pipelines.sources.record import BadField

ASKED = ("question", "answer", "answer_type", "options", "region", "verifier", "pair_id")


def read(fields: Mapping[str, Any]) -> Said:
    """`question` and `answer`, `questions`, `caption` or `text`, `captions`."""
    return Said(tuple(_questions(fields)), tuple(captions(fields)))


def _questions(fields: Mapping[str, Any]) -> Iterator[Asked]:
    listed = fields.get("questions")
    listed = [] if listed is None else listed
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise BadField("field 'questions': a list of objects with `question` and `answer` is needed")
    if fields.get("question") is not None:
        if fields.get("answer") is None:
            raise BadField("field 'answer' is absent; every question needs its answer")
        yield asked(fields)
    yield from map(asked, listed)


def asked(fields: Mapping[str, Any]) -> Asked:
    """A question from fields of our own names. Where an answer is a list, a text of JSON will do."""
    found = {key: fields[key] for key in ASKED if fields.get(key) is not None}
    if found.get("answer_type") in ("list", "point", "box") and isinstance(found.get("answer"), str):
        with suppress(ValueError, RecursionError):
            found["answer"] = json.loads(found["answer"])
    return Asked(found)


def stated(fields: Mapping[str, Any], shown: int | None = None) -> Asked | None:
    """The question as columns of our own names state it beside those of another convention, as our exports do.

    None where question, answer or its type is missing.
    """
    if any(fields.get(name) is None for name in ("question", "answer", "answer_type")):
        return None
    return replace(asked(fields), shown=shown)


def captions(fields: Mapping[str, Any]) -> Iterator[str]:
    """What `caption`, `text` and `captions` say. Raises `BadField`."""
    listed = fields.get("captions")
    listed = [] if listed is None else listed
    if not isinstance(listed, list):
        raise BadField("field 'captions': a list of texts is needed")
    said = [("caption", fields.get("caption")), ("text", fields.get("text")), *(("captions", text) for text in listed)]
    for name, text in said:
        if text is None:
            continue
        if not isinstance(text, str) or not text.strip():
            raise BadField(f"field {name!r}: a text with at least one letter is needed, not {text!r}")
        fit(name, text)
        yield text.strip()


CONVENTION = Convention(
    says="question, answer, options, questions, caption, captions",
    uses={
        "question": "question",
        "answer": "answer",
        "answer_type": "type of the answer",
        "options": "options",
        "region": "region",
        "verifier": "verifier",
        "pair_id": "pair",
        "questions": "questions and answers",
        "caption": "caption",
        "text": "caption",
        "captions": "captions",
    },
    claims=lambda fields: (
        any(name in fields for name in ("question", "questions"))
        and not any(name in fields for name in ("hint", "A", "problem", "prompt", "messages", "conversations"))
        and not ("index" in fields and "category" in fields)
    ),
    read=read,
)
