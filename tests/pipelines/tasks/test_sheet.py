"""A contact sheet shows every sample that it was asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.tasks import FAMILIES, sheet


def test_the_command_writes_the_sheet_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "mazes.png"
    monkeypatch.setattr(sys, "argv", ["sheet", "mazes", "--dial", "1", "--columns", "2", "--out", str(out)])
    sheet.main()
    shown = np.asarray(Image.open(out))
    for index in range(2):
        made = sheet.cell(FAMILIES["mazes"].make(index, 1))
        left = sheet.GAP + index * (sheet.WIDTH + sheet.GAP)
        part = shown[sheet.GAP : sheet.GAP + made.height, left : left + made.width]
        assert (part == np.asarray(made)).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_fits_its_cell(name: str) -> None:
    made = FAMILIES[name].make(0, 2)
    shown = sheet.cell(made)
    assert shown.width == sheet.WIDTH and shown.height < 4 * sheet.WIDTH
