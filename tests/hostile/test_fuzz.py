"""Two thousand fuzzed rows of every format: no crash, nothing lost. The command runs any number of them."""

from __future__ import annotations

import random

from tests.hostile.fuzz import Found, build, fuzz
from tests.hostile.layouts import LAYOUTS
from tests.hostile.mutate import damaged, scrambled


def test_nothing_is_lost_whatever_the_damage() -> None:
    total = Found()
    for found in fuzz(2_000, seed=7, per_source=60):
        total.add(found)
    assert total.wrong == []
    assert total.counts.read >= 2_000 and total.by_format.keys() == {layout.name for layout in LAYOUTS}
    assert total.untouched > 300 and total.counts.failed > 300 and total.counts.children_kept > total.untouched


def test_a_seed_names_its_sources(tmp_path) -> None:
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        build(tmp_path / name, LAYOUTS[0], random.Random(3), 20)
        made.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert made[0] == made[1]


def test_damage_changes_a_copy() -> None:
    record = {"a": [1, {"b": "text"}], "c": b"bytes"}
    results = [damaged(record, random.Random(seed)) for seed in range(60)]
    assert record == {"a": [1, {"b": "text"}], "c": b"bytes"}
    assert len({repr(each) for each in results}) > 30
    assert len({scrambled(b"x" * 100, random.Random(seed)) for seed in range(60)}) > 30
