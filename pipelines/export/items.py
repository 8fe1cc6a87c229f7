"""What an export is made of: rows of a run, each with its pictures' bytes and its conversation, one after another.

Reads `curated` (or every row of `samples` or `captions`), `samples`, `traces`, `checks`, `captions`, `images` of one
run, `rollouts` where answers are paired, and the packs. The database sorts, on disk where it must, and hands over a few
rows at a time, so memory does not grow with the lake; equal lakes give equal rows in equal order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from pipelines.export.pairs import Said, pair_of, pairs_sql
from pipelines.export.pictures import Shot, shot
from pipelines.lake import Lake
from pipelines.lake.catalog import run_views
from pipelines.lake.images import encode
from pipelines.lake.runs import Run
from pipelines.lake.tables import connect
from pipelines.personal import HELD_BACK
from pipelines.prompts import Style, conversation
from pipelines.tools.replay import replay
from schemas.ids import canonical_json
from schemas.messages import Message, Text, pictures

if TYPE_CHECKING:
    import duckdb

Table: TypeAlias = Literal["curated", "samples", "captions"]
TABLES: tuple[str, ...] = get_args(Table)

Arm: TypeAlias = Literal["curated", "random"]
ARMS: tuple[str, ...] = get_args(Arm)
"""Of curated rows: what the selection chose, or its random control of the same size."""

FACTS = ("sample_id", "split", "question", "options", "answer", "answer_type", "task", "domain", "source", "license")
"""What stands in every row of every format, whatever else it calls them."""

BATCH = 64
"""Rows fetched at once."""

ARM = "<arm>"
"""Stands in the SQL for the arm."""

_TRACE = """
SELECT DISTINCT ON (sample_id) t.trace_id, sample_id, t.steps
FROM traces t JOIN checks c USING (sample_id, trace_id)
ORDER BY sample_id, t.wrong_steps IS NOT NULL, t.origin, t.trace_id
"""
_PROVEN = """
SELECT DISTINCT sample_id FROM traces
WHERE origin = 'oracle' AND len(list_filter(steps, lambda step: step.kind = 'action')) > 0
"""
_ROWS: dict[str, str] = {
    "curated": f"""
SELECT s.* EXCLUDE (split), c.split, c.position AS place, t.trace_id, t.steps, h.sample_id IS NOT NULL AS tools_help
FROM curated c
JOIN samples s USING (sample_id)
LEFT JOIN (SELECT DISTINCT ON (trace_id) trace_id, steps FROM traces ORDER BY trace_id) t USING (trace_id)
LEFT JOIN ({_PROVEN}) h USING (sample_id)
WHERE c.arm = '{ARM}' AND c.round = (SELECT max(round) FROM curated)
""",
    "samples": f"""
SELECT s.* EXCLUDE (split), 'train' AS split, 0 AS place, t.trace_id, t.steps, h.sample_id IS NOT NULL AS tools_help
FROM samples s LEFT JOIN ({_TRACE}) t USING (sample_id) LEFT JOIN ({_PROVEN}) h USING (sample_id)
WHERE s.sample_id NOT IN ({HELD_BACK})
""",
    "captions": f"""
SELECT caption_id AS sample_id, [image_id] AS image_ids, text AS caption, license, source, task, domain,
    'train' AS split, 0 AS place
