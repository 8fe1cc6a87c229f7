"""What was turned away: every rule with its exact count, and a few rows of each to look at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flows.report.gallery import plain, stored
from flows.report.measures import EXAMPLES, QUERIES, RULES
from flows.report.pictures import Shown, shown
from flows.report.source import THESE, Source

SIDE = 176
"""The longest side of an example's picture, in pixels."""

SAYS = {
    "cut_off": "No attempt of the policy came to an answer; most were too long.",
    "email_in_picture": "Its picture shows an e-mail address.",
    "id_number_in_picture": "Its picture shows the number of a card, a bank account or a person.",
    "in_bank": "It stands in an evaluation bank or among the influence targets, which no training row may meet.",
    "no_answer": "The trace ended without an answer that could be read.",
    "no_clause": "The caption holds no statement that is known to be true of the picture.",
    "no_provable_swap": "No wording could be swapped for one that is provably false.",
    "no_verdict": "No tier could decide whether the answer is right.",
    "not_eligible": "The selection's SQL may not choose it.",
    "not_selected": "The selection's SQL did not choose it.",
    "not_wrong": "What a reflection takes back is not shown to be wrong.",
    "nothing_asked": "The row brings a picture but neither question nor caption.",
    "asked_twice": "The row asks the same question twice.",
    "other_split": "Its pair or its cluster went to the other split.",
    "out_of_turns": "No attempt of the policy came to an answer; most used up their turns on tools.",
    "over_limit": "Enough of this kind were made already.",
    "pair": "Its mate was dropped, and a pair stands or falls together.",
    "phone_in_picture": "Its picture shows a telephone number.",
    "region_missed": "No crop of the trace covers the region that the question is about.",
    "replay_mismatch": "A tool picture could not be made again, pixel for pixel.",
    "taken": "The draw repeats what another row already holds.",
    "wrong_answer": "The trace came to another answer than the one that is right.",
    "bad_call": "A tool call could not be carried out.",
}
"""What a rule means; a rule `name:detail` is looked up by its name."""


@dataclass(frozen=True)
class Example:
    """One row that a rule dropped. `said` is what the policy answered, where that was recorded."""

    row_id: str
    question: str
    picture: Shown | None
    answer: str | None
    said: str | None
    value: float | None
    threshold: float | None


@dataclass(frozen=True)
class Rule:
    """A rule of a stage: how many rows it dropped, what share that is of all dropped rows, and a few of them."""

    stage: str
    reason: str
    says: str
    rows: int
    share: float
    values: tuple[float, float, float] | None
    threshold: float | None
    examples: list[Example]


def rules(source: Source) -> list[Rule]:
    """All rules, most rows first; examples for the first `RULES`."""
    counted = source.rows(QUERIES["rejects"])
    total = sum(row["rows"] for row in counted)
    examples = _examples(source, {(row["stage"], row["reason"]) for row in counted[:RULES]})
    return [
        Rule(
            stage=row["stage"],
            reason=row["reason"],
            says=SAYS.get(row["reason"].split(":")[0], ""),
            rows=row["rows"],
            share=row["rows"] / total,
            values=(row["least"], row["median"], row["most"]) if row["least"] is not None else None,
            threshold=row["threshold"],
            examples=examples.get((row["stage"], row["reason"]), []),
        )
        for row in counted
    ]


def _examples(source: Source, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], list[Example]]:
    """(stage, reason) → a few rows. Ids are hashes, so the first by id are as good as drawn."""
    rows = source.rows(
        "SELECT stage, reason, row_id, parent_id, value, threshold, payload FROM rejects"
        f" QUALIFY row_number() OVER (PARTITION BY stage, reason ORDER BY row_id) <= {EXAMPLES}"
        " ORDER BY stage, reason, row_id"
    )
    dropped = [(row, _payload(row)) for row in rows if (row["stage"], row["reason"]) in wanted]
    ids = [payload["sample_id"] for _, payload in dropped]
    known = source.about(f"SELECT sample_id, question, answer, image_ids FROM samples WHERE {THESE}", ids)
    said = source.about(
        "SELECT sample_id, purpose, min(answer) AS answer FROM rollouts"
        f" WHERE NOT coalesce(correct, false) AND {THESE} GROUP BY ALL",
        ids,
    )
    found: dict[tuple[str, str], list[Example]] = {}
    for row, payload in dropped:
        name = payload["sample_id"]
        answers = [each["answer"] for each in said.get(name, []) if each["purpose"] == row["stage"]]
        whole = {**known.get(name, [{}])[0], **payload}
        found.setdefault((row["stage"], row["reason"]), []).append(_example(source, row, whole, answers))
    return found


def _payload(row: dict[str, Any]) -> dict[str, Any]:
    """What the dropped row held, as far as it is known; `sample_id` is always there."""
    payload = json.loads(row["payload"]) if row["payload"] else {}
    held = payload if isinstance(payload, dict) else {"text": str(payload)}
    known = {name: value for name, value in held.items() if value is not None}
    return {"sample_id": row["row_id"], **known}


def _example(source: Source, row: dict[str, Any], whole: dict[str, Any], answers: list[str]) -> Example:
    images = whole.get("image_ids") or ([whole["image_id"]] if whole.get("image_id") else [])
    shy = row["stage"] == "screen"  # what was held back for what it shows is not shown here
    image = stored(source, str(images[0])) if images and not shy else None
    return Example(
        row_id=row["row_id"],
        question=str(whole.get("question") or whole.get("text") or row["payload"] or ""),
        picture=shown(image, SIDE) if image else None,
        answer=plain(whole["answer"]) if isinstance(whole.get("answer"), str) else None,
        said=plain(answers[0]) if answers else None,
        value=row["value"],
        threshold=row["threshold"],
    )
