"""What may be swapped in a caption: eight types of phrase, and the swaps that the facts of a program prove.

A swap is offered only where the fact behind the clause is true of the program and the new one false, the phrase stands
once in the caption, its replacement nowhere in it, and the words around it fit both (`a` and `an`, one and many).
Nothing but the phrase changes, so the spans before and after are exact.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pipelines.captions.subtlety import distance
from pipelines.captions.truth import entry_of, holds, swaps

Kind = Literal["object", "attribute", "count", "material", "spatial", "condition", "shape", "text"]
"""What a phrase says: which thing, its colour or size, how many, of what, where, in what state, of which form; or it
quotes what is written in the picture."""
KINDS: tuple[Kind, ...] = get_args(Kind)
INJECTORS = ("program", "grammatical", "author")

_KIND_OF_CLAUSE: Mapping[str, Kind] = {
    "colour": "attribute",
    "value": "count",
    "count": "count",
    "object": "object",
    "relation": "spatial",
}
_KIND_OF_FIELD: Mapping[str, Kind] = {
    "material": "material",
    "condition": "condition",
    "sky": "condition",
    "shape": "shape",
    "kind": "shape",
    "rows": "text",
    "stops": "text",
    "by": "text",
    "day": "text",
}
"""Fields of a program whose phrases are of a narrower type than their clause says."""
_NAMES_A_THING = ("things", "shape")
"""The things of a still life are called by their shapes: another word there is another thing."""

_SOMEBODY = "bodies"
"""The list whose captions say `one body` and `another body`."""

_TOKEN = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")
_ARTICLES = ("a", "an")


@dataclass(frozen=True)
class Swap:
    """`original` at `start` may become `replacement`; `proof` says what makes the one true and the other false.

    `distance` is 0 for the nearest substitute and 1 for the farthest; `size` is the share of the picture that the named
    thing fills, None where nobody knows.
    """

    kind: Kind
    original: str
    replacement: str
    start: int
    proof: Mapping[str, Any]
    injector: str = "program"
    distance: float = 0.0
    size: float | None = None

    @property
    def end(self) -> int:
        """Where the original ends, exclusive."""
        return self.start + len(self.original)

    def applied(self, text: str) -> str:
        """The caption with the replacement in the original's place."""
        return text[: self.start] + self.replacement + text[self.end :]


def offers(text: str, clauses: Sequence[Mapping[str, Any]], program: Mapping[str, Any]) -> list[Swap]:
    """Every swap that can be proven of a program's caption, in the order of the clauses."""
    found = []
    for clause in clauses:
        fact = json.loads(clause["fact"])
        phrase, start = clause["text"], clause["start"]
        if text[start : clause["end"]] != phrase or times(phrase, text) != 1 or not holds(fact, program):
            continue
        kind, size = kind_of(clause["kind"], fact), size_of(fact, program)
        for replacement, false in swaps(fact, program):
            said = times(replacement, text) or _of_another(false, program)
            if not said and fits(text[:start], phrase, replacement):
                far = distance(kind, phrase, replacement)
                proof = {"true": fact, "false": false}
                found.append(Swap(kind, phrase, replacement, start, proof, distance=far, size=size))
    return found


def kind_of(clause_kind: str, fact: Mapping[str, Any]) -> Kind:
    """The type of a program's clause: what the field of its fact holds, or else what kind of clause it is."""
    path = fact.get("path", ())
    named = [part for part in path if part in _KIND_OF_FIELD]
    if fact["claim"] == "at" and named and tuple(path[::2]) != _NAMES_A_THING:
        return _KIND_OF_FIELD[named[-1]]
    if fact["claim"] in ("shape_at", "mark_of"):
        return "shape"
    return _KIND_OF_CLAUSE[clause_kind]


def _of_another(false: Mapping[str, Any], program: Mapping[str, Any]) -> bool:
    """Whether a false phrase is true of another thing, where the caption does not say which thing it means."""
    path = false.get("path", ())
    if path[:1] != [_SOMEBODY] or len(path) != 3:
        return False
    return any(entry[path[2]] == false["value"] for entry in program[_SOMEBODY])


def size_of(fact: Mapping[str, Any], program: Mapping[str, Any]) -> float | None:
    """The share of the picture that the thing fills of which a fact speaks; None where the program gives no extent."""
    entry, canvas = entry_of(fact, program), program.get("size")
    if entry is None or canvas is None:
        return None
    width, height = canvas if isinstance(canvas, Sequence) else (canvas, canvas)
    if "radius" in entry:
        across, down = 2 * entry["radius"], 2 * entry["radius"]
    elif "width" in entry and "height" in entry:
        across, down = entry["width"], entry["height"]
    elif "foot" in entry:
        across, down = 2 * entry["size"], 2 * entry["size"]
    else:
        return None
    return float(min(1.0, across * down / (width * height)))


def times(phrase: str, text: str) -> int:
    """How often a phrase stands in a text as whole words, whatever its case."""
    return len(re.findall(rf"(?<!\w){re.escape(phrase)}(?!\w)", text, re.IGNORECASE))


def fits(before: str, phrase: str, replacement: str) -> bool:
    """Whether the words around the phrase fit its replacement: the article before it, and one or many after it."""
    article = before.rstrip().rpartition(" ")[2].lower()
    if article in _ARTICLES and (replacement[0].lower() in "aeiou") != (article == "an"):
        return False
    return (phrase.lower() in ("one", "1")) == (replacement.lower() in ("one", "1"))


def token_span(text: str, start: int, end: int) -> tuple[int, int]:
    """The tokens (words and marks, counted from 0, end exclusive) that a span of characters touches."""
    touched = [at for at, found in enumerate(_TOKEN.finditer(text)) if found.start() < end and found.end() > start]
    return touched[0], touched[-1] + 1
