"""Data for reinforcement learning: verl's nested columns and EasyR1's flat ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.sources.conventions.plain import stated
from pipelines.sources.conventions.said import Asked, Convention, Said, marks_in, text_of, without_marks
from pipelines.sources.conventions.turns import read_messages
from pipelines.sources.record import BadField


def read_verl(fields: Mapping[str, Any]) -> Said:
    """`prompt` and `reward_model.ground_truth`. `extra_info.question`, where given, is the question without the
    instructions that the prompt adds.
    """
    model = fields.get("reward_model")
    truth = model.get("ground_truth") if isinstance(model, Mapping) else None
    if truth is None:
        raise BadField("field 'reward_model': an object with `ground_truth` is needed")
    prompted = read_messages({"prompt": fields.get("prompt"), "solution": truth})
    extra = fields.get("extra_info")
    if isinstance(extra, Mapping) and (own := stated({"answer": truth, **extra})):
        return Said((own,), (), prompted.marks, needs_picture=False)
    bare = extra.get("question") if isinstance(extra, Mapping) else None
    if isinstance(bare, str) and bare.strip() and len(prompted.questions) == 1:
        asked = {"question": without_marks(bare).strip(), "answer": truth}
        return Said((Asked(asked),), (), prompted.marks, needs_picture=False)
    last = prompted.questions[-1]
    return Said((Asked({**last.fields, "answer": truth}, last.shown),), (), prompted.marks, needs_picture=False)


def read_easyr1(fields: Mapping[str, Any]) -> Said:
    """`problem` or `prompt`, a text, and `answer`."""
    name = "problem" if "problem" in fields else "prompt"
    asked = text_of(fields, name)
    answer = next((fields[key] for key in ("answer", "solution") if fields.get(key) is not None), None)
    if answer is None:
        raise BadField("field 'answer' is absent; every question needs its answer")
    question = stated(fields) or Asked({"question": without_marks(asked).strip(), "answer": answer})
    return Said((question,), (), marks_in(asked), needs_picture=False)


VERL = Convention(
    says="verl: prompt [{role, content}], reward_model.ground_truth",
    uses={
        "prompt": "question",
        "reward_model": "answer",
        "extra_info": "question, where it holds one",
        "data_source": "origin of the pictures",
        "ability": "left out",
    },
    claims=lambda fields: "reward_model" in fields and "prompt" in fields,
    read=read_verl,
)

EASYR1 = Convention(
    says="EasyR1: problem or prompt (a text), answer",
    uses={"problem": "question", "prompt": "question", "answer": "answer", "solution": "answer"},
    claims=lambda fields: (
        isinstance(fields.get("problem", fields.get("prompt")), str) and ("answer" in fields or "solution" in fields)
    ),
    read=read_easyr1,
)
