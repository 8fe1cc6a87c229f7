"""Makes the table of docs/vicrit_photographs.md: `python docs/vicrit_photographs.py`.

Up to `COUNT` phrases of the captions of examples/photographs, as evenly over the types as they allow, each with one
substitute that breaks no rule. What was judged of a swap before is kept beside it; a new one has to be judged.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines.captions.grammatical import offers
from pipelines.captions.rules import Read
from pipelines.captions.swaps import Swap

PHOTOGRAPHS = Path(__file__).resolve().parents[1] / "examples" / "photographs" / "metadata.jsonl"
PAGE = Path(__file__).with_name("vicrit_photographs.md")
COUNT = 100
HEAD = "| photograph | type | in the caption | becomes | was true | is false | why |\n|---|---|---|---|---|---|---|\n"

Row = tuple[str, str, str, str]
"""Photograph, type, the phrase with the words before and after it, what it becomes."""


def sampled() -> list[Row]:
    """The same rows each time: types take turns, and each phrase is changed once."""
    phrases: dict[str, dict[tuple[str, int], list[tuple[str, Swap]]]] = defaultdict(lambda: defaultdict(list))
    for line in PHOTOGRAPHS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for swap in offers(Read.of(row["caption"])):
            phrases[swap.kind][row["file_name"], swap.start].append((row["caption"], swap))
    left = {kind: sorted(found.items(), key=lambda each: _lot(*each[0])) for kind, found in sorted(phrases.items())}
    rows: list[Row] = []
    while any(left.values()) and len(rows) < COUNT:
        for kind, found in left.items():
            if found and len(rows) < COUNT:
                (name, _), swaps = found.pop()
                text, swap = min(swaps, key=lambda each: _lot(name, each[1].replacement))
                rows.append((name.removesuffix(".jpg"), kind, shown(text, swap), swap.replacement))
    return sorted(rows)


def _lot(*of: object) -> float:
    """A number drawn for each thing by itself, so that a phrase more or less changes no other row."""
    return random.Random(repr(of)).random()


def shown(text: str, swap: Swap) -> str:
    """The phrase in bold, with about four words on either side."""
    before, after = text[: swap.start].split(" ")[-5:], text[swap.end :].split(" ")[:5]
    return f"{' '.join(before)}**{swap.original}**{' '.join(after)}".replace("|", "/").strip()


def judged(page: str) -> dict[Row, tuple[str, str, str]]:
    """What a page says of each row."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:2] == "| "]
    return {(row[0], row[1], row[2], row[3]): (row[4], row[5], row[6]) for row in cells[1:] if len(row) == 7}


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    said = judged(page)
    lines = [f"| {' | '.join((*row, *said.get(row, ('?', '?', '?'))))} |" for row in sampled()]
    table = re.compile(r"\| photograph \|.*?(?=\n\n|\Z)", re.DOTALL)
    PAGE.write_text(table.sub(lambda _: HEAD + "\n".join(lines), page), encoding="utf-8")


if __name__ == "__main__":
    main()
