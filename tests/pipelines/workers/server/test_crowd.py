from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[4]
COUNT = 4000


@pytest.mark.slow
def test_a_hundred_thousand_requests_with_pictures_would_wait_in_two_gigabytes() -> None:
    """Of fewer: what each takes while it waits, and what is taken beside that for the bodies on their way."""
    command = [sys.executable, "-m", "tests.pipelines.workers.server.crowd", str(COUNT)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    size = json.loads(done.stdout)
    assert size["answered"] == COUNT
    each = (size["queued"] - size["before"]) / COUNT
    assert size["before"] + 100_000 * each + (size["most"] - size["queued"]) < 2048
