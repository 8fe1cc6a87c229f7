"""Claims that hold of any program, and a teller that writes them in varied words.

A claim is a path into the program and what stands there, so one small reader can prove every clause of every family:

- `at`: the value at `path`;
- `count`: how many entries of the list at `path` have the fields of `where`;
- `length`: how long the text or list at `path` is;
- `order`: the first of two `words` where the number at `path` is below the number at `other`, else the second.

`among` are the values that may stand in the clause's place, `said` is how a value is put into words.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from pipelines.captions import Caption, Writer
from pipelines.captions.words import NUMBERS
from schemas.ids import Json

ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

Fact = dict[str, Json]
Claim = tuple[str, Fact]
"""The kind of its clause (see `KINDS`) and the fact."""
Path = Sequence[str | int]


def reach(program: Any, path: Path) -> Any:
    """What stands at `path`. Raises `KeyError` or `IndexError` where nothing does."""
    for key in path:
        program = program[key]
    return program


def told(fact: Mapping[str, Any], program: Any) -> Json:
    """The value that makes `fact` true of `program`."""
    found = reach(program, fact["path"])
    match fact["claim"]:
        case "count":
            return sum(all(entry.get(key) == value for key, value in fact["where"].items()) for entry in found)
        case "length":
            return len(found)
        case "order":
            return str(fact["words"][0 if found < reach(program, fact["other"]) else 1])
        case "at":
            value: Json = found
            return value
    raise ValueError(f"no claim is called {fact['claim']!r}")


def phrase(fact: Mapping[str, Any], value: Json) -> str:
    """The words for a value of this fact."""
    if fact["said"] == "number" and isinstance(value, int) and 0 <= value < len(NUMBERS):
        return NUMBERS[value]
    if fact["said"] == "ordinal" and isinstance(value, int):
        return ORDINALS[value]
    return str(value)


def swaps(fact: Mapping[str, Any], program: Any) -> list[tuple[str, Fact]]:
    """Phrases that may stand in the clause's place, each with its fact, all proven false of the program."""
    true = told(fact, program)
    return [(phrase(fact, value), {**fact, "value": value}) for value in fact["among"] if value != true]


class Teller:
    """Writes a caption of a program sentence by sentence; the order and the wording of sentences are drawn."""

    def __init__(self, program: Mapping[str, Any], seed: str) -> None:
        self.program = program
        self._rng = random.Random(f"caption:{seed}")
        self._sentences: list[tuple[str, tuple[Claim, ...]]] = []

    def word(self, path: Path, among: Sequence[str], kind: str = "object") -> Claim:
        """The text at `path`, one of `among`."""
        return self._claim(kind, {"claim": "at", "path": list(path)}, "plain", among)

    def number(self, path: Path, low: int, high: int) -> Claim:
        """The number at `path`, which `low` and `high` would still make believable."""
        return self._numeric({"claim": "at", "path": list(path)}, "number", low, high)

    def place(self, path: Path, high: int) -> Claim:
        """The number at `path` as first, second, third … up to `high`."""
        kind, fact = self._numeric({"claim": "at", "path": list(path)}, "ordinal", 1, high)
        return "relation" if kind == "count" else kind, fact

    def count(self, path: Path, where: Mapping[str, Json], low: int = 0, high: int = 12) -> Claim:
        """How many entries of a list have these fields."""
        return self._numeric({"claim": "count", "path": list(path), "where": dict(where)}, "number", low, high)

    def length(self, path: Path, low: int = 0, high: int = 12) -> Claim:
        """How long a list or a text is."""
        return self._numeric({"claim": "length", "path": list(path)}, "number", low, high)

    def order(self, path: Path, other: Path, below: str, above: str) -> Claim:
        """Which of two numbers is larger; the caller never compares equal ones."""
        fact: Fact = {"claim": "order", "path": list(path), "other": list(other), "words": [below, above]}
        return self._claim("relation", fact, "plain", (below, above))

    def tell(self, wordings: str, *claims: Claim) -> None:
        """Add one sentence: one of the wordings parted by `|`, with `{0}`, `{1}` … where the claims stand."""
        self._sentences.append((self._rng.choice(wordings.split("|")).strip(), claims))

    def caption(self) -> Caption:
        """All sentences, the first one first, the others in a drawn order."""
        first, *others = self._sentences
        self._rng.shuffle(others)
        writer = Writer()
        for index, (wording, claims) in enumerate([first, *others]):
            writer.say(" " if index else "")
            for said, name, _, _ in Formatter().parse(wording):
                writer.say(said)
                if name is not None:
                    kind, fact = claims[int(name)]
                    writer.claim(phrase(fact, fact["value"]), kind, fact)
        return writer.caption()

    def _numeric(self, fact: Fact, said: str, low: int, high: int) -> Claim:
        value = told(fact, self.program)
        assert isinstance(value, int)
        near = [value + step for step in (-2, -1, 1, 2) if low <= value + step <= high]
        return "count", {**fact, "said": said, "value": value, "among": near}

    def _claim(self, kind: str, fact: Fact, said: str, among: Sequence[Json]) -> Claim:
        value = told(fact, self.program)
        return kind, {**fact, "said": said, "value": value, "among": [other for other in among if other != value]}
