"""What can be known of a swap from words alone. What the picture shows is proved elsewhere: by facts or by votes.

A rule is a function of the caption's words and the swap; the first that is broken names the reject.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pipelines.captions import wordnet
from pipelines.captions.grammar import Word, analysed, article, clause_of, singular
from pipelines.captions.lexicon import substitutes
from pipelines.captions.subtlety import RGB, distance, number
from pipelines.captions.swaps import Kind, Swap, times

LONGEST = 5
"""Words of a phrase."""
MOST_CHANGED = 3
"""Words of it that change."""
DISTINCT = 0.27
"""Distance of two colours that nobody takes for one another: orange and red are at 0.23, blue and turquoise at 0.26."""

_NEGATIONS = frozenset({"no", "not", "nor", "neither", "none", "nobody", "nothing", "never", "without", "cannot"})
_HEDGES = frozenset({"or", "like", "seems", "perhaps", "maybe", "almost", "nearly", "if"})
_WITHOUT_COLOUR = re.compile(r"\bblack[- ]and[- ]white\b|\bgr[ea]y[- ]?scale\b|\bmonochrome\b", re.IGNORECASE)
_FILED_UNDER: Mapping[Kind, tuple[str, ...]] = {
    "material": ("material", "building material", "ceramic"),
    "shape": ("shape",),
    "spatial": ("side",),
}
_SAME_EITHER_WAY = frozenset({"other", "another", "each", "half"})
"""Where one is above the other, one is below the other; what is half full is half empty."""


@dataclass(frozen=True)
class Read:
    """A caption with its words, analysed once for all swaps."""

    text: str
    words: Sequence[Word] = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Read:
        return cls(text, analysed(text))

    def touched(self, swap: Swap) -> list[int]:
        """Numbers of the words that the swap's original covers."""
        return [at for at, word in enumerate(self.words) if word.start < swap.end and word.end > swap.start]


def broken(read: Read, swap: Swap) -> str | None:
    """The name of the first rule that the swap breaks; None where words have nothing against it."""
    return next((name for name, rule in RULES.items() if rule(read, swap)), None)


def changed(swap: Swap) -> tuple[str, str]:
    """What is left of both phrases, in lower case, without the words that they begin and end with alike."""
    old, new = swap.original.lower().split(), swap.replacement.lower().split()
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    if old and new and {old[0], new[0]} <= {"a", "an"}:
        old, new = old[1:], new[1:]
    return " ".join(old), " ".join(new)


def apart(swap: Swap) -> float:
    """How far the substitute of a swap is, in 0–1: by what changes, and for things by where they part in WordNet."""
    old, new = changed(swap)
    if swap.kind == "object":
        return round(wordnet.apart(_base(old), _base(new)), 4)
    return distance(swap.kind, old, new)


def _absent(read: Read, swap: Swap) -> bool:
    return not swap.original or read.text[swap.start : swap.end] != swap.original


def _unchanged(read: Read, swap: Swap) -> bool:
    old, new = changed(swap)
    return old == new or not new or not old


def _long(read: Read, swap: Swap) -> bool:
    return max(len(swap.original.split()), len(swap.replacement.split())) > LONGEST


def _rewritten(read: Read, swap: Swap) -> bool:
    return max(len(part.split()) for part in changed(swap)) > MOST_CHANGED


def _repeated(read: Read, swap: Swap) -> bool:
    """The phrase stands twice; or the same thing is named again, and the rest of the text gives the change away."""
    if times(swap.original, read.text) != 1:
        return True
    old = singular(changed(swap)[0])
    return swap.kind == "object" and sum(singular(word.lower) == old for word in read.words) > 1


def _elsewhere(read: Read, swap: Swap) -> bool:
    """The replacement, or for a thing its word in one or many, is said of something else already."""
    _, new = changed(swap)
    if times(swap.replacement, read.text):
        return True
    return swap.kind == "object" and any(singular(word.lower) == singular(new) for word in read.words if word.is_noun)


def _synonym(read: Read, swap: Swap) -> bool:
    old, new = map(_base, changed(swap))
    return wordnet.same(old, new) or wordnet.same(old, new, "adj")


def _indistinct(read: Read, swap: Swap) -> bool:
    old, new = changed(swap)
    return old in RGB and new in RGB and distance("attribute", old, new) < DISTINCT


