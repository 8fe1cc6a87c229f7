"""What the tests of sources share: small pictures as bytes, sources on disk, and what ingest makes of them."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pipelines import ingest
from pipelines.lake import Lake, Manifest
from pipelines.sources import Source, fingerprint
from pipelines.tools import picture_id
from tests.pipelines.jobs import picture, rows, run

PICTURES = [picture(seed, 32) for seed in range(4)]
IDS = [picture_id(image) for image in PICTURES]


def png(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


FILES = [png(image) for image in PICTURES]
BASE64 = [base64.b64encode(data).decode() for data in FILES]


def put(folder: Path, **files: bytes | str) -> Path:
    """Files in a folder; `a_b__png` is written as `a_b.png`, and `x___y__png` as `x/y.png`."""
    for name, data in files.items():
        path = folder / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder


def pictures(folder: Path) -> Path:
    """`0.png` … `3.png`."""
    return put(folder, **{f"{number}__png": data for number, data in enumerate(FILES)})


def jsonl(records: Sequence[Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def tar(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def source(path: Path, **fields: Any) -> Source:
    return Source(**{"name": "mine", "path": path, "fingerprint": fingerprint(path), **fields})


def ingested(lake: Lake, path: Path, **fields: Any) -> Manifest:
    return run(lake, ingest.STAGE, ingest.Parameters(sources=(source(path, **fields),)))


def asked(lake: Lake, done: Manifest) -> list[tuple[str, Any, list[str]]]:
    """Question, answer and pictures of every sample, in the order of ingest."""
    found = rows(lake, done, "samples")
    return [(row["question"], json.loads(row["answer"]), row["image_ids"]) for row in found]


def told(lake: Lake, done: Manifest) -> dict[str, str]:
    """What went wrong: the end of the record's id → reason, or kind and message."""
    dropped = {row["row_id"]: row["reason"] for row in rows(lake, done, "rejects")}
    failed = {row["row_id"]: f"{row['kind']}: {row['message']}" for row in rows(lake, done, "failures")}
    return {name.removeprefix("mine:"): says for name, says in (dropped | failed).items()}
