"""Answer types and their one canonical form."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from schemas.ids import Json, canonical

AnswerType: TypeAlias = Literal["integer", "number", "yes_no", "choice", "text", "span", "point", "box", "list", "open"]
ANSWER_TYPES: tuple[str, ...] = get_args(AnswerType)

YES = frozenset({"yes", "true", "y"})
NO = frozenset({"no", "false", "n"})


class BadAnswer(ValueError):
    """An answer that its declared type does not allow; the message says what would be right."""


def canonical_answer(value: Json, answer_type: str) -> Json:
    """The canonical form of a gold answer of the given type.

    integer → int · number → int or float · yes_no → "yes"/"no" · choice, text, span, open → stripped string ·
    point → [x, y] · box → [x0, y0, x1, y1] · list → list. Raises `BadAnswer`.
    """
    if answer_type not in ANSWER_TYPES:
        raise BadAnswer(f"answer_type {answer_type!r} is not one of {', '.join(ANSWER_TYPES)}")
    if value is None or value == "":
        raise BadAnswer(f"the answer is absent; a {answer_type} is needed")
    if answer_type in ("integer", "number"):
        return _number(value, whole=answer_type == "integer")
    if answer_type == "yes_no":
        word = str(value).strip().lower()
        if word in YES | NO:
            return "yes" if word in YES else "no"
        raise BadAnswer(f"{value!r} is neither yes nor no")
    if answer_type in ("point", "box"):
        length = 2 if answer_type == "point" else 4
        if isinstance(value, list | tuple) and len(value) == length:
            return [_number(item, whole=False) for item in value]
        raise BadAnswer(f"{value!r} is not a list of {length} numbers")
    if answer_type == "list":
        if isinstance(value, list | tuple) and value:
            return canonical(value)
        raise BadAnswer(f"{value!r} is not a list with at least one item")
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise BadAnswer(f"{value!r} is not text")
    text = str(canonical(value)).strip()
    if not text:
        raise BadAnswer(f"the answer is blank; a {answer_type} is needed")
    return text


def _number(value: Json, whole: bool) -> int | float:
    wanted = "a whole number" if whole else "a finite number"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadAnswer(f"{value!r} is not {wanted}")
    try:
        number = canonical(float(str(value).strip().replace(",", "")))
    except ValueError:
        raise BadAnswer(f"{value!r} is not {wanted}") from None
    if whole and not isinstance(number, int):
        raise BadAnswer(f"{value!r} is not {wanted}")
    assert isinstance(number, int | float)
    return number
