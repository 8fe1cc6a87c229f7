"""How a sentence is recognised by its words, and each claim in it held against what it must say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Program: TypeAlias = Mapping[str, Any]
Said: TypeAlias = Mapping[str, str]
"""What was captured, by name."""
Right: TypeAlias = Any
"""What a claim must say to be true: a word, a number, or a set of either."""
Sentence: TypeAlias = tuple[str, Callable[[Said], Mapping[str, Right]]]
"""A wording, with `<name>` where words are captured, and what makes it true: for each name that claims something, what
it must say, given all that was captured."""
NUMBERS = "no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth".split()


class Unread(ValueError):
    """A sentence that no wording of its family fits."""


@dataclass(frozen=True)
class Claim:
    """`text[start:end]` claims something of the picture, and that is `true` or not."""

    start: int
    end: int
    said: str
    true: bool


def claims(text: str, sentences: Sequence[Sentence]) -> list[Claim]:
    """Every claim of a text, in order. Raises `Unread`."""
    forms = [(_form(wording), truth) for wording, truth in sentences]
    found, at = list[Claim](), 0
    while at < len(text):
        match, truth = next(((hit, truth) for form, truth in forms if (hit := form.match(text, at))), (None, None))
        if match is None or truth is None:
            raise Unread(f"at character {at}: {text[at : at + 80]!r}")
        wanted = truth(match.groupdict())
        for name in sorted(wanted, key=match.start):
            claim = Claim(match.start(name), match.end(name), match[name], agrees(match[name], wanted[name]))
            found.append(claim)
        at = match.end()
    return found


def agrees(said: str, true: Right) -> bool:
    """Whether the words are what they must be, or one of it; numbers and ranks may be spelled."""
    if isinstance(true, set | frozenset):
        return any(agrees(said, each) for each in true)
    return said == true if isinstance(true, str) else value(said) == true


def value(said: str) -> int | None:
    """A number, or a rank counted from 1, in digits or spelled."""
    for words, first in ((NUMBERS, 0), (ORDINALS, 1)):
        if said.lower() in words:
            return words.index(said.lower()) + first
    return int(said) if re.fullmatch(r"-?\d+", said) else None


def either(words: Sequence[Any]) -> str:
    """A capture of one of these words, longest first: `<name=red|blue>`."""
    return "|".join(re.escape(str(word)) for word in sorted(map(str, words), key=len, reverse=True))


def one_of(difference: float, positive: str, negative: str) -> str:
    """The word for a difference above 0, or for one below."""
    return positive if difference > 0 else negative


def plain(*wordings: str) -> list[Sentence]:
    """Sentences that claim nothing which could be swapped."""
    return [(wording, lambda _: {}) for wording in wordings]


def _form(wording: str) -> re.Pattern[str]:
    """`The <kind=pine|round> tree is <v>.` as a pattern that ends where a sentence does."""
    parts = re.split(r"<(\w+)(?:=((?:\\.|[^>\\])*))?>", wording)
    pattern = re.escape(parts[0])
    for name, among, after in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        pattern += f"(?P<{name}>{among or '.+?'})" + re.escape(after)
    return re.compile(pattern + r"(?: |$)", re.DOTALL)
