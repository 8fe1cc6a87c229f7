"""Every kind of hostile input costs itself alone: good rows beside it are kept, and it says what would be right."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.ingest import STAGE, Parameters
from pipelines.lake import Lake
from pipelines.sources import Source, SourceError, fingerprint
from schemas.outcome import Row
from tests.hostile.build import AFTER, BEFORE, PNG, Kind, jsonl
from tests.hostile.fields import FIELDS
from tests.hostile.pictures import PICTURES, names
from tests.hostile.tables import TABLES
from tests.hostile.texts import ARCHIVES, TEXTS
from tests.pipelines.jobs import rows, run

KINDS = {kind.name: kind for kind in [*PICTURES, *FIELDS, *TABLES, *TEXTS, *ARCHIVES]}
assert len(KINDS) == len([*PICTURES, *FIELDS, *TABLES, *TEXTS, *ARCHIVES])


def ingest(root: Path, kind: Kind) -> dict[str, list[Row]]:
    """What became of the source, by table; the law of counts is checked on the way."""
    path = root / "source"
    path.mkdir(parents=True)
    kind.build(path)
    return read(root, path, kind)


def read(root: Path, path: Path, kind: Kind) -> dict[str, list[Row]]:
    source = Source(name="bad", path=path, fingerprint=fingerprint(path), **kind.source)
    lake = Lake(root / "lake")
    done = run(lake, STAGE, Parameters(sources=(source,)))
    return {table: rows(lake, done, table) for table in ("samples", "rejects", "failures")}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_hostile(tmp_path: Path, kind: Kind) -> None:
    if kind.way == "refused":
        with pytest.raises(SourceError) as refused:
            ingest(tmp_path, kind)
        for word in kind.says:
            assert word in str(refused.value)
        return
    found = ingest(tmp_path, kind)
    seen = {row["question"]: row["image_ids"] for row in found["samples"]}
    assert {name: seen.get(name) for name in kind.good} == {name: [image] for name, image in kind.good.items()}
    assert len(seen) == len(kind.good) + kind.more, seen.keys()
    if kind.way == "kept":
        assert not found["failures"], found["failures"]
        return
    (row,) = found[kind.way]
    assert row["reason" if kind.way == "rejects" else "kind"] == kind.rule, row
    assert not found["failures" if kind.way == "rejects" else "rejects"]
    for word in kind.says:
        assert word in row["message"], row["message"]


def test_a_file_that_this_user_may_not_read_costs_its_row(tmp_path: Path) -> None:
    ingest(tmp_path / "warm", Kind("warm", jsonl()))  # nothing may be imported as somebody else
    with tempfile.TemporaryDirectory() as open_to_all:
        root = Path(open_to_all)
        (root / "source").mkdir()
        names("denied.png")(root / "source")
        (root / "source" / "denied.png").write_bytes(PNG["third.png"])
        (root / "source" / "denied.png").chmod(0)
        root.chmod(0o777)
        with unprivileged():
            found = read(root, root / "source", KINDS["missing_file"])
        assert [row["question"] for row in found["samples"]] == [BEFORE, AFTER]
        (row,) = found["failures"]
        assert row["kind"] == "missing_file"
        assert "metadata.jsonl, row 2: 'denied.png' cannot be opened: permission denied" in row["message"].lower()


def test_there_are_many_kinds_of_each_way() -> None:
    ways = Counter(kind.way for kind in KINDS.values())
    assert len(KINDS) >= 40 and ways["failures"] >= 40 and ways["rejects"] >= 2
    assert all(kind.says for kind in KINDS.values() if kind.way in ("failures", "refused")), "a message is checked"


@contextmanager
def unprivileged() -> Iterator[None]:
    """The superuser may read everything: be somebody who may read what is open to all."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
