"""Supervision, with a small real server as the child: started once, shared, restarted, replaced, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from pipelines.workers import supervise
from pipelines.workers.slots import ServerFailed, Slot, running, stop, sweep, watched
from pipelines.workers.store import session
from pipelines.workers.supervise import Order, State, healthy, tail

CHILD = Path(__file__).with_name("small_server.py")
ROOT = Path(__file__).resolve().parents[3]


def order_of(births: Path, name: str = "small", **changes: object) -> Order:
    command = (sys.executable, str(CHILD), "{port}", name, str(births))
    _, *owner = session()
    return replace(Order(name, command, {}, (owner[0], owner[1]), start_s=20.0, lives=2), **changes)


def until(said: Callable[[], object], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if said():
            return True
        time.sleep(0.05)
    return False


def group_of(state: State) -> list[int]:
    """The processes of a server that still run, itself and its children."""
    assert state.server
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == state.server[0] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def say(words: str, state: State) -> str:
    body = {"model": state.order.name, "messages": [{"role": "user", "content": [{"type": "text", "text": words}]}]}
    answer = httpx.post(f"{state.address}/chat/completions", json=body, timeout=1.0)
    return str(answer.json()["choices"][0]["message"]["content"])


@pytest.fixture
def births(tmp_path: Path) -> Path:
    return tmp_path / "births"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "servers").mkdir()
    yield tmp_path / "servers"
    for folder in (tmp_path / "servers").iterdir():
        stop(folder)


def test_it_is_started_once_and_shared(place: Path, births: Path) -> None:
    first, second = (Slot("slot", order_of(births), place) for _ in range(2))
    states = [first.enter(), second.enter(), first.enter()]
    assert states[0] == states[1] == states[2]
    assert states[0].phase == "ready"
    assert states[0].life == 1
    assert healthy(states[0].port, "/health")
    assert len(births.read_text().split()) == 1
    assert len(group_of(states[0])) == 2


def test_it_is_started_again_on_the_same_port_when_it_dies(place: Path, births: Path) -> None:
    slot = Slot("slot", order_of(births), place)
    before = slot.enter()
    slot.leave()
    assert before.server
    os.kill(before.server[0], signal.SIGKILL)
    assert until(lambda: not group_of(before)), "its child went with it"
    after = slot.enter(before)
    assert (after.life, after.port, after.watcher) == (2, before.port, before.watcher)
    assert "killed by signal 9" in after.trouble
    assert healthy(after.port, "/health")


def test_a_silent_server_is_started_again(place: Path, births: Path) -> None:
    slot = Slot("slot", order_of(births, silent_s=0.1), place)
    before = slot.enter()
    slot.leave()
    assert before.server
    with pytest.raises(httpx.ReadTimeout):
        say("mute", before)
    assert until(lambda: not group_of(before), 30)
    after = slot.enter(before)
    assert after.life == 2
    assert "did not answer" in after.trouble


def test_one_that_cannot_start_is_given_up_with_its_log(place: Path, births: Path) -> None:
    births.with_suffix(".ill").touch()
    slot = Slot("slot", order_of(births), place)
    with pytest.raises(ServerFailed) as failed:
        slot.enter()
    said = str(failed.value)
    assert "small: the server ended with exit code 1, 2 times in a row" in said
    assert "ValueError: the weights are of another model" in said
    assert "cleaning up 19" in said
    assert len(births.read_text().split()) == 2
    with pytest.raises(ServerFailed):
        slot.enter()
    assert len(births.read_text().split()) == 2, "it is not tried over and over"

    births.with_suffix(".ill").unlink()
    assert Slot("slot", order_of(births), place).enter().phase == "ready", "whoever asks anew has it tried anew"


def test_a_program_that_is_not_there(place: Path, births: Path) -> None:
    order = replace(order_of(births), command=("no-such-program",), lives=1)
    with pytest.raises(ServerFailed, match="cannot be started"):
        Slot("slot", order, place).enter()


def test_a_slow_start_has_its_limit(place: Path, births: Path) -> None:
    order = replace(order_of(births), command=(sys.executable, "-c", "import time; time.sleep(60)"), start_s=1.0)
    with pytest.raises(ServerFailed, match=r"not ready after 1 s"):
        Slot("slot", order, place).enter()


def test_another_model_takes_the_slot_when_nobody_is_being_answered(place: Path, births: Path) -> None:
    old = Slot("slot", order_of(births, "old"), place)
    new = Slot("slot", order_of(births.with_name("births-new"), "new"), place)
    before = old.enter()
    waiting = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1.0)"])
    while waiting.poll() is None:  # somebody is being answered, so it stays, whoever else asks
        new._start(replacing=before)
        assert healthy(before.port, "/health")
    old.leave()
    after = new.enter()
    assert after.order.name == "new"
    assert not group_of(before)
    new.leave()
    again = old.enter()
    assert again.order.name == "old"
    assert not group_of(after)


OWNER = """
import sys, time
from pathlib import Path
from tests.pipelines.workers.test_slots import order_of
from pipelines.workers.slots import Slot
Slot("slot", order_of(Path(sys.argv[1])), Path(sys.argv[2])).enter()
print("ready", flush=True)
time.sleep(600)
"""


def owned(place: Path, births: Path) -> tuple[subprocess.Popen[str], State, Path]:
    """A run of its own, with a server: the process, the server and its slot."""
    run = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(births), str(place)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout
    assert run.stdout.readline() == "ready\n"
    (folder,) = place.iterdir()
    state = State.read(folder)
    assert state
    assert len(group_of(state)) == 2
    return run, state, folder


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_it_dies_with_its_owner(place: Path, births: Path, sign: signal.Signals) -> None:
    run, state, folder = owned(place, births)
    run.send_signal(sign)
    run.wait()
    assert until(lambda: not group_of(state) and not watched(folder))
    sweep(place)
    assert not folder.exists()


def test_it_dies_with_the_process_that_looks_after_it(place: Path, births: Path) -> None:
    run, state, folder = owned(place, births)
    os.kill(state.watcher, signal.SIGKILL)
    assert state.server
    assert until(lambda: state.server and state.server[0] not in group_of(state))
    run.kill()
    run.wait()
    sweep(place)
    assert not group_of(state), "what the kernel left of the group went with the slot"


def test_runs_share_no_server(place: Path, births: Path) -> None:
    run, state, _ = owned(place, births)
    mine = Slot("slot", order_of(births), place).enter()
    assert mine.port != state.port
    run.kill()
    run.wait()
    assert until(lambda: not group_of(state))
    assert healthy(mine.port, "/health")


def test_what_runs_is_listed(place: Path, births: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.workers.slots.folder", lambda: place)
    assert running() == []
    state = Slot("slot", order_of(births)).enter()
    assert [found for _, found in running()] == [state]


def test_the_tail_of_a_log_begins_with_what_went_wrong(tmp_path: Path) -> None:
    lines = ["fine", "KeyError: 'x'", *(f"frame {number}" for number in range(50)), "RuntimeError: see above"]
    (tmp_path / "log").write_text("\n".join(lines))
    said = tail(tmp_path / "log").splitlines()
    assert said[0] == "KeyError: 'x'"
    assert said[-1] == "RuntimeError: see above"
    assert len(said) == 13
    assert supervise.STABLE_S > supervise.GRACE_S
