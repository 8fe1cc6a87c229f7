"""A text as words with their parts of speech and phrases, after TextBlob's pattern tagger and chunker.

Its lexicon and rules come with the package (docs/decisions.md says why this one); inflect knows plurals and articles.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from pipelines.captions import wordnet

LIBRARIES = ("inflect", "textblob")
"""What decides how a text is read: another version may find other phrases."""
_SENTENCE_END = re.compile(r"[.!?;:]")


@dataclass(frozen=True)
class Word:
    """`text[start:end]` of the caption; `tag` as in the Penn Treebank, `phrase` as NP, VP, PP, ADJP …, or ""."""

    text: str
    start: int
    end: int
    tag: str
    phrase: str

    @property
    def lower(self) -> str:
        """The word in lower case."""
        return self.text.lower()

    @property
    def is_noun(self) -> bool:
        """Whether it is tagged as a noun, or as a name (which a capital at the start of a sentence makes of a word)."""
        return self.tag.startswith("NN")


def analysed(text: str) -> list[Word]:
    """The words and marks of a text in order; without what the tagger rewrites so that it is not found again."""
    from textblob.en import parse  # loads its lexicon, which takes a second

    words, place = [], 0
    for line in str(parse(text, relations=False)).splitlines():
        for item in line.split():
            written, tag, chunk, *_ = item.split("/")
            written = written.replace("&slash;", "/")
            start = text.find(written, place)
            if start >= 0:
                place = start + len(written)
                words.append(Word(written, start, place, tag, chunk.partition("-")[2]))
    return words


def clause_of(words: Sequence[Word], at: int) -> Sequence[Word]:
    """The words around word `at`, up to the nearest full stops, semicolons and colons."""
    first = next((i + 1 for i in range(at - 1, -1, -1) if _SENTENCE_END.fullmatch(words[i].text)), 0)
    last = next((i for i in range(at, len(words)) if _SENTENCE_END.fullmatch(words[i].text)), len(words))
    return words[first:last]


@lru_cache(maxsize=65536)
def singular(noun: str) -> str:
    """The base form of a noun in lower case. Where WordNet knows the noun and not the form (`bus`, `bu`), it is one."""
    found = _engine().singular_noun(noun)
    return found if isinstance(found, str) and (wordnet.knows(found) or not wordnet.knows(noun)) else noun


@lru_cache(maxsize=65536)
def plural(noun: str) -> str:
    """The plural of a singular noun."""
    return str(_engine().plural_noun(noun))


@lru_cache(maxsize=65536)
def article(word: str) -> str:
    """`a` or `an`, as the word is spoken."""
    return str(_engine().a(word)).partition(" ")[0]


@lru_cache(maxsize=65536)
def spelled(number: int) -> str:
    """A number in words."""
    return str(_engine().number_to_words(number))


@cache
def _engine() -> Any:
    import inflect  # brings a type checker along, half a second

    return inflect.engine()
