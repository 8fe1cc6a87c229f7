"""What an honest program meets: pictures in and out, words, errors with their line, the same result every time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import PIL
import psutil
import pytest
from PIL import Image

from pipelines.sandbox import Limits, Sandbox
from pipelines.sandbox import box as pool
from pipelines.sandbox.worker import Worker
from tests.conftest import require

RED = Image.new("RGB", (40, 30), "red")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    require("bwrap")
    with Sandbox(workers=2) as box:
        yield box


def test_pictures_come_in_and_go_out_pixel_by_pixel(box: Sandbox) -> None:
    noise = Image.effect_noise((64, 48), 90).convert("RGB")
    ran = box.run("for picture in images: show(picture)\nshow(image.rotate(90, expand=True))", [RED, noise])
    assert ran.error is None
    assert [shown.tobytes() for shown in ran.images] == [
        RED.tobytes(),
        noise.tobytes(),
        noise.rotate(90, expand=True).tobytes(),
    ]


def test_arrays_can_be_shown_and_other_modes_become_rgb(box: Sandbox) -> None:
    ran = box.run("import numpy as np\nshow(np.zeros((3, 5, 3), np.uint8))\nshow(image.convert('L'))", [RED])
    assert [(shown.mode, shown.size) for shown in ran.images] == [("RGB", (5, 3)), ("RGB", (40, 30))]


def test_the_pictures_given_are_not_changed(box: Sandbox) -> None:
    given = RED.copy()
    assert box.run("image.paste('blue', (0, 0, 40, 30))", [given]).error is None
    assert given.tobytes() == RED.tobytes()


def test_words_come_back_as_printed(box: Sandbox) -> None:
    ran = box.run("import sys\nprint('größer ✓')\nprint('no', file=sys.stderr)")
    assert (ran.stdout, ran.stderr, ran.truncated) == ("größer ✓\n", "no\n", False)


def test_long_output_is_cut_and_says_so(box: Sandbox) -> None:
    ran = box.run("print('ab' * 500)", limits=Limits(output=10))
    assert (ran.stdout, ran.truncated) == ("ababababab", True)


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("x = 1\n1 / 0", "exception", "line 2: ZeroDivisionError: division by zero"),
        ("def f():\n    return g()\n\nf()", "exception", "line 2: NameError: name 'g' is not defined"),
        ("import json\njson.loads('{')", "exception", "line 2: json.decoder.JSONDecodeError: Expecting property name"),
        ("x = (", "exception", "line 1: SyntaxError: '(' was never closed"),
        ("a\0b", "exception", "SyntaxError: source code string cannot contain null bytes"),
        ("import sys; sys.exit('no')", "exception", "SystemExit: no"),
        ("x = [0] * 10**10", "memory", "MemoryError"),
        ("import os; os._exit(3)", "crashed", "status 3"),
    ],
)  # fmt: skip
def test_an_error_names_its_line(box: Sandbox, code: str, kind: str, message: str) -> None:
    ran = box.run(code)
    assert ran.error is not None and ran.error.kind == kind and message in ran.error.message


def test_what_was_done_before_an_error_is_kept(box: Sandbox) -> None:
    ran = box.run("print('before')\nshow(image)\n1 / 0", [RED])
    assert ran.stdout == "before\n" and len(ran.images) == 1 and ran.error is not None
    late = box.run("print('before')\nwhile True: pass", limits=Limits(wall=0.3))
    assert late.stdout == "before\n" and late.error is not None and late.error.kind == "time"


def test_leaving_by_exit_is_no_error(box: Sandbox) -> None:
    assert box.run("import sys\nshow(image)\nsys.exit(0)", [RED]).error is None


def test_inside_is_the_python_of_the_host(box: Sandbox) -> None:
    ran = box.run("import sys, numpy, PIL; print(sys.version, numpy.__version__, PIL.__version__)")
    assert ran.stdout.split("\n")[0] == f"{sys.version} {numpy.__version__} {PIL.__version__}"


def test_the_standard_library_is_there(box: Sandbox) -> None:
    ran = box.run(
        "import difflib, email, html.parser, zipfile, xml.etree.ElementTree, concurrent.futures, mmap, socket"
    )
    assert ran.error is None


def test_a_few_threads_are_allowed(box: Sandbox) -> None:
    code = "import concurrent.futures as c\nprint(sum(c.ThreadPoolExecutor(4).map(abs, range(9))))"
    assert box.run(code).stdout == "36\n"


RANDOM = """
import random, secrets, uuid, os, numpy as np
print(random.random(), secrets.token_hex(4), uuid.uuid4(), os.urandom(4))
print(np.random.rand(), np.random.default_rng().random(), {"a", "b", "c", "d"}, hash("text"))
"""


def test_unseeded_randomness_is_the_same_in_every_call_worker_and_sandbox(box: Sandbox) -> None:
    said = {box.run(RANDOM).stdout for _ in range(3)}
    with Sandbox() as other:
        said.add(other.run(RANDOM).stdout)
    assert len(said) == 1 and said.pop().count("\n") == 2


def test_calls_run_side_by_side_and_never_see_each_other(box: Sandbox) -> None:
    code = (
        "import os, time\nopen('mine', 'x').write('{0}')\ntime.sleep(0.2)\n"
        "print(open('mine').read(), os.listdir('/tmp'))"
    )
    with ThreadPoolExecutor(4) as threads:
        rans = list(threads.map(lambda index: box.run(code.format(index)), range(8)))
    assert [ran.stdout for ran in rans] == [f"{index} ['mine']\n" for index in range(8)]


def test_a_lost_worker_is_replaced(box: Sandbox) -> None:
    with Sandbox() as mine:
        (worker,) = mine._all
        threading.Timer(0.3, worker._process.kill).start()
        ran = mine.run("import time; time.sleep(5)")
        assert ran.error is not None and ran.error.kind == "lost"
        assert mine.run("print(1)").stdout == "1\n"


def test_an_interrupted_call_leaves_no_answer_for_the_next() -> None:
    require("bwrap")

    class Interrupted(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Sandbox() as mine:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(Interrupted):
                mine.run("import time; time.sleep(1); print('old')")
            assert mine.run("print('new')").stdout == "new\n"
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_fork_of_the_host_may_not_use_its_sandbox(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool.os, "getpid", lambda: -1)
    with pytest.raises(RuntimeError, match="make another one here"):
        box.run("")


HOST = """
import os, signal, sys, threading
from pipelines.sandbox import Limits, Sandbox
box = Sandbox()
print(*[worker._process.pid for worker in box._all], flush=True)
box.run("while True: pass", limits=Limits(wall=60, processor=60))
"""


def test_nothing_outlives_a_killed_host() -> None:
    require("bwrap")
    host = subprocess.Popen([sys.executable, "-c", HOST], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert host.stdout is not None
    inside = psutil.Process(int(host.stdout.readline()))
    started = time.monotonic()
    while len(tree := [inside, *inside.children(recursive=True)]) < 4 and time.monotonic() - started < 20:
        time.sleep(0.05)  # bubblewrap, its first process, the zygote and the call
    assert len(tree) == 4
    host.kill()
    host.wait()
    assert not psutil.wait_procs(tree, timeout=20)[1]


def test_closing_ends_the_call_under_way() -> None:
    require("bwrap")
    mine = Sandbox()
    threading.Timer(0.3, mine.close).start()
    ran = mine.run("import time; time.sleep(5)")
    assert ran.error is not None and ran.error.kind == "lost"


def test_a_crash_is_no_business_of_the_host() -> None:
    """Where a process may not be dumped, /proc shows its environment to root, and no handler of dumps is called."""
    require("bwrap")
    with Sandbox() as mine, ThreadPoolExecutor(1) as thread:
        (worker,) = mine._all
        ran = thread.submit(mine.run, "import time; time.sleep(3)")
        inside, started = psutil.Process(worker._process.pid), time.monotonic()
        while len(tree := inside.children(recursive=True)) < 3 and time.monotonic() - started < 20:
            time.sleep(0.05)
        time.sleep(1)
        owners = [os.stat(f"/proc/{process.pid}/environ").st_uid for process in tree]
        assert ran.result().error is None
    assert owners[-1] == 0


def test_a_call_is_another_user_outside_too_where_root_runs_it(box: Sandbox) -> None:
    """As root every worker has a user of its own; an ordinary user's calls are theirs outside, and nobody inside."""
    seen = {box.run("import os, time; time.sleep(0.1); print(os.getuid())").stdout for _ in range(2)}
    if os.geteuid() == 0:
        worker = Worker()
        assert worker.user > 60_000 and not seen & {"0\n"}
        worker.close()
    else:
        assert seen == {"65534\n"}