def _broader(read: Read, swap: Swap) -> bool:
    if swap.kind != "object":
        return False
    old, new = map(_base, changed(swap))
    return wordnet.broader(old, new) or wordnet.broader(new, old)


def _negated(read: Read, swap: Swap) -> bool:
    return any(word.lower in _NEGATIONS or word.lower.endswith("n't") for word in _around(read, swap))


def _hedged(read: Read, swap: Swap) -> bool:
    return any(word.lower in _HEDGES for word in _around(read, swap))


def _colourless(read: Read, swap: Swap) -> bool:
    """A colour in a picture that is said to have none."""
    grey = RGB.get(changed(swap)[1], (0, 0, 0))
    return len(set(grey)) > 1 and bool(_WITHOUT_COLOUR.search(read.text))


def _symmetric(read: Read, swap: Swap) -> bool:
    touched = read.touched(swap)
    near = read.words[max(0, touched[0] - 2) : touched[-1] + 4]
    return swap.kind in ("spatial", "condition") and any(word.lower in _SAME_EITHER_WAY for word in near)


def _numbers(read: Read, swap: Swap) -> bool:
    """One of something becomes many, or many become one: then the verb would have to change as well."""
    counts = [_counted(part) for part in changed(swap)]
    if None not in counts:
        return (counts[0] == 1) != (counts[1] == 1)
    old, new = changed(swap)
    return swap.kind == "object" and (singular(_last(old)) == _last(old)) != (singular(_last(new)) == _last(new))


def _article(read: Read, swap: Swap) -> bool:
    before = read.text[: swap.start].split()
    said = [*before[-1:], *swap.replacement.split()]
    return any(one.lower() in ("a", "an") and article(two) != one.lower() for one, two in pairwise(said))


def _mistyped(read: Read, swap: Swap) -> bool:
    """The change is none of its type: a count without numbers, a colour that is a thing, words that nobody wrote."""
    if quoted(read.text, swap.start, swap.end) or swap.kind == "text":
        return swap.kind != "text" or not quoted(read.text, swap.start, swap.end)
    return not all(_is_of(swap.kind, part) for part in changed(swap))


def _is_of(kind: Kind, phrase: str) -> bool:
    """Whether a phrase can be of a type: a number, or a word of the lexicon's, or one that WordNet files there."""
    if kind == "count" or _counted(phrase) is not None:
        return kind == "count" and _counted(phrase) is not None
    words = phrase.split()
    if any(substitutes(word, kind) for word in (*words, phrase)):
        return True
    if kind == "object":
        return wordnet.knows(_base(phrase)) or wordnet.knows(_base(words[-1]))
    if kind in _FILED_UNDER and any(wordnet.broader(_base(word), top) for word in words for top in _FILED_UNDER[kind]):
        return True
    return kind in ("attribute", "condition") and any(wordnet.knows(word, "adj") for word in words)


RULES: Mapping[str, Callable[[Read, Swap], bool]] = {
    "not_in_caption": _absent,
    "no_change": _unchanged,
    "too_long": _long,
    "more_than_one_change": _rewritten,
    "not_once": _repeated,
    "said_of_another": _elsewhere,
    "wrong_type": _mistyped,
    "synonym": _synonym,
    "indistinct": _indistinct,
    "broader_or_narrower": _broader,
    "negated": _negated,
    "hedged": _hedged,
    "colourless": _colourless,
    "same_either_way": _symmetric,
    "one_or_many": _numbers,
    "article": _article,
}
"""In the order in which they are asked."""


def quoted(text: str, start: int, end: int) -> bool:
    """Whether a span lies between quotation marks."""
    opened = text.rfind("“", 0, start + 1)
    closes = text.find("”", opened)
    return 0 <= opened < start and end <= closes


def _around(read: Read, swap: Swap) -> Sequence[Word]:
    touched = read.touched(swap)
    return clause_of(read.words, touched[0]) if touched else ()


def _counted(phrase: str) -> int | None:
    return next((found for word in phrase.split() if (found := number(word)) is not None), None)


def _base(phrase: str) -> str:
    return singular(phrase) if not wordnet.knows(phrase) and not wordnet.knows(phrase, "adj") else phrase


def _last(phrase: str) -> str:
    return phrase.rsplit(maxsplit=1)[-1]
