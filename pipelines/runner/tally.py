"""Sorting outcomes into tables: where each row of a part goes, and how it is counted."""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.stage import ENGINE_TABLES, Stage
from schemas.arrow import table_of
from schemas.ids import Json, canonical_json
from schemas.outcome import Child, Counts, Drop, Expansion, Fail, Keep, LawBroken, Outcome, Row, Side, check_law

MESSAGE_CHARACTERS = 500
"""Longer messages are cut: a message is for grouping and reading, the traceback stands in `failures_detail`."""

UNFIT = (ValueError, TypeError, AttributeError, OverflowError)
"""What Arrow raises for a value that its column cannot hold."""


@dataclass(frozen=True)
class Left:
    """A row that left the stage: how, with which pictures it stored, and what it raised if it did."""

    row: Row
    outcome: Outcome | Expansion
    stored: Sequence[Row] = ()
    traceback: str = ""


@dataclass(frozen=True)
class Way:
    """How one id left the stage; `parent` is set for children."""

    row_id: str
    parent: str | None
    way: str  # kept | expanded | rejected | failed


@dataclass
class Tally:
    """The tables of one part, filled row by row in input order."""

    stage: Stage
    attempt: int
    rows: dict[str, list[Row]] = field(default_factory=dict)
    ways: list[Way] = field(default_factory=list)
    transient: int = 0

    def take(self, left: Left) -> None:
        """Record how a row left."""
        row_id = str(left.row[self.stage.id_column])
        self._add("images", left.stored)
        if isinstance(left.outcome, Expansion):
            self._side(left.outcome.also)
            self.ways.append(Way(row_id, None, "expanded"))
            for child in left.outcome.children:
                self._one(child.child_id, row_id, left, child.outcome)
        else:
            self._one(row_id, None, left, left.outcome)

    def check(self) -> Counts:
        """The counts of this part on distinct ids. Raises `schemas.outcome.LawBroken`."""
        counts = count(self.ways)
        check_law(self.stage.name, counts)
        if counts.read + counts.children != len(self.ways):
            seen: set[tuple[str, bool]] = set()
            for each in self.ways:
                place = (each.row_id, each.parent is None)
                if place in seen:
                    raise LawBroken(
                        f"stage {self.stage.name}: {'row' if place[1] else 'child'} {each.row_id} left twice"
                    )
                seen.add(place)
        return counts

    def tables(self) -> dict[str, pa.Table]:
        """The rows as Arrow tables. Raises one of `UNFIT` when a row does not fit its table."""
        return {name: table_of(name, list(rows)) for name, rows in self.rows.items()}

    def _one(self, row_id: str, parent: str | None, left: Left, outcome: Outcome) -> None:
        base = {"stage": self.stage.name, "row_id": row_id, "parent_id": parent}
        if isinstance(outcome, Keep):
            way = "kept"
            self._add(self.stage.table, [outcome.row])
        elif isinstance(outcome, Drop):
            way = "rejected"
            decision = {"reason": outcome.reason, "value": outcome.value, "threshold": outcome.threshold}
            self._add("rejects", [base | decision | {"payload": payload(left.row)}])
        else:
            way = "failed"
            self.transient += outcome.transient
            accident = {"kind": outcome.kind, "message": clean(outcome.message), "transient": outcome.transient}
            self._add("failures", [base | accident | {"payload": payload(left.row)}])
            measured = {"traceback": clean(left.traceback), "attempts": self.attempt, "host": socket.gethostname()}
            self._add("failures_detail", [base | measured | {"at": datetime.now(UTC).isoformat(timespec="seconds")}])
        self.ways.append(Way(row_id, parent, way))
        self._side(outcome.also)

    def _side(self, also: Side) -> None:
        for table, rows in also.items():
            self._add(table, rows)

    def _add(self, table: str, rows: Sequence[Row]) -> None:
        if rows:
            self.rows.setdefault(table, []).extend(rows)


