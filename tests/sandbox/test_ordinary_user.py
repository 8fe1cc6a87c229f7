"""The escape suite again, by a user who is nobody: root runs it so; any other user runs it as themselves anyway."""

from __future__ import annotations

import os
import site
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import require

VIEW = Path("/mnt")
SUITE = ["tests/sandbox/test_escape.py", "tests/sandbox/test_sandbox.py"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="the suite runs as an ordinary user already")
def test_the_suite_passes_for_an_ordinary_user() -> None:
    """In a view of the machine where Python and these files lie where everyone may read, and /tmp is fresh."""
    require("bwrap")
    require("setpriv")
    places = {
        Path(sys.base_prefix): VIEW / "python",
        Path(site.getsitepackages()[0]): VIEW / "packages",
        ROOT: VIEW / "here",
    }
    command = ["bwrap", "--dev-bind", "/", "/", "--tmpfs", str(VIEW), "--perms", "1777", "--tmpfs", "/tmp"]
    for source, place in places.items():
        command += ["--ro-bind", str(source), str(place)]
    command += [
        "--chdir",
        str(VIEW / "here"),
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "--",
    ]
    name = Path(sys.executable).resolve().name
    command += [str(VIEW / "python" / "bin" / name), "-m", "pytest", "-p", "no:cacheprovider", *SUITE]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/tmp",
        "PYTHONPATH": str(VIEW / "packages"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_LIBRARY_PATH": str(VIEW / "python" / "lib"),
        **{name: os.environ[name] for name in ("EVOLENS_SANDBOX", "EVOLENS_CI") if name in os.environ},
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout
