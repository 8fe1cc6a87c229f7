"""Pictures: original bytes once, in content-addressed packs, found by the id of their pixels."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipelines.lake import files
from pipelines.lake.decode import decode
from pipelines.lake.parts import Damaged
from schemas.arrow import PACK
from schemas.ids import digest, picture_id

GROUP_BYTES = 256 * 1024
"""A row group of a pack closes at this size, so that reading one picture reads few others."""

DECODED = 256
"""How many decoded pictures a process keeps."""


class MissingPicture(KeyError):
    """No pack of the lake holds this picture."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Picture:
    """A picture ready to be packed: its id is of its pixels, `sha` (blake2b-128) of its bytes."""

    image_id: str
    width: int
    height: int
    format: str
    sha: str
    data: bytes


def encode(image: Image.Image) -> bytes:
    """A picture as PNG; equal pixels give equal bytes on one build."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def picture_of(image: Image.Image | bytes, data: bytes | None = None) -> Picture:
    """A picture from pixels, from file bytes, or from both (then `data` must be the bytes the pixels came from)."""
    if isinstance(image, bytes):
        data, image = image, decode(image)
    if data is None:
        data, kind = encode(image.convert("RGB")), "PNG"
    elif image.format:
        kind = image.format
    else:
        with Image.open(io.BytesIO(data)) as opened:
            kind = opened.format or "unknown"
    return Picture(picture_id(image), image.width, image.height, kind, digest(data), data)


def write_pack(path: Path, pictures: Iterable[Picture]) -> int:
    """Write pictures in the given order; returns how many."""
    count = 0
    with pq.ParquetWriter(path, PACK, compression="none", use_dictionary=False, write_statistics=False) as writer:
        group: list[Picture] = []
        for picture in pictures:
            group.append(picture)
            count += 1
            if sum(len(each.data) for each in group) >= GROUP_BYTES:
                writer.write_table(_pack_table(group))
                group = []
        if group:
            writer.write_table(_pack_table(group))
    return count


class PictureStore:
    """Pictures of one lake for one process: every pack on disk, and those that running parts hold in memory."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "images"
        self._where: dict[str, tuple[str, int, int]] = {}  # image id -> pack, row group, row in the group
        self._packs: set[str] = set()
        self._pending: dict[object, dict[str, Picture]] = {}
        self._shown: dict[object, dict[str, Image.Image]] = {}
        self._decoded: OrderedDict[str, Image.Image] = OrderedDict()
        self._lock = threading.RLock()

    def data(self, image: str) -> bytes:
        """The file bytes of a picture. Raises `MissingPicture`, or `Damaged` when they are not what was stored."""
        with self._lock:
            for held in self._pending.values():
                if image in held:
                    return held[image].data
            for shown in self._shown.values():
                if image in shown:
                    return encode(shown[image])
            for _ in range(2):  # a pack that gc removed may have a twin: look again once
                if image not in self._where:
                    self._rescan()
                if image not in self._where:
                    break
                try:
                    return self._read(image)
                except FileNotFoundError:
                    self._where, self._packs = {}, set()
        raise MissingPicture(f"picture {image} is in no pack under {self._folder}")

    def image(self, image: str) -> Image.Image:
        """RGB pixels of a picture; a copy, so that drawing on it harms nobody. Raises as `data` does."""
        with self._lock:
            for shown in self._shown.values():
                if image in shown:
                    return shown[image].copy()
            if image in self._decoded:
                self._decoded.move_to_end(image)
                return self._decoded[image].copy()
        pixels = decode(self.data(image))
        with self._lock:
            self._decoded[image] = pixels
            while len(self._decoded) > DECODED:
                self._decoded.popitem(last=False)
        return pixels.copy()

    def hold(self, owner: object, picture: Picture) -> None:
        """Show a picture to this process before its pack is written."""
        with self._lock:
            self._pending.setdefault(owner, {})[picture.image_id] = picture

    def show(self, owner: object, picture: Image.Image) -> str:
        """Show a picture to this process until `owner` is released, and never pack it; returns its id."""
        name = picture_id(picture)
        with self._lock:
            self._shown.setdefault(owner, {})[name] = picture.convert("RGB")
        return name

    def held(self, owner: object) -> dict[str, Picture]:
        """What `owner` holds, by image id."""
        with self._lock:
            return dict(self._pending.get(owner, {}))

    def release(self, owner: object) -> None:
        """Forget what `owner` held."""
        with self._lock:
            self._pending.pop(owner, None)
            self._shown.pop(owner, None)

    def ids_in(self, pack: Path) -> list[str]:
        """Image ids of one pack."""
        return [str(value) for value in pq.read_table(pack, columns=["image_id"])["image_id"].to_pylist()]

    def _read(self, image: str) -> bytes:
        pack, group, row = self._where[image]
        found = pq.ParquetFile(self._folder / pack).read_row_group(group, columns=["bytes_sha", "bytes"])
        data: bytes = found["bytes"][row].as_py()
        if digest(data) != found["bytes_sha"][row].as_py():
            raise Damaged(f"picture {image} in {pack} is not what was stored")
        return data

    def _rescan(self) -> None:
        names = {path.name for path in self._folder.glob("pack-*.parquet")}
        for name in sorted(names - self._packs):
            try:
                opened = pq.ParquetFile(self._folder / name)
            except FileNotFoundError:
                continue
            for group in range(opened.num_row_groups):
                ids: list[Any] = opened.read_row_group(group, columns=["image_id"])["image_id"].to_pylist()
                for row, value in enumerate(ids):
                    self._where.setdefault(value, (name, group, row))
            self._packs.add(name)


@lru_cache(maxsize=8)
def pictures(root: Path) -> PictureStore:
    """This process's pictures of the lake at `root` (an absolute path)."""
    return PictureStore(root)


def stage_pack(root: Path, name: str, found: Iterable[Picture], tag: str) -> tuple[Path, int]:
    """Write a pack under a temporary name; returns it and how many pictures it holds."""
    temp = files.temporary(root / name, tag)
    return temp, write_pack(temp, found)


def _pack_table(group: list[Picture]) -> pa.Table:
    rows = [{"image_id": p.image_id, "bytes_sha": p.sha, "format": p.format, "bytes": p.data} for p in group]
    return pa.Table.from_pylist(rows, schema=PACK)