def check_fit(stage: Stage, outcome: Any) -> Outcome | Expansion:
    """The outcome, if the stage may return it. Raises `TypeError` or `ValueError` that says what does not fit."""
    if isinstance(outcome, Expansion):
        if stage.kind != "expand":
            raise TypeError(f"a {stage.kind} stage cannot return an Expansion")
        each: list[Any] = [outcome, *(child.outcome for child in outcome.children)]
    else:
        each = [outcome]
        if stage.kind == "expand" and isinstance(outcome, Keep):
            raise TypeError("an expand stage returns Expansion, Drop or Fail, not Keep")
    for one in each:
        if not isinstance(one, Keep | Drop | Fail | Expansion):
            raise TypeError(f"{type(one).__name__} is no outcome")
        undeclared = one.also.keys() - ENGINE_TABLES - {stage.table, *stage.side_tables}
        if undeclared:
            raise ValueError(f"side table {min(undeclared)!r} is not declared")
    return outcome  # type: ignore[no-any-return]  # run is any callable


def check_rows(stage: Stage, left: Left) -> Left:
    """The row, or what became of it: rows that do not fit their tables make the row, or the child, a failure."""
    if not isinstance(left.outcome, Expansion):
        return replace(left, outcome=_check_outcome(stage, left.outcome))
    try:
        _check_side(left.outcome.also)
    except UNFIT as error:
        return replace(left, outcome=Fail("bad_row", str(error)))
    children = [replace(child, outcome=_check_outcome(stage, child.outcome)) for child in left.outcome.children]
    return replace(left, outcome=replace(left.outcome, children=children))


def only_children(outcome: Outcome | Expansion, wanted: frozenset[str]) -> Expansion:
    """What a replay takes of a parent whose other children succeeded before: exactly the wanted ones, failed or not."""
    if not isinstance(outcome, Expansion):
        return Expansion([Child(child, outcome) for child in sorted(wanted)])
    found = [child for child in outcome.children if child.child_id in wanted]
    lost = sorted(wanted - {child.child_id for child in found})
    gone = Fail("lost_child", "the replayed row did not make this child again")
    return Expansion([*found, *(Child(child, gone) for child in lost)])


def count(ways: Sequence[Way]) -> Counts:
    """Counts over distinct ids: an id that left twice is counted in both ways, so that the law does not hold."""
    rows: dict[str, set[str]] = {}
    children: dict[str, set[str]] = {}
    for each in ways:
        (rows if each.parent is None else children).setdefault(each.way, set()).add(each.row_id)
    return Counts(
        read=len({row_id for found in rows.values() for row_id in found}),
        **{way: len(rows.get(way, ())) for way in ("kept", "expanded", "rejected", "failed")},
        children=len({row_id for found in children.values() for row_id in found}),
        **{f"children_{way}": len(children.get(way, ())) for way in ("kept", "rejected", "failed")},
    )


def payload(row: Row) -> str:
    """An input row as canonical JSON; bytes become their length, what JSON cannot hold becomes text."""
    return canonical_json(_plain(row))


def stable(message: str, root: Path) -> str:
    """A message that repeats: no memory address, no path of this lake, no name of a temporary file."""
    text = re.sub(r"0x[0-9a-fA-F]{4,}", "0x…", message).replace(str(root), "<lake>")
    text = re.sub(r"\.tmp-[\w.-]+", "<temporary>", text)
    text = clean(text)
    return text if len(text) <= MESSAGE_CHARACTERS else text[: MESSAGE_CHARACTERS - 1] + "…"


def clean(text: str) -> str:
    """Text that UTF-8 can hold: a lone surrogate in some message must not cost the batch."""
    return text.encode("utf-8", "replace").decode()


def _check_outcome(stage: Stage, outcome: Outcome) -> Outcome:
    try:
        if isinstance(outcome, Keep):
            table_of(stage.table, [outcome.row])
        _check_side(outcome.also)
    except UNFIT as error:
        return Fail("bad_row", str(error))
    return outcome


def _check_side(also: Side) -> None:
    for table, rows in also.items():
        table_of(table, [dict(row) for row in rows])


def _plain(value: Any) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
