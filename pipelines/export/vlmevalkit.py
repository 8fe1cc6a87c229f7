"""VLMEvalKit: TSV with `index`, `image` (base64; several as a list of texts), `question`, `A`, `B`, …, `answer`.

The answer to a choice is its letter. VLMEvalKit reads the file by pandas, which takes texts such as `NA` and `null` for
missing values; a row that holds one where VLMEvalKit looks is refused.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from pipelines.export.format import Format
from pipelines.export.items import Item, Unfit
from pipelines.export.sinks import Written, table
from pipelines.prompts import Style, letter
from schemas.ids import canonical

LETTERS = [letter(index) for index in range(26)]
COLUMNS = (
    *("index", "image", "question", "hint", *LETTERS, "answer", "category", "split"),
    *("sample_id", "answer_type", "domain", "source", "license"),
)
MISSING = frozenset(
    " #N/A #N/A N/A #NA -1.#IND -1.#QNAN -NaN -nan 1.#IND 1.#QNAN <NA> N/A NA NULL NaN None n/a nan null".split(" ")
)
"""What pandas reads as a missing value."""


def record(item: Item, style: Style) -> dict[str, Any]:
    del style
    options, answer = item.options, item.answer or ""
    if len(options) > len(LETTERS):
        raise Unfit("too_many_options", f"{len(options)} options have no letters; there are {len(LETTERS)}")
    same = [canonical(option) for option in options]  # as the answer is written
    answer = letter(same.index(answer)) if answer in same else answer
    read = {"question": item.row["question"], "answer": answer, **dict(zip(LETTERS, options, strict=False))}
    for name, text in read.items():
        if text in MISSING:
            raise Unfit("reads_as_missing", f"{name} is {text!r}, which pandas reads as no value")
    pictures = [base64.b64encode(shot.data).decode() for shot in item.own]
    facts = {name: item.row[name] for name in ("sample_id", "answer_type", "domain", "source", "license")}
    return {
        "index": item.index,
        "image": pictures[0] if len(pictures) == 1 else json.dumps(pictures),
        **read,
        "category": item.row["task"],
        "split": item.split,
        **facts,
        **item.measured,
    }


def sink(folder: Path) -> Written:
    return table(folder, COLUMNS, ".tsv", "\t")


FORMAT = Format("VLMEvalKit's TSV, for evaluation", record, sink)
