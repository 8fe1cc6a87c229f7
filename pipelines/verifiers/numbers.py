"""Numbers as people and models write them: thousands, percent, currencies, scales, units, words."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from pipelines.verifiers.rules import Rules
from pipelines.verifiers.words import unwrapped

_SCALES = {
    "k": 1e3, "thousand": 1e3, "mn": 1e6, "million": 1e6, "millions": 1e6, "bn": 1e9, "billion": 1e9, "billions": 1e9,
    "tn": 1e12, "trillion": 1e12, "trillions": 1e12,
}  # fmt: skip
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SPELLED = {word: value for value, word in enumerate(_ONES)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_NOT_UNITS = (
    frozenset(
        "and but equals from minus nor not of or out plus than then times to versus vs between either neither".split()
    )
    | _SPELLED.keys()
)

_NUMBER = re.compile(
    r"""(?:[a-z]\w{0,9}\s*[=≈]\s*|=\s*)?
    (?:(?:about|approximately|approx\.?|around|roughly)\s+|[~≈]\s*)?
    (?P<sign>[+-]?)\s*(?P<currency>[$€£¥]?)\s*
    (?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)
    (?:e(?P<exponent>[+-]?\d{1,3}))?
    (?:\s*/\s*(?P<divisor>\d{1,15}))?
    \s*(?P<tail>.*)""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_UNIT = re.compile(r"[^\W\d_][^\d\s]*[23]?(?:\s[^\W\d_][^\d\s]*[23]?){0,3}|°[a-z]?|[$€£¥]", re.IGNORECASE)


@dataclass(frozen=True)
class Number:
    """`values` are the readings that the notation allows, the plainest first; `unit` is lower-case, or blank."""

    values: tuple[float, ...]
    unit: str = ""


def read_number(text: str, rules: Rules) -> Number | None:
    """The number that the whole text is, or None: ``1,234.5 cm``, ``45%`` and ``three`` are, ``12 of 30`` is none."""
    text = unwrapped(text)
    if (spelled := _spelled(text)) is not None:
        return Number((float(spelled),))
    match = _NUMBER.fullmatch(text[:200])
    if not match or len(text) > 200:
        return None
    value = float(f"{match['digits'].replace(',', '')}e{match['exponent'] or 0}")
    if match["divisor"]:
        if float(match["divisor"]) == 0:
            return None
        value /= float(match["divisor"])
    value = -value if match["sign"] == "-" else value
    values, tail = [value], match["tail"].strip().lower()
    head, _, rest = tail.partition(" ")
    if tail.startswith("%") or head in ("percent", "percentage"):
        tail = tail[1:].strip() if tail.startswith("%") else rest.strip()
        readings = {"points": [value], "fraction": [value / 100], None: [value, value / 100]}
        values = readings[rules.percent]
        tail = "" if tail in ("points", "point") else tail
    elif head in _SCALES:
        declared = rules.unit is not None and _singular(rules.unit.lower()) == _singular(head)
        values, tail = ([value], "") if declared else ([value * _SCALES[head]], rest.strip())
    if tail and (not _UNIT.fullmatch(tail) or _NOT_UNITS & set(tail.split())):
        return None
    if not all(math.isfinite(item) for item in values):
        return None
    return Number(tuple(values), tail)


def equal_numbers(found: Number, gold: float, rules: Rules) -> bool:
    """Whether a reading lies within the tolerance, and its unit does not contradict the declared one."""
    if rules.unit and found.unit and _singular(found.unit) != _singular(rules.unit.lower()):
        return False
    noise = 0 if isinstance(gold, int) else 1e-12 * abs(gold)
    allowed = max(rules.tolerance * abs(gold), rules.absolute, noise)
    return any(abs(value - gold) <= allowed for value in found.values)


def _singular(unit: str) -> str:
    return unit[:-1] if len(unit) > 3 and unit.endswith("s") else unit


def _spelled(text: str) -> int | None:
    words = text.lower().replace("-", " ").split()
    if len(words) == 1:
        return _SPELLED.get(words[0])
    if len(words) == 2 and words[0] in _TENS and words[1] in _ONES[1:10]:
        return _SPELLED[words[0]] + _SPELLED[words[1]]
    return None
