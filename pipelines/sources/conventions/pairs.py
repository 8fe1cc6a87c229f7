"""Instruction and reply in columns of their own: Alpaca, ms-swift's query and response, FineVision's texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.sources.conventions.said import Convention, Said, text_of
from pipelines.sources.conventions.turns import said
from pipelines.sources.record import BadField


def read_alpaca(fields: Mapping[str, Any]) -> Said:
    """`instruction`, `input`, `output`, and `history` of earlier pairs, as LLaMA-Factory has them."""
    asked = "\n".join(part for name in ("instruction", "input") if isinstance(part := fields.get(name), str) and part)
    if not asked.strip():
        raise BadField("field 'instruction': a text is needed")
    return said([*_history(fields), ("user", asked), ("assistant", text_of(fields, "output"))], {})


def read_query(fields: Mapping[str, Any]) -> Said:
    """`query`, `response`, `history`, as older data of ms-swift have them."""
    turns = [*_history(fields), ("user", text_of(fields, "query"))]
    if isinstance(fields.get("response"), str) or fields.get("solution") is None:
        turns.append(("assistant", text_of(fields, "response")))
    return said(turns, {name: value for name, value in fields.items() if name in ("solution", "objects")})


def read_texts(fields: Mapping[str, Any]) -> Said:
    """`texts`: [{user, assistant}, …], as in FineVision."""
    texts = fields.get("texts")
    if not isinstance(texts, list) or not texts or not all(isinstance(item, dict) for item in texts):
        raise BadField("field 'texts': a list of objects with `user` and `assistant` is needed")
    turns = [(role, text_of(item, role)) for item in texts for role in ("user", "assistant")]
    return said(turns, {})


def _history(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    history = fields.get("history") or []
    if not isinstance(history, list):
        raise BadField("field 'history': a list of pairs is needed")
    turns = []
    for pair in history:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise BadField("field 'history': each item is a pair of texts, question and reply")
        turns += [("user", pair[0]), ("assistant", pair[1])]
    return turns


ALPACA = Convention(
    says="Alpaca: instruction, input, output",
    uses={"instruction": "question", "input": "question", "output": "answer", "history": "questions and answers"},
    claims=lambda fields: "instruction" in fields and "output" in fields,
    read=read_alpaca,
)

QUERY = Convention(
    says="ms-swift: query, response",
    uses={
        "query": "question",
        "response": "answer",
        "history": "questions and answers",
        "solution": "answer of the last question",
        "objects": "what <ref-object> and <bbox> stand for",
    },
    claims=lambda fields: isinstance(fields.get("query"), str) and ("response" in fields or "solution" in fields),
    read=read_query,
)

FINEVISION = Convention(
    says="FineVision: texts [{user, assistant}]",
    uses={"texts": "questions and answers"},
    claims=lambda fields: (
        isinstance(texts := fields.get("texts"), list)
        and bool(texts)
        and isinstance(texts[0], dict)
        and "user" in texts[0]
    ),
    read=read_texts,
)
