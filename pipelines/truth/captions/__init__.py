"""A caption of a program read back, sentence by sentence, and held against what is in the picture.

A second path to the truth of a phrase: nothing here is shared with what writes captions, swaps their phrases or proves
the swap. A sentence is recognised by its words alone, in whatever order sentences stand, and what it claims is worked
out anew from the latent state. Where it speaks of no thing in particular (`there is a card in red`), each of its words
must be true of some thing, and all of them of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Program = Mapping[str, Any]
True_ = Any
"""What a claim must say to be true: a word, a number, or a set of either."""
Sentence = tuple[str, Callable[[Mapping[str, str]], Mapping[str, True_]]]
"""A wording, with `<name>` where words are captured, and what makes it true: for each name that claims something, what
it must say, given all that was captured."""
Family = Callable[[Program], Sequence[Sentence]]

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


def agrees(said: str, true: True_) -> bool:
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


def _form(wording: str) -> re.Pattern[str]:
    """`The <kind=pine|round> tree is <v>.` as a pattern that ends where a sentence does."""
    parts = re.split(r"<(\w+)(?:=((?:\\.|[^>\\])*))?>", wording)
    pattern = re.escape(parts[0])
    for name, among, after in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        pattern += f"(?P<{name}>{among or '.+?'})" + re.escape(after)
    return re.compile(pattern + r"(?: |$)", re.DOTALL)
