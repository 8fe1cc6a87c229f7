"""A family that can never be content says so, and names itself, the dial and the seed."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines import synthesize
from pipelines.lake import Lake
from pipelines.tasks import FAMILIES, made
from pipelines.tasks.made import NothingFits
from tests.pipelines.jobs import reasons, rows, run

FEW = 20
REDRAWING = [name for name, family in FAMILIES.items() if hasattr(family, "tries")]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes a family never content, and soon tired."""

    def make(name: str) -> None:
        family: Any = FAMILIES[name]
        monkeypatch.setattr(made, "MOST_TRIES", FEW)
        for relation in family.POSERS:
            monkeypatch.setitem(family.POSERS, relation, lambda *drawn: None)

    return make


@pytest.mark.parametrize("name", REDRAWING)
def test_a_family_that_is_never_content_gives_up(name: str, impatient: Callable[[str], None]) -> None:
    impatient(name)
    for dial in range(len(FAMILIES[name].DIALS)):
        with pytest.raises(NothingFits) as caught:
            FAMILIES[name].make(91, dial)
        assert str(caught.value) == f"{name}, dial {dial}, seed 91: none of 20 drawings can carry the question"


def test_a_network_of_lines_that_never_meet_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "MOST_TRIES", FEW)
    monkeypatch.setattr("pipelines.tasks.network._line", lambda rng, length, edges: [])
    with pytest.raises(NothingFits, match="^transit, dial 1, seed 5: "):
        FAMILIES["transit"].make(5, 1)


def test_every_loop_that_draws_again_is_counted() -> None:
    """But for three: a walk through a maze that must end, a line that grows or stops, a mark drawn until it differs."""
    ending = {"trail", "len(line) < length", "first['mark'] == second['mark']"}
    for path in sorted(Path(made.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.While) and ast.unparse(node.test) not in ending:
                assert ast.unparse(node.body[0]) == "next(drawings)", f"{path.name}: while {ast.unparse(node.test)}"


def test_the_row_that_found_nothing_fails_alone(tmp_path: Path, impatient: Callable[[str], None]) -> None:
    impatient("mazes")
    mix = tuple(synthesize.Mix(task=task, count=2) for task in ("counting", "mazes"))
    done = run(Lake(tmp_path), synthesize.STAGE, synthesize.Parameters(mix=mix))
    assert (done.counts.failed, done.counts.children_kept) == (2, 2)
    (kind,) = set(reasons(Lake(tmp_path), done).values())
    told = {row["message"].split(",")[0] for row in rows(Lake(tmp_path), done, "failures")}
    assert (kind, told) == ("exception:NothingFits", {"mazes"})
