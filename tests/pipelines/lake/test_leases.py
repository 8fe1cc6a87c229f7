from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipelines.lake import leases

KEY = "k" * 32


def holder(root: Path, **changed: object) -> None:
    """Rewrite the lease file as if its owner were another."""
    path = root / "_leases" / f"{KEY}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    lease = leases.try_acquire(tmp_path, KEY, ["upstream"])
    assert lease is not None
    with lease:
        assert leases.try_acquire(tmp_path, KEY) is None
        assert leases.live_keys(tmp_path) == {KEY, "upstream"}
        leases.check_token(tmp_path, KEY, lease.token)
    assert leases.live_keys(tmp_path) == set()
    assert leases.try_acquire(tmp_path, KEY) is not None


def test_only_one_of_many_takers_wins(tmp_path: Path) -> None:
    assert leases.try_acquire(tmp_path, KEY) is not None
    holder(tmp_path, expires=0.0)
    won: list[object] = []
    threads = [threading.Thread(target=lambda: won.append(leases.try_acquire(tmp_path, KEY))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each is not None for each in won) == 1


def test_a_lease_of_a_dead_process_on_this_host_is_taken_over_at_once(tmp_path: Path) -> None:
    line = (
        "import sys; from pathlib import Path; from pipelines.lake import leases;"
        f"assert leases.try_acquire(Path({str(tmp_path)!r}), {KEY!r})"
    )
    subprocess.run([sys.executable, "-c", line], cwd=Path(__file__).parents[3], check=True)
    assert leases.read(tmp_path, KEY) is not None, "it died without giving back"
    assert leases.try_acquire(tmp_path, KEY) is not None


def test_a_process_id_that_came_round_again_is_not_the_owner(tmp_path: Path) -> None:
    assert leases.try_acquire(tmp_path, KEY) is not None
    holder(tmp_path, born=1.0)
    assert leases.try_acquire(tmp_path, KEY) is not None


def test_another_host_holds_until_it_expires(tmp_path: Path) -> None:
    assert leases.try_acquire(tmp_path, KEY) is not None
    holder(tmp_path, host="elsewhere", pid=1)
    assert leases.try_acquire(tmp_path, KEY) is None
    holder(tmp_path, expires=0.0)
    assert leases.try_acquire(tmp_path, KEY) is not None


def test_it_is_renewed_while_held_and_a_loser_may_not_publish(tmp_path: Path) -> None:
    lease = leases.try_acquire(tmp_path, KEY, seconds=0.3)
    assert lease is not None
    with lease:
        time.sleep(0.5)
        assert leases.try_acquire(tmp_path, KEY) is None
        holder(tmp_path, token="another")
        with pytest.raises(leases.LeaseLost):
            leases.check_token(tmp_path, KEY, lease.token)
    assert leases.read(tmp_path, KEY) is not None, "what another holds is not given back by us"