FROM captions
WHERE caption_id NOT IN ({HELD_BACK})
""",
}
_SELECTED = """
CREATE VIEW chosen AS SELECT * FROM ({rows}) r JOIN (
    SELECT sample_id, split, list_sort(list_distinct(list_concat([coalesce(any_value(said), 'unknown')],
        list(coalesce(i.license, 'unknown'))))) AS licenses
    FROM (SELECT sample_id, split, license AS said, unnest(image_ids) AS image_id FROM ({rows})) p
    LEFT JOIN (SELECT DISTINCT ON (image_id) image_id, license FROM images ORDER BY image_id) i USING (image_id)
    GROUP BY sample_id, split
) l USING (sample_id, split) {joined}
"""


class Unfit(ValueError):
    """A row that a format cannot hold; `reason` is stable."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Item:
    """One row: columns of `samples` (of `captions`: `caption`, and its id as `sample_id`), its own pictures in order,
    and, where a trace proves the answer, the trace with the pictures that its tools made.
    """

    split: str
    index: int  # place in its split, from 0
    row: Mapping[str, Any]
    own: tuple[Shot, ...]
    made: Mapping[str, Shot]
    measured: Mapping[str, int] = field(default_factory=dict)  # what preflight counted

    @property
    def sample_id(self) -> str:
        return str(self.row["sample_id"])

    @property
    def answer(self) -> str | None:
        """The answer as people write it: text as it is, lists as JSON; a caption has none."""
        if self.row.get("answer") is None:
            return None
        value = json.loads(self.row["answer"])
        return value if isinstance(value, str) else canonical_json(value)

    @property
    def options(self) -> list[str]:
        return list(self.row.get("options") or ())

    @property
    def facts(self) -> dict[str, Any]:
        """The columns that every format carries beside its own: text, `options` a list of text; counts of tokens."""
        return {**self.said, **self.measured}

    @property
    def said(self) -> dict[str, Any]:
        """The columns `FACTS`."""
        known = {"split": self.split, "options": self.options, "answer": self.answer}
        return {name: known[name] if name in known else self.row.get(name) for name in FACTS}

    def messages(self, style: Style = "plain") -> tuple[Message, ...]:
        """The conversation that teaches this row: with its trace, or with the bare answer where there is none."""
        steps = self.row["steps"] or ()
        asked = conversation(self.row, steps, style=style)
        return asked if steps else (*asked, Message("assistant", (Text(self.answer or ""),)))

    @property
    def pair(self) -> tuple[Said, Said]:
        """A right and a wrong answer. Raises `Unfit` where the run has not both."""
        found = pair_of(self.row)
        if found is None:
            raise Unfit("no_pair", "there is no right and no wrong answer of one turn, asked for in this --style")
        return found

    def taught(self, style: Style, *, paired: bool) -> list[tuple[Message, ...]]:
        """Every conversation that this row teaches: one, or of a pair both. Raises as `pair`."""
        if not paired:
            return [self.messages(style)]
        return [(*self.prompt(style), Message("assistant", (Text(said.text),))) for said in self.pair]

    def prompt(self, style: Style = "plain") -> tuple[Message, ...]:
        """The question alone."""
        return conversation(self.row, style=style)

    def shown(self, messages: Sequence[Message]) -> list[Shot]:
        """The pictures of a conversation, in the order in which it shows them."""
        own = {shot.image_id: shot for shot in self.own}
        return [own.get(name) or self.made[name] for name in pictures(messages)]


class Selection:
    """The rows of one table and split of a run; close it when done."""

    def __init__(
        self, lake: Lake, run: Run, table: Table, split: str | None, scratch: Path, arm: Arm, pairs: Style | None
    ) -> None:
        """`pairs`: in whose words the answers of each row's pair were asked for; None pairs nothing."""
        self._lake, self._split, self._table = lake, split, table
        self._database: duckdb.DuckDBPyConnection = connect(run_views(lake, run))
        self._database.execute(f"SET temp_directory = '{scratch}'; SET memory_limit = '512MB'; SET threads = 2")
        joined = f"LEFT JOIN ({pairs_sql(pairs)}) USING (sample_id)" if pairs else ""
        self._database.execute(_SELECTED.format(rows=_ROWS[table].replace(ARM, arm), joined=joined))

    def close(self) -> None:
        self._database.close()

    def licenses(self) -> list[tuple[list[str], int]]:
        """(the licences of a row, rows that have just these), most common first."""
        sql = (
            "SELECT licenses, count(*) FROM chosen WHERE $split IS NULL OR split = $split GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        return [(list(names), count) for names, count in self._database.execute(sql, {"split": self._split}).fetchall()]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows in order: by split, then as curated, or by id."""
        sql = "SELECT * FROM chosen WHERE $split IS NULL OR split = $split ORDER BY split DESC, place, sample_id"
        for batch in self._database.sql(sql, params={"split": self._split}).to_arrow_reader(BATCH):
            yield from batch.to_pylist()

    def item(self, row: Mapping[str, Any], index: int, *, traced: bool) -> Item:
        """A row with its pictures; `traced` carries its trace out again for what the tools saw.

        Raises `Unfit` for a trace whose observations do not repeat.
        """
        own = tuple(shot(name, self._lake.image_bytes(name), self._lake.image) for name in row["image_ids"])
        made: dict[str, Shot] = {}
        steps = row.get("steps") or ()
        if traced and any(step["kind"] == "action" for step in steps):
            again = replay([self._lake.image(name) for name in row["image_ids"]], steps)
            if again.mismatches:
                first = again.mismatches[0]
                raise Unfit("trace_does_not_repeat", f"trace {row['trace_id']}, step {first.step}: {first.reason}")
            made = {name: Shot(name, encode(image)) for name, image in zip(again.ids, again.images, strict=True)}
        return Item(row["split"], index, row, own, made)
