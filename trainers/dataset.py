"""From curated rows to what is taught: conversations for SFT, questions for GRPO, and the pictures of both.

Tool pictures are not read but made again: the trace is replayed, and a picture that is not pixel-equal to the recorded
one stops the training, because a trace whose observations cannot be repeated teaches a model to make them up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pipelines.prompts import Style, conversation
from pipelines.tools.replay import replay
from schemas.messages import Message

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL import Image

Wrong: TypeAlias = Literal["masked", "taught"]
"""What a training does with the wrong attempt of a reflection or of backtracking."""

LESSONS = """
SELECT s.*, t.trace_id, t.steps, t.wrong_steps, t.shared_steps
FROM curated c
JOIN (SELECT DISTINCT ON (sample_id) * FROM samples ORDER BY sample_id) s USING (sample_id)
JOIN (SELECT DISTINCT ON (trace_id) * FROM traces ORDER BY trace_id) t USING (trace_id)
WHERE c.arm = $arm AND c.split = 'sft'
ORDER BY c.position
"""

QUESTIONS = """
SELECT s.*, coalesce(h.tools_help, false) AS tools_help
FROM curated c
JOIN (SELECT DISTINCT ON (sample_id) * FROM samples ORDER BY sample_id) s USING (sample_id)
LEFT JOIN (
    SELECT sample_id, bool_or(len(list_filter(steps, lambda step: step.kind = 'action')) > 0) AS tools_help
    FROM traces WHERE origin = 'oracle' GROUP BY sample_id
) h USING (sample_id)
WHERE c.arm = $arm AND c.split = 'rl'
ORDER BY c.position
"""


class NothingToLearn(ValueError):
    """The selection left no rows to train on; the message says which and what to change."""


def lessons(tables: Mapping[str, pa.Table], arm: str) -> list[dict[str, Any]]:
    """The sft split of an arm in curated order: columns of `samples`, with `trace_id`, `steps`, `wrong_steps`
    and `shared_steps`.

    Reads tables `curated`, `samples`, `traces`. Raises `NothingToLearn`, or `ValueError` if a row has lost its trace.
    """
    return _joined(tables, arm, "sft", LESSONS)


def questions(tables: Mapping[str, pa.Table], arm: str) -> list[dict[str, Any]]:
    """The rl split of an arm in curated order: columns of `samples`, with `tools_help` (its oracle uses a tool)."""
    return _joined(tables, arm, "rl", QUESTIONS)


def _joined(tables: Mapping[str, pa.Table], arm: str, split: str, sql: str) -> list[dict[str, Any]]:
    import duckdb

    with duckdb.connect(":memory:", config={"threads": 1}) as database:
        for name in ("curated", "samples", "traces"):
            database.register(name, tables[name])
        rows: list[dict[str, Any]] = database.sql(sql, params={"arm": arm}).to_arrow_table().to_pylist()
        count = "SELECT count(*) FROM curated WHERE arm = $arm AND split = $split"
        (wanted,) = database.execute(count, {"arm": arm, "split": split}).fetchone() or (0,)
    if not wanted:
        raise NothingToLearn(f"arm {arm!r} has no rows of split {split!r}: widen the selection of `curate`")
    if len(rows) != wanted:
        raise ValueError(f"arm {arm!r}, split {split!r}: {wanted} rows are curated, {len(rows)} have sample and trace")
    return rows


def taught(row: Mapping[str, Any], style: Style = "plain", wrong: Wrong = "masked") -> tuple[Message, ...]:
    """A lesson as the conversation that the model is to continue at every assistant turn.

    What a reflection does before it recognises its error is read and not learned from where `wrong` is `masked`; what
    the right attempt did as well is.
    """
    whole = conversation(row, row["steps"], style=style)
    count = row.get("wrong_steps") or 0
    if wrong == "taught" or not count:
        return whole
    before = conversation(row, row["steps"][:count], style=style)
    # Its last turn goes on in the whole, behind a line break, which belongs to what went before.
    ends = len(before[-1].text) + 1
    shared = len(conversation(row, row["steps"][: row.get("shared_steps") or 0], style=style))
    masked = [replace(turn, untaught=len(turn.text)) for turn in before[shared:-1]]
    return (*before[:shared], *masked, replace(whole[len(before) - 1], untaught=ends), *whole[len(before) :])


class Album:
    """Pictures of lessons by image id: the samples' own from the lake, a tool's by carrying out its trace again.

    Called with an id it returns RGB pixels; it raises `ValueError` where a replay differs from the trace.
    """

    def __init__(self, load: Callable[[str], Image.Image], rows: Sequence[Mapping[str, Any]]) -> None:
        self._load = load
        self._made = {
            step["image_id"]: row
            for row in rows
            for step in row.get("steps") or ()
            if step["kind"] == "observation" and step["image_id"]
        }

    def __call__(self, image_id: str) -> Image.Image:
        row = self._made.get(image_id)
        if row is None:
            return self._load(image_id)
        again = replay([self._load(own) for own in row["image_ids"]], row["steps"])
        if again.mismatches:
            first = again.mismatches[0]
            raise ValueError(f"trace {row['trace_id']}, step {first.step}: {first.reason}")
        return again.images[again.ids.index(image_id)]
