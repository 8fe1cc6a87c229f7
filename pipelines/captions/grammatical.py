"""The grammatical injector: in any caption, a word of a noun phrase becomes one that is near it and not the same.

Substitutes come from a lexicon of families that exclude each other; articles and plurals are put right, and the phrase
grows by its noun where the word alone stands twice. Whether the picture agrees, it cannot know: its swaps are
candidates until somebody votes on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from pipelines.captions.grammar import Word, article, plural, singular, spelled
from pipelines.captions.lexicon import families, substitutes
from pipelines.captions.rules import Read, apart, broken
from pipelines.captions.subtlety import RGB, distance, number
from pipelines.captions.swaps import KINDS, Kind, Swap, times

COUNTS = range(2, 100)
_FORMS = ("circle", "square", "triangle", "cross", "star", "sphere", "cube", "cone", "cylinder")
"""Shapes that are nouns."""
_TINTS = ("coral", "brick", "rose", "navy", "sky", "olive", "lime", "blood")
"""Things after which colours are called."""
_STATES = ("is", "are", "was", "were", "stands", "stand", "looks", "look")
_LETTERS = {
    old: new
    for old, new in zip("abcdefghijklmnopqrstuvwxyz0123456789", "ohedocqnjlkimnopgrsfuvwxyz8713690382", strict=True)
    if old != new
}
"""Characters and those that look like them."""
_COMPARED = ("of", "edge", "side", "half", "corner", "end", "part", "hand", "and", ",", ".", ";")
"""What follows a side: `left` before any other word is a verb, or belongs to a longer name."""


_SPELLED = {
    f"{tens}-{ones}": 10 * (2 + at) + one
    for at, tens in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split())
    for one, ones in enumerate("one two three four five six seven eight nine".split(), 1)
}
"""Numbers from 21 on, as they are spelled."""


def candidates(read: Read) -> Iterator[tuple[Swap, str | None]]:
    """Every substitution that the lexicon knows, in the order of the caption, each with the rule that it breaks."""
    for at in range(len(read.words)):
        for kind in KINDS:
            for new in _new_words(read.words, at, kind):
                swap = _swap(read, at, kind, new)
                yield swap, broken(read, swap)
    yield from ((swap, broken(read, swap)) for swap in _misread(read.text))


def offers(read: Read) -> list[Swap]:
    """The candidates that break no rule."""
    return [swap for swap, rule in candidates(read) if rule is None]


Near = Word | None


def _new_words(words: Sequence[Word], at: int, kind: Kind) -> Sequence[str]:
    """Lower-case words that may stand for word `at` as a phrase of this type, in its own number."""
    before = words[at - 1] if at else None
    after = words[at + 1] if at + 1 < len(words) else None
    return _SUBSTITUTES[kind](before, words[at], after)


def _things(before: Near, word: Word, after: Near) -> Sequence[str]:
    """For the last noun of a phrase that is no name."""
    base = singular(word.lower)
    head = word.is_noun and not (after and (after.is_noun or _coloured(after)) and after.phrase in ("NP", "ADJP"))
    named = word.text[0].isupper() and before and before.text != "."
    if not head or named or (before and _belongs(before)):
        return ()
    return [new if base == word.lower else plural(new) for new in substitutes(base, "object")]


def _attributes(before: Near, word: Word, after: Near) -> Sequence[str]:
    """Not for a part of a colour: orange red is one, and so is brick red."""
    part = any(near and (_coloured(near) or near.lower in _TINTS) for near in (before, after))
    return () if part else substitutes(word.lower, "attribute")


def _materials(before: Near, word: Word, after: Near) -> Sequence[str]:
    """Before a noun, or after `of`."""
    said = (after and after.is_noun) or (before and before.lower == "of")
    return substitutes(word.lower, "material") if said else ()


def _places(before: Near, word: Word, after: Near) -> Sequence[str]:
    """Not for `left` as a verb, `everything behind is blurred`, `on top`."""
    follows = after.lower if after else ""
    if word.lower in ("left", "right") and follows not in _COMPARED:
        return ()
    if word.tag == "IN" and not (after and after.tag[:2] in ("DT", "PR", "JJ", "NN")):
        return ()
    return () if word.lower == "top" and before and before.lower == "on" else substitutes(word.lower, "spatial")


def _shapes(before: Near, word: Word, after: Near) -> Sequence[str]:
    """Nouns for nouns and adjectives for adjectives; `square` is both."""
    possible = substitutes(word.lower, "shape")
    if word.lower in _FORMS and not (after and after.is_noun):
        named = before and before.tag[:2] in ("DT", "JJ", "CD", "NN")
        return [new for new in possible if new in _FORMS] if named else ()
    if not _describes(before, word, after):
        return ()
    return [new for new in possible if new not in _FORMS or new == "square"]


def _conditions(before: Near, word: Word, after: Near) -> Sequence[str]:
    return substitutes(word.lower, "condition") if _describes(before, word, after) else ()


def _counts(before: Near, word: Word, after: Near) -> Sequence[str]:
    """For a number of things, two or more, that is no number of parts or times."""
    value = number(word.lower) or _SPELLED.get(word.lower)
    counted = word.tag == "CD" and after and after.lower not in ("or", "times", "and", "of")
    if value is None or value not in COUNTS or not counted:
        return ()
    near = [value + step for step in (-2, -1, 1, 2) if value + step in COUNTS]
    return [str(new) if word.text.isdigit() else spelled(new) for new in near]


def _no_words(before: Near, word: Word, after: Near) -> Sequence[str]:
    """What is written in the picture is changed by its letters."""
    return ()


_SUBSTITUTES: Mapping[Kind, Callable[[Near, Word, Near], Sequence[str]]] = {
    "object": _things,
    "attribute": _attributes,
    "count": _counts,
    "material": _materials,
    "spatial": _places,
    "condition": _conditions,
    "shape": _shapes,
    "text": _no_words,
}


def _describes(before: Near, word: Word, after: Near) -> bool:
    """Whether an adjective is said of a thing: right before it, but not in `in full bloom`; or after a form of `be`."""
    if before and before.lower in _STATES:
        return not (after and after.lower in ("over", "down", "up", "out"))
    idiom = before and before.tag == "IN" and before.lower != "of"
    return bool(after and after.tag[:2] in ("NN", "JJ", ",") and not idiom) and word.tag != "RB"


def _belongs(before: Word) -> bool:
    """Whether the word before a noun makes one name of the two, as in `coffee mill`: a noun that is no material."""
    materials = {word for family in families("material") for word in family}
    return before.is_noun and before.lower not in materials and not _coloured(before) and before.phrase == "NP"


def _coloured(word: Word) -> bool:
    return word.lower in RGB


def _swap(read: Read, at: int, kind: Kind, new: str) -> Swap:
    """The word's swap: with the article before it where that has to change, with its noun where it stands twice."""
    words = read.words
    word = words[at]
    old, start = word.text, word.start
    if word.text[0].isupper():
        new = new[0].upper() + new[1:]
    if kind != "object" and times(old, read.text) > 1:
        tail = read.text[word.end : _noun_after(words, at)]
        old, new = old + tail, new + tail
    before = words[at - 1] if at else None
    if before and before.lower in ("a", "an") and article(new) != before.lower:
        fitting = article(new)
        gap = read.text[before.end : start]
        old, start = before.text + gap + old, before.start
        new = (fitting.capitalize() if before.text[0].isupper() else fitting) + gap + new
    swap = Swap(kind, old, new, start, {"word": word.lower}, "grammatical")
    return replace(swap, distance=apart(swap))


def _noun_after(words: Sequence[Word], at: int) -> int:
    """Where the noun ends that word `at` describes (`white` in `white plastic spoon`), or else the word itself."""
    end, last = words[at].end, at + 1
    while last < len(words) and last - at <= 3 and words[last].tag[:2] in ("NN", "JJ") and words[last].phrase:
        end = words[last].end if words[last].is_noun else end
        if words[last].tag == "NNS":
            break
        last += 1
    return end


def _misread(text: str) -> Iterator[Swap]:
    """What is quoted, with one character read as another that looks like it."""
    for found in re.finditer("“([^”]+)”", text):
        written = found.group(1)
        for at, letter in enumerate(written):
            if letter.lower() in _LETTERS and 0 < at < len(written):
                other = _LETTERS[letter.lower()]
                new = written[:at] + (other.upper() if letter.isupper() else other) + written[at + 1 :]
                yield Swap(
                    "text",
                    written,
                    new,
                    found.start(1),
                    {"word": letter},
                    "grammatical",
                    distance("text", written, new),
                )
