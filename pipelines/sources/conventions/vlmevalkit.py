"""VLMEvalKit's table: index, question, hint, options in columns A, B, C, …, and answer."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from pipelines.sources.conventions.plain import asked as plain_asked
from pipelines.sources.conventions.said import Convention, Said, text_of
from pipelines.sources.record import BadField


def read(fields: Mapping[str, Any]) -> Said:
    """One question. The letter of an option becomes its text; a hint stands in front of the question."""
    question = text_of(fields, "question")
    if isinstance(hint := fields.get("hint"), str) and hint.strip():
        question = f"{hint.strip()}\n{question}"
    options = {letter: str(fields[letter]) for letter in string.ascii_uppercase if fields.get(letter) is not None}
    answer = fields.get("answer")
    if answer is None:
        raise BadField("field 'answer' is absent; every question needs its answer")
    asked: dict[str, Any] = {"question": question, "answer": answer}
    if options:
        letter = str(answer).strip()
        if letter not in options and letter not in options.values():
            raise BadField(f"field 'answer': {answer!r} is none of the options {', '.join(options)}")
        asked |= {"answer": options.get(letter, letter), "options": list(options.values()), "answer_type": "choice"}
    elif fields.get("answer_type") is not None:
        asked["answer_type"] = fields["answer_type"]
    return Said((plain_asked(asked),))


def is_table(fields: Mapping[str, Any]) -> bool:
    """Whether the columns are VLMEvalKit's; questions with options may be too few for column A to be seen."""
    return "A" in fields or "hint" in fields or ("index" in fields and "category" in fields)


CONVENTION = Convention(
    says="VLMEvalKit: index, question, hint, A, B, …, answer",
    uses={
        "question": "question",
        "hint": "question",
        "answer": "answer",
        **dict.fromkeys(string.ascii_uppercase, "options"),
    },
    claims=lambda fields: "question" in fields and is_table(fields),
    read=read,
)
