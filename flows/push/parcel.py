"""A parcel: the files that a repository shall hold, and what is in them.

Equal lakes give equal parcels, so a push that was killed finds on the Hub what it left there. The weights of a model
are not copied; a dataset is written anew, as `evolens export` writes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from flows.policies import weights_of
from pipelines.lake import Lake
from pipelines.lake.runs import Run, RunNode

if TYPE_CHECKING:
    from flows.report.source import Source

Kind: TypeAlias = Literal["dataset", "model"]
Weights: TypeAlias = Literal["grpo", "sft", "control_grpo", "control_sft"]

LISTED = ".evolens/push.json"
"""Says in the repository which run it holds and which files are ours; the next push removes those that it lacks."""


ROOM = ".evolens-push-"
"""Begins the names of folders in which parcels are packed; the process that packs follows."""


LEARNT = """
WITH learnt AS (
    SELECT DISTINCT sample_id, split FROM curated
    WHERE (round = $1 AND arm = $2 AND ($3 IS NULL OR split = $3)) OR (round < $1 AND arm = 'curated')
), shown AS (
    SELECT sample_id, l.split, license, unnest(image_ids) AS image_id FROM learnt l JOIN samples USING (sample_id)
), named AS (
    SELECT sample_id, split, list_concat([coalesce(any_value(s.license), 'unknown')],
        list(coalesce(i.license, 'unknown'))) AS names
    FROM shown s LEFT JOIN (SELECT DISTINCT ON (image_id) image_id, license FROM images ORDER BY image_id) i
    USING (image_id) GROUP BY sample_id, split
)
SELECT split, list_sort(list_distinct(names)) AS licenses, count(*) AS rows FROM named GROUP BY ALL ORDER BY ALL
"""
"""What a policy of this round and arm learnt from: its own rows, and those of the rounds that its start came from."""


class CannotPush(RuntimeError):
    """Nothing was changed on the Hub, or a push could not be finished; the message says what would be right."""


@dataclass(frozen=True)
class Wish:
    """What is pushed, and how. Of a dataset `format` says how it is written; of a model `weights` which training's.

    `allow` and `leave_out` are the licence gate's, as in `evolens export`; of a model the rows are those that it was
    trained on. `public`: a repository that everybody sees. `endpoint`: another Hub than HF_ENDPOINT names.
    """

    kind: Kind = "dataset"
    format: str = "datasets"
    weights: Weights = "grpo"
    allow: tuple[str, ...] = ()
    leave_out: bool = False
    public: bool = False
    endpoint: str | None = None


@dataclass(frozen=True)
class Piece:
    """One file: its path in the repository, and where it lies here."""

    path: str
    local: Path

    @property
    def size(self) -> int:
        """Bytes."""
        return self.local.stat().st_size

    def sha256(self) -> str:
        """What the Hub calls large files by."""
        with self.local.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def git_oid(self) -> str:
        """What git calls small files by."""
        data = self.local.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Parcel:
    """Files of one run, with the rows (of a model: those it learnt from) by split, by licence and by refusal."""

    kind: Kind
    run_id: str
    pieces: tuple[Piece, ...]
    rows: Mapping[str, int]
    licenses: Mapping[str, int]
    refused: Mapping[str, int]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(piece.size for piece in self.pieces)


@contextmanager
def packed(lake: Lake, run: Run, wish: Wish) -> Iterator[Parcel]:
    """A parcel, whose files last as long as the block. Raises `CannotPush` or `CannotExport`."""
    if run.status != "complete":
        raise CannotPush(f"run {run.run_id} of {run.recipe!r} is {run.status}; only a complete run is pushed")
    folder = _room(lake)
    try:
        yield (_dataset if wish.kind == "dataset" else _model)(lake, run, wish, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _room(lake: Lake) -> Path:
    """A fresh folder beside the lake, on its disk; what killed pushes left there goes away."""
    from psutil import pid_exists

    for debris in lake.root.parent.glob(f"{ROOM}*"):
        pid = debris.name.removeprefix(ROOM).partition("-")[0]
        if pid.isdigit() and not pid_exists(int(pid)):
            shutil.rmtree(debris, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{ROOM}{os.getpid()}-", dir=lake.root.parent))


def _dataset(lake: Lake, run: Run, wish: Wish, folder: Path) -> Parcel:
    from flows.cards.given import open_export
    from flows.cards.write import write_beside
    from flows.report.source import open_run
    from pipelines.export.write import Choice, export

    out = folder / "files"
    choice = Choice(wish.format, split="all", allow=wish.allow, leave_out=wish.leave_out)
    told = export(lake, run, choice, out)
    with open_run(lake, run.run_id) as source:
        write_beside(source, open_export(out))
    return Parcel("dataset", run.run_id, _listed(_under(out), run, folder), told.exported, told.licenses, told.refused)


def _model(lake: Lake, run: Run, wish: Wish, folder: Path) -> Parcel:
    from flows.cards import model
    from flows.report.source import open_run

    trained = [node for node in run.nodes.values() if node.name.endswith(f"/{wish.weights}")]
    if not trained:
        raise CannotPush(f"run {run.run_id} of {run.recipe!r} trained no {wish.weights!r}")
    last = max(trained, key=lambda node: node.round)
    weights = weights_of(lake, last.key)
    pieces = _under(weights)
    card = folder / "README.md"
    with open_run(lake, run.run_id) as source:
        rows, licenses = _learnt(source, wish, last)
        card.write_text(model.render(source, last.name), encoding="utf-8")
    pieces = [piece for piece in pieces if piece.path != card.name] + [Piece(card.name, card)]
    return Parcel("model", run.run_id, _listed(pieces, run, folder), rows, licenses, {})


def _learnt(source: Source, wish: Wish, node: RunNode) -> tuple[dict[str, int], dict[str, int]]:
    """Rows that a policy learnt from, by split and by licence.

    Raises `CannotPush` where the licence gate refuses one: what is learnt cannot be left out.
    """
    from pipelines.export.licences import refused

    arm, taught = ("random" if "control" in wish.weights else "curated"), ("sft" if "sft" in wish.weights else None)
    found = source.rows(LEARNT, node.round, arm, taught)
    rows, names, stopped = Counter[str](), Counter[str](), Counter[str]()
    for each in found:
        rows[each["split"]] += each["rows"]
        names.update(dict.fromkeys(each["licenses"], each["rows"]))
        if refused(each["licenses"], wish.allow):
            stopped.update({name: each["rows"] for name in each["licenses"] if refused([name], wish.allow)})
    if stopped:
        said = ", ".join(f"{name} ({count} rows)" for name, count in stopped.most_common(5))
        raise CannotPush(
            f"licences of rows that this model learnt from do not allow to give it away: {said};"
            " allow a reason (unknown, nc, nd) or a licence by its name with --allow"
        )
    return dict(sorted(rows.items())), dict(sorted(names.items()))


def _under(folder: Path) -> list[Piece]:
    return [Piece(path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file()]


def _listed(pieces: list[Piece], run: Run, folder: Path) -> tuple[Piece, ...]:
    """The pieces with the list of them, by path."""
    about = {"run_id": run.run_id, "recipe": run.recipe, "files": sorted([*(piece.path for piece in pieces), LISTED])}
    path = folder / "push.json"
    path.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return tuple(sorted([*pieces, Piece(LISTED, path)], key=lambda piece: piece.path))
