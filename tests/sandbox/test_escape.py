"""Every attack is held by the sandbox, and works without it: so each of these tests can fail."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.sandbox import Limits, Ran, Sandbox
from tests.conftest import require
from tests.sandbox.attacks import ATTACKS, Attack
from tests.sandbox.attacks.attack import QUICK
from tests.sandbox.world import SECRET, SHIM, World, built

CONTROLS = {False: ("anyone",), True: ("anyone", "root")}
ALL = os.environ.get("EVOLENS_SANDBOX") == "all"
HERE = [attack for attack in ATTACKS if attack.machine in (None, platform.machine())]
HELD = [attack for attack in HERE if ALL or attack.limits is QUICK]
SHOWN = [attack for attack in HERE if attack.control in CONTROLS[os.geteuid() == 0]][:: 1 if ALL else 9]
"""`make test-sandbox` runs all; `make test` the attacks that end at once, and a few of the controls."""

BROKEN = "ModuleNotFound|ImportError|NameError|AttributeError|TypeError|SyntaxError"
"""An attack that ends in one of these was not held: it was wrongly written."""

PLAIN_SECONDS = 1.5
"""A program that is still running after this has shown that it does not end (its own tries take less)."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with built(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    require("bwrap")
    os.environ["EVOLENS_SECRET"] = SECRET
    with Sandbox() as box:
        yield box
    del os.environ["EVOLENS_SECRET"]


@pytest.mark.parametrize("attack", HELD, ids=lambda attack: attack.name)
def test_the_sandbox_holds(attack: Attack, world: World, box: Sandbox) -> None:
    before = {path.name for path in world.folder.iterdir()}
    first = box.run(world.fill(attack.program, plain=False), limits=attack.limits)
    rans = [first]
    if attack.then:
        rans.append(box.run(world.fill(attack.then, plain=False), limits=attack.limits))
    for ran in rans:
        assert "ESCAPED" not in ran.stdout and SECRET not in ran.stdout + ran.stderr, ran
        assert max(len(ran.stdout), len(ran.stderr), len(ran.error.message if ran.error else "")) <= Limits.output
        assert ran.seconds < attack.limits.wall + 5
        assert not re.search(BROKEN, ran.error.message if ran.error else ""), ran
    assert (first.error.kind if first.error else "") in attack.ends, first
    assert {path.name for path in world.folder.iterdir()} == before
    assert world.victim.poll() is None
    assert honest(box), "the sandbox serves the next call as if nothing had been"


@pytest.mark.parametrize("attack", SHOWN, ids=lambda attack: attack.name)
def test_the_attack_works_without_it(attack: Attack, world: World, tmp_path: Path) -> None:
    programs = [world.fill(program, plain=True) for program in (attack.program, attack.then) if program]
    command = [sys.executable, "-c", SHIM.format(folder=str(tmp_path), programs=programs)]
    environment = {**os.environ, "EVOLENS_SECRET": SECRET}
    limit = PLAIN_SECONDS if attack.sign == "endless" else 60
    try:
        with world.secret.open() as held:
            passed = (held.fileno(),)
            done = subprocess.run(command, env=environment, capture_output=True, timeout=limit, pass_fds=passed)
    except subprocess.TimeoutExpired:
        assert attack.sign == "endless"
        return
    if attack.sign == "crash":
        assert done.returncode
    elif attack.sign == "flood":
        assert max(len(done.stdout), len(done.stderr)) > Limits.output
    else:
        assert attack.sign == "word" and b"ESCAPED" in done.stdout, done


def test_there_are_many_attacks_and_each_is_its_own() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 40
    assert len({(attack.program, attack.then) for attack in ATTACKS}) == len(ATTACKS)


def test_the_threat_model_names_only_attacks_that_there_are() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| what could be done")
    named = set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", table.partition("\n\n")[0]))
    assert len(named) > 60 and named <= {attack.name for attack in ATTACKS}


def honest(box: Sandbox) -> bool:
    ran: Ran = box.run("print(sum(range(10)))")
    return ran.stdout == "45\n" and ran.error is None
