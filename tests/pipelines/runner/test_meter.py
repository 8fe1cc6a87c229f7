"""A connected worker sees pixels and original files."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from pipelines.lake import Lake
from pipelines.lake.images import picture_of
from pipelines.runner.meter import connected
from pipelines.stage import WorkerSpec
from tests.pipelines.toy import IDENTITY, Echo

SEEN: list[bytes] = []


def connect(load_image: Callable[[str], Image.Image], load_bytes: Callable[[str], bytes]) -> Echo:
    name = picture_of(Image.open(io.BytesIO(SEEN[0])).convert("RGB"), SEEN[0]).image_id
    assert load_image(name).size == (9, 7)
    SEEN.append(load_bytes(name))
    return Echo(True)


def test_a_worker_is_given_the_file_as_it_was_brought(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (9, 7), "teal").save(file, "JPEG", quality=40)
    SEEN[:] = [file.getvalue()]
    lake = Lake(tmp_path)
    lake.pictures.hold("test", picture_of(Image.open(file).convert("RGB"), file.getvalue()))
    connected(lake, WorkerSpec(IDENTITY, connect))
    lake.pictures.release("test")
    assert SEEN[0] == SEEN[1]
