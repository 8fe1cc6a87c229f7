"""The sides of the sandbox's benchmark do the same work, and the pool is one of them."""

import pytest
from PIL import Image

from benchmarks import sandbox
from pipelines.sandbox import Sandbox
from tests.conftest import require

IMAGE = Image.effect_noise((448, 448), 100).convert("RGB")


def test_the_warm_pool_gives_what_exec_gives() -> None:
    require("bwrap")
    with Sandbox() as pool:
        for name, code in sandbox.PROGRAMS.items():
            assert sandbox.sandboxed(pool)(code, IMAGE) == sandbox.in_process(code, IMAGE), name


@pytest.mark.parametrize("side", [sandbox.process, sandbox.fresh])
def test_the_fresh_sides_do_as_well(side: sandbox.Side) -> None:
    require("bwrap")
    assert side(sandbox.PROGRAMS["draw"], IMAGE) == sandbox.in_process(sandbox.PROGRAMS["draw"], IMAGE)
