"""A caption of a program read back, sentence by sentence, and held against what is in the picture.

A second path to the truth of a phrase: nothing here is shared with what writes captions, swaps their phrases or proves
the swap. A sentence is recognised by its words alone, in whatever order sentences stand, and what it claims is worked
out anew from the latent state. Where it speaks of no thing in particular (`there is a card in red`), each of its words
must be true of some thing, and all of them of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pipelines.truth.captions import scenes, sheets
from pipelines.truth.captions.sentences import Claim, Program, Sentence, Unread, claims

READERS: Mapping[str, Callable[[Program], Sequence[Sentence]]] = {
    "charts": sheets.charts,
    "counting": scenes.counting,
    "documents": sheets.documents,
    "frames": scenes.frames,
    "functions": sheets.functions,
    "mazes": sheets.mazes,
    "puzzles": sheets.puzzles,
    "search": scenes.search,
    "stilllife": scenes.stilllife,
    "structure": sheets.structure,
    "transform": scenes.transform,
    "transit": sheets.transit,
    "views": scenes.views,
}
"""What each family may say of its pictures."""

__all__ = ["READERS", "Claim", "Unread", "judged", "only_false"]


def judged(family: str, text: str, program: Program) -> list[Claim]:
    """Every claim of a caption of a family, true or not. Raises `Unread` where a sentence is none of that family's."""
    return claims(text, READERS[family](program))


def only_false(family: str, text: str, program: Program) -> Claim | None:
    """The one claim of a caption that is false; None where there is none, or more than one."""
    false = [claim for claim in judged(family, text, program) if not claim.true]
    return false[0] if len(false) == 1 else None
