from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pipelines.lake import Lake
from pipelines.runner import Beam, Processes, Runner, in_process, run_stage
from pipelines.runner.part import read_receipts
from tests.pipelines import toy
from tests.pipelines.toy import LOOK, MAKE, TALK, call, data, debris

REPOSITORY = Path(__file__).parents[3]


def test_every_runner_gives_the_same_bytes(tmp_path: Path) -> None:
    processes = Processes(2)
    found = []
    for name, runner in (("loop", in_process), ("beam", Beam()), ("processes", processes)):
        lake = Lake(tmp_path / name)
        made = run_stage(lake, call(MAKE, count=8, bad=(3,)), runner=runner)
        talked = run_stage(lake, call(TALK, made.key, worker=toy.waves), runner=runner)
        looked = run_stage(lake, call(LOOK, made.key), runner=runner)
        served = run_stage(
            lake, replace(call(TALK, made.key, worker=toy.server), versions={"of": "server"}), runner=runner
        )
        found.append([(each.counts, data(lake, each)) for each in (made, talked, looked, served)])
        assert not debris(lake)
    processes.close()
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("make", [lambda: in_process, lambda: Processes(1), Beam], ids=["loop", "processes", "beam"])
def test_a_server_works_on_several_parts_at_a_time(tmp_path: Path, make: Callable[[], Runner]) -> None:
    lake = Lake(tmp_path)
    made = run_stage(lake, call(MAKE, count=9))
    talked = run_stage(lake, call(TALK, made.key, worker=toy.Meeting), runner=make())
    assert talked.counts.kept == 9


def test_what_a_part_raises_ends_the_stage(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    made = run_stage(lake, call(MAKE, count=2))
    for runner in (in_process, Beam()):
        with pytest.raises(Exception, match="asks a worker, but was called without one"):
            run_stage(lake, call(TALK, made.key), runner=runner)


def _child(lake: Lake, seconds: float, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.pipelines.toy", str(lake.root), str(seconds), str(count)]
    return subprocess.Popen(command, cwd=REPOSITORY)


def test_killed_at_random_moments_the_stage_resumes_byte_identical(tmp_path: Path) -> None:
    count = 18
    want = run_stage(Lake(tmp_path / "whole"), call(MAKE, count=count, seconds=0.02))
    lake = Lake(tmp_path / "lake")
    key = want.key
    kills = 0
    for moment in (1, 2, 4):  # finished parts after which the process is killed in the middle of the next one
        child = _child(lake, 0.02, count)
        while child.poll() is None and len(list(lake.work(key).glob("part-*.json"))) < moment:
            time.sleep(0.005)
        time.sleep(0.01 * moment)
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            kills += 1
        child.wait()
        finished = read_receipts(lake.work(key))
        assert lake.find(key) or len(finished) >= moment, "no finished part is lost"
    made = run_stage(lake, call(MAKE, count=count, seconds=0.02))
    assert kills >= 2
    assert data(lake, made) == data(Lake(tmp_path / "whole"), want)
    assert lake.verify(key).counts.read == count
    assert not debris(lake)


def test_two_processes_running_one_recipe_end_right(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    other = _child(lake, 0.02, 12)
    made = run_stage(lake, call(MAKE, count=12, seconds=0.02))
    assert other.wait() == 0
    assert made.counts.read == 12
    assert lake.read(made.key, "cost")["part"].to_pylist() == [0, 1, 2, 3], "each part ran once"
    lake.verify(made.key)


def test_two_threads_running_one_recipe_end_right(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    keys: list[str] = []
    threads = [threading.Thread(target=lambda: keys.append(run_stage(lake, call(MAKE)).key)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    assert len(keys) == 3
    lake.verify(keys[0])


def test_processes_die_with_their_parent(tmp_path: Path) -> None:
    script = (
        "import os, signal\n"
        "from pipelines.runner import Processes, run_stage\n"
        "from pipelines.lake import Lake\n"
        "from tests.pipelines.toy import MAKE, call\n"
        "if __name__ == '__main__':\n"
        f"    run_stage(Lake({str(tmp_path)!r}), call(MAKE, count=3), runner=Processes(1))\n"
        "    import psutil\n"
        "    print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "parent.py"
    path.write_text(script)
    done = subprocess.run(
        [sys.executable, str(path)], cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    pids = [int(pid) for pid in done.stdout.split()]
    assert pids
    deadline = time.monotonic() + 20
    while any(psutil.pid_exists(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(psutil.pid_exists(pid) for pid in pids)
