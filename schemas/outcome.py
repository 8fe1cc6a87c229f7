"""How a row leaves a stage: kept, dropped by a decision, or failed by an accident; and the law that counts obey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]
Side: TypeAlias = Mapping[str, Sequence[Row]]
"""Rows for other tables that a stage writes beside its own, whatever becomes of the row itself."""


@dataclass(frozen=True)
class Keep:
    """The row goes on, as the given row of the stage's own table."""

    row: Row
    also: Side = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """A decision: which rule, the value it saw, and the threshold that the value missed."""

    reason: str
    value: float | None = None
    threshold: float | None = None
    also: Side = field(default_factory=dict)


@dataclass(frozen=True)
class Fail:
    """An accident: a stable kind, a stable message, and whether trying again may help."""

    kind: str
    message: str
    transient: bool = False
    also: Side = field(default_factory=dict)


Outcome: TypeAlias = Keep | Drop | Fail


@dataclass(frozen=True)
class Child:
    """One candidate child of an expanded row, under an id that is distinct in the stage."""

    child_id: str
    outcome: Outcome


@dataclass(frozen=True)
class Expansion:
    """A row that became children; the row itself counts as expanded."""

    children: Sequence[Child]
    also: Side = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """How many distinct rows took each way out of a stage, and the same for the children one level down."""

    read: int = 0
    kept: int = 0
    expanded: int = 0
    rejected: int = 0
    failed: int = 0
    children: int = 0
    children_kept: int = 0
    children_rejected: int = 0
    children_failed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__})

    def as_dict(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class LawBroken(RuntimeError):
    """A stage lost or invented rows."""


def check_law(stage: str, counts: Counts) -> None:
    """Raise `LawBroken` unless each input row, and each candidate child, left exactly once (design §2)."""
    if counts.read != counts.kept + counts.expanded + counts.rejected + counts.failed:
        raise LawBroken(
            f"{stage}: read {counts.read} rows, but kept {counts.kept} + expanded {counts.expanded}"
            f" + rejected {counts.rejected} + failed {counts.failed}"
        )
    if counts.children != counts.children_kept + counts.children_rejected + counts.children_failed:
        raise LawBroken(
            f"{stage}: {counts.children} children, but kept {counts.children_kept}"
            f" + rejected {counts.children_rejected} + failed {counts.children_failed}"
        )
