"""Reports made once: of a small lake in which everything happens, and of a large one."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from flows.report.page import write_report
from pipelines.lake import Lake
from tests.flows.report import lakes


class Made(NamedTuple):
    """A lake, its report, and (of the large one) the file of each table."""

    lake: Lake
    page: Path
    files: dict[str, Path]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("small")
    lake, _ = lakes.small(folder / "lake")
    return Made(lake, write_report(lake, folder / "report.html"), {})
